"""Which clips of a bank are shown, and how often."""

import random
from argparse import Namespace
from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backend.starter import train
from backend.starter.data import Bank, write_bank
from backend.starter.models import Size, new_autoencoder
from backend.starter.world import FIRST, FULL, opposed, words_of
from backend.starter.world.shots import SIZES, TURNING_SIZES

SIZE = Size(pixels=32, frames=4)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    folder: Path = tmp_path_factory.mktemp("bank")
    write_bank(folder, lambda: new_autoencoder(SIZE), SIZE, 1, CPU, FIRST, chunk=64)
    return Bank(folder, CPU)


def test_a_group_is_shown_as_often_as_it_has_clips(bank: Bank) -> None:
    bank = copy(bank)
    bank.groups = [bank.groups[0], bank.groups[1][:2]]
    bank.count_chances()
    shown = bank.choose(4000, random.Random(0))
    assert shown.count(1) / 4000 == pytest.approx(2 / (2 + len(bank.groups[0])), abs=0.03)


def test_opposites_too_are_shown_as_often_as_they_have_clips(bank: Bank) -> None:
    bank = copy(bank)
    words = words_of(bank.shot(bank.opposite(0, random.Random(0))))
    (full,) = bank._alike[words][:1]
    bank.groups, bank._alike = [*bank.groups, bank.groups[full][:1]], dict(bank._alike)
    bank._alike[words] = [full, len(bank.groups) - 1]
    rng = random.Random(0)
    alone = sum(bank.opposite(0, rng) == len(bank.groups) - 1 for _ in range(2000)) / 2000
    assert alone == pytest.approx(1 / (1 + len(bank.groups[full])), abs=0.03)


def test_clips_that_the_vocabulary_cannot_say_are_no_bank(bank: Bank) -> None:
    nothing = replace(FULL, subjects=())
    assert not Bank(bank.folder, CPU, nothing).groups


def test_words_that_are_dwelt_on_are_shown_more_often(bank: Bank) -> None:
    word = bank.shot(0).subject
    often = Bank(bank.folder, CPU, bank.vocabulary, dwell=[word, word, word])
    shown = [
        sum(of.shot(group).subject == word for group in of.choose(4000, random.Random(0))) / 4000
        for of in (bank, often)
    ]
    assert shown[1] == pytest.approx(4 * shown[0] / (1 + 3 * shown[0]), abs=0.03)
    assert shown[1] > shown[0] + 0.05


def test_training_dwells_on_the_words_that_it_is_told(bank: Bank) -> None:
    told = Namespace(bank=bank.folder, device=CPU, vocabulary=FULL, dwell=["star", "star"])
    assert train.read_bank(told).dwell == ["star", "star"]


def test_words_to_dwell_on_that_are_not_taught_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    parser = train.argument_parser(None)
    args = parser.parse_args(["--work", str(tmp_path / "work"), "--dwell", "spinn"])
    with pytest.raises(SystemExit, match="'spinn' is no subject"):
        train.prepared(args)
    assert not (tmp_path / "work").exists()


def test_a_spin_stands_beside_what_keeps_still_and_the_other_way_round(tmp_path: Path) -> None:
    turning = replace(FULL, subjects=("box", "star"), counts=(1,), motions=("still", "spin"), camera_share=0)
    write_bank(tmp_path, lambda: new_autoencoder(SIZE), SIZE, 1, CPU, turning, chunk=256)
    bank = Bank(tmp_path, CPU)
    spins = {g for g in range(len(bank.groups)) if bank.shot(g).motion == "spin"}
    besides = {bank.opposite(g, random.Random(0)) for g in spins}
    assert spins
    assert {bank.shot(g).motion for g in besides} == {"still"}
    for group in besides:
        shot, other = bank.shot(group), bank.shot(bank.opposite(group, random.Random(0)))
        assert other.motion == "spin"
        assert words_of(opposed(other)) == words_of(shot)
        stands = [bank.shots[row] for row in bank.groups[group]]
        assert {(s.x, s.y) for s in stands} == {(other.x, other.y)}
        assert min(s.size for s in stands) >= TURNING_SIZES[1][0] > SIZES[1]
