"""What the starter is trained on: pictures, the bank of encoded clips, films."""

import json
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.starter import pictures
from backend.starter.data import GROUP, Bank, write_bank
from backend.starter.films import Films, read_films
from backend.starter.models import Size, new_autoencoder
from backend.starter.pictures import Pool, drawn_ahead, shown_again
from backend.starter.world import FIRST, FULL, VOCABULARIES, render
from backend.starter.world.motions import WANDER

SIZE = Size(pixels=32, frames=4)
CPU = torch.device("cpu")


def test_half_of_what_a_still_camera_sees_wanders_and_less_under_one_that_moves(tmp_path: Path) -> None:
    write_bank(tmp_path, lambda: new_autoencoder(SIZE), SIZE, 1, CPU, VOCABULARIES["camera"], chunk=1024)
    shots = Bank(tmp_path, CPU).shots
    still, moving = ([s for s in shots if (s.camera == "locked") == locked] for locked in (True, False))
    share = [sum(s.motion == WANDER for s in some) / len(some) for some in (still, moving)]
    assert 0.25 < share[0] < 0.75
    assert 0 < share[1] < share[0]
    wandering = [s for s in moving if s.camera == WANDER]
    assert 0 < len(wandering) / len(moving) < 0.6
    assert not {"gray wall", "brown ground", "blue sea"} & {s.background for s in wandering}


def test_a_bank_takes_in_what_is_written_while_it_is_read(films: Films, tmp_path: Path) -> None:
    write = partial(
        write_bank, tmp_path / "bank", lambda: new_autoencoder(SIZE), SIZE, device=CPU, vocabulary=FULL
    )
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
        write_bank(tmp_path / name, lambda: autoencoder, SIZE, 3, CPU, FIRST, chunk=80, loaders=loaders)
    here, there = Bank(tmp_path / "here", CPU), Bank(tmp_path / "there", CPU)
    assert here.shots == there.shots
    assert len(here.shots) == len({(s.x, s.size) for s in here.shots}) == 3 * 80
    assert torch.equal(here.latents, there.latents)


def test_a_bank_knows_which_cells_a_subject_covers(tmp_path: Path) -> None:
    write_bank(tmp_path, lambda: new_autoencoder(SIZE), SIZE, 1, CPU, FIRST, chunk=2 * GROUP)
    bank = Bank(tmp_path, CPU)
    masks = render(bank.shots, size=SIZE.pixels, frames=SIZE.frames, fps=SIZE.fps).masks
    most = masks.unflatten(3, (4, 8)).unflatten(2, (4, 8)).amax((3, 5))
    assert (bank.covers / 255 - most).abs().max() <= 0.5 / 255 + 1e-6
    assert 0.1 < most.mean() < 0.6


def test_a_bank_of_before_covers_were_known_is_refused_in_a_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "0000.npz", latents=np.zeros((0, 4, 8, 4, 4), np.float16), shots="[]")
    with pytest.raises(SystemExit, match="was written by an older version: write the bank anew"):
        Bank(tmp_path, CPU)


def test_what_is_shown_again_was_drawn_lately_and_is_mirrored_with_its_mask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pictures, "REMEMBERED", 6)
    torch.manual_seed(0)
    pool = Pool(Size(pixels=4), CPU)
    drawn = torch.randint(256, (10, 4, 4, 4)).float() / 255  # the last channel is the mask
    for some in drawn.split(4):
        pool.take(some[:, :3] * 2 - 1, some[:, 3:])
    seen = set()
    for _ in range(20):
        shown, masks = pool.some(5)
        for picture in torch.cat((shown / 2 + 0.5, masks), 1):
            for mirrored in (False, True):
                like = (drawn - (picture.flip(-1) if mirrored else picture)).abs().flatten(1).amax(1)
                if like.min() < 1e-5:
                    seen.add((int(like.argmin()), mirrored))
                    break
            else:
                pytest.fail("shown, but never drawn")
    assert {number for number, _ in seen} == set(range(4, 10))
    assert {mirrored for _, mirrored in seen} == {False, True}


def test_pictures_are_drawn_while_they_are_shown_and_no_longer() -> None:
    drawn = 0

    def draw() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        nonlocal drawn
        while True:
            drawn += 1
            yield torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4)

    with shown_again(draw(), 3, Size(pixels=4), CPU) as shown:
        assert [len(next(shown)[0]) for _ in range(3)] == [3, 3, 3]
        while drawn < 5:
            time.sleep(0.01)
    before = drawn
    time.sleep(0.1)
    assert drawn == before


def test_loaders_that_fail_end_what_is_shown() -> None:
    def draw() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        yield torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4)
        raise OSError("no memory")

    with shown_again(draw(), 3, Size(pixels=4), CPU) as shown, pytest.raises(OSError, match="no memory"):
        list(shown)


def test_films_stand_in_the_bank_beside_the_worlds_own_clips(films: Films, tmp_path: Path) -> None:
    write_bank(
        tmp_path / "bank", lambda: new_autoencoder(SIZE), SIZE, 1, CPU, FIRST, chunk=2 * GROUP, films=films
    )
    bank = Bank(tmp_path / "bank", CPU)
    assert len(bank.shots) == len(bank.latents) == 2 * GROUP + 3
    assert all(shot in bank.shots for shot in films.shots)
    assert [bool(of.any()) for of in bank.covers] == [shot not in films.shots for shot in bank.shots]


def test_filmed_pictures_are_frames_of_the_films(films: Films) -> None:
    pictures = films.pictures(6)
    known = (films.frames.flatten(0, 1).float() / 127.5 - 1).flatten(1)
    assert pictures.shape == (6, 3, SIZE.pixels, SIZE.pixels)
    assert all((known - p.flatten()).abs().amax(1).min() < 1e-6 for p in pictures)


def test_films_that_are_too_short_are_refused_in_a_sentence(tmp_path: Path) -> None:
    np.savez(tmp_path / "0.npz", frames=np.zeros((2, 8, 8, 3), np.uint8))
    (tmp_path / "shots.json").write_text(json.dumps([{"file": "0.npz", "words": {}}]))
    with pytest.raises(SystemExit, match="has 2 frames, 4 are needed"):
        read_films(tmp_path, SIZE)
