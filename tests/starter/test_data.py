"""What the starter is trained on: pictures, the bank of encoded clips, films."""

import json
import random
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.starter import data
from backend.starter.data import GROUP, Bank, drawn_ahead, shown_again, write_bank
from backend.starter.films import Films, read_films
from backend.starter.models import Size, new_autoencoder
from backend.starter.world import FIRST, FULL, VOCABULARIES
from backend.starter.world.motions import WANDER

SIZE = Size(pixels=32, frames=4)
CPU = torch.device("cpu")


def test_half_of_what_a_still_camera_sees_wanders_and_less_under_one_that_moves(tmp_path: Path) -> None:
    write_bank(tmp_path, new_autoencoder(SIZE), SIZE, 1, CPU, VOCABULARIES["camera"], chunk=1024)
    shots = Bank(tmp_path, CPU).shots
    still, moving = ([s for s in shots if (s.camera == "locked") == locked] for locked in (True, False))
    share = [sum(s.motion == WANDER for s in some) / len(some) for some in (still, moving)]
    assert 0.25 < share[0] < 0.75
    assert 0 < share[1] < share[0]
    wandering = [s for s in moving if s.camera == WANDER]
    assert 0 < len(wandering) / len(moving) < 0.6
    assert not {"gray wall", "brown ground", "blue sea"} & {s.background for s in wandering}


def test_a_bank_takes_in_what_is_written_while_it_is_read(films: Films, tmp_path: Path) -> None:
    write = partial(write_bank, tmp_path / "bank", new_autoencoder(SIZE), SIZE, device=CPU, vocabulary=FULL)
    write(chunks=1, chunk=2 * GROUP)
    bank = Bank(tmp_path / "bank", CPU)
    before = bank.latents.clone()
    write(chunks=2, chunk=2 * GROUP, films=films)
    bank.grow()
    assert len(bank.shots) == len(bank.latents) == 4 * GROUP + 3
    assert torch.equal(bank.latents[: len(before)], before)
    assert [row for rows in bank.groups for row in rows] == list(range(len(bank.shots)))
    assert bank.sizes.tolist() == [len(rows) for rows in bank.groups]
    assert bank.rows[-1].tolist() == bank.groups[-1] + [-1] * (GROUP - len(bank.groups[-1]))
    bank.grow()
    assert len(bank.shots) == 4 * GROUP + 3


def test_loaders_draw_what_is_drawn_without_and_each_its_own() -> None:
    here, there = (drawn_ahead(7, 4, SIZE, FIRST, loaders) for loaders in (0, 2))
    first = next(here)
    own, others = next(there), next(there)
    assert all(map(torch.equal, first, own))
    assert not torch.equal(own[0], others[0])


def test_a_bank_is_the_same_whoever_draws_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    autoencoder = new_autoencoder(SIZE)
    for name, loaders in (("here", 0), ("there", 2)):
        write_bank(tmp_path / name, autoencoder, SIZE, 3, CPU, FIRST, chunk=80, loaders=loaders)
    here, there = Bank(tmp_path / "here", CPU), Bank(tmp_path / "there", CPU)
    assert here.shots == there.shots
    assert len(here.shots) == len({(s.x, s.size) for s in here.shots}) == 3 * 80
    assert torch.equal(here.latents, there.latents)


def test_what_is_shown_again_was_drawn_lately_and_is_mirrored_with_its_mask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(data, "REMEMBERED", 2 * 3)  # pictures: two batches of three
    drawn = [(torch.rand(3, 3, 2, 4), torch.rand(3, 1, 2, 4)) for _ in range(8)]
    shown = list(shown_again(iter(drawn), 5, random.Random(0)))
    assert len(shown) == 5 * len(drawn)
    assert all(a is b for a, b in zip(shown[::5], drawn, strict=True))
    ages = set()
    for turn, (pictures, masks) in enumerate(shown):
        number, mirrored = turn // 5, turn % 5 in (1, 3)
        for age, (p, m) in enumerate(reversed(drawn[: number + 1])):
            if torch.equal(pictures, p.flip(-1) if mirrored else p):
                assert torch.equal(masks, m.flip(-1) if mirrored else m)
                ages.add(age)
                break
        else:
            pytest.fail("shown, but never drawn")
    assert ages == {0, 1}


def test_films_stand_in_the_bank_beside_the_worlds_own_clips(films: Films, tmp_path: Path) -> None:
    write_bank(tmp_path / "bank", new_autoencoder(SIZE), SIZE, 1, CPU, FIRST, chunk=2 * GROUP, films=films)
    bank = Bank(tmp_path / "bank", CPU)
    assert len(bank.shots) == len(bank.latents) == 2 * GROUP + 3
    assert all(shot in bank.shots for shot in films.shots)


def test_filmed_pictures_are_frames_of_the_films(films: Films) -> None:
    pictures = films.pictures(random.Random(0), 6)
    known = (films.frames.flatten(0, 1).float() / 127.5 - 1).flatten(1)
    assert pictures.shape == (6, 3, SIZE.pixels, SIZE.pixels)
    assert all((known - p.flatten()).abs().amax(1).min() < 1e-6 for p in pictures)


def test_films_that_are_too_short_are_refused_in_a_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "0.npz", frames=np.zeros((2, 8, 8, 3), np.uint8))
    (tmp_path / "shots.json").write_text(json.dumps([{"file": "0.npz", "words": {}}]))
    with pytest.raises(SystemExit, match="has 2 frames, 4 are needed"):
        read_films(tmp_path, SIZE)
