"""A camera's only motion whose clip stands still, through whole requests on a toy base."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.api.presets import REFERENCE
from backend.api.protocol import Clip, Edit, Finish
from backend.media import clips, filming
from backend.media.camera import camera_path
from backend.media.filming import Measured
from backend.starter import world
from backend.tasks import compositing, making, perform, stacking
from tests.conftest import quiet_run
from tests.tasks.conftest import CPU, curve
from tests.tasks.test_filmed import ADDED, FILMED, STILL


@dataclass
class Alone:
    """One camera's motion alone, with the world's clips in place of the toy's and of the one that it was
    learned from; nothing else is replaced."""

    makes: np.ndarray
    learned: np.ndarray


def of_world(**changes: object) -> np.ndarray:
    shot = replace(world.Shot(subject="star", colour="blue", background="brick wall"), **changes)
    frames = world.render([shot], size=64, frames=4, fps=8).frames[0]
    return np.asarray((frames.movedim(1, -1) * 255).byte())


@pytest.fixture
def alone(monkeypatch) -> Alone:
    """A roll whose clip stands still."""
    alone = Alone(of_world(), of_world(camera="roll", background="tiled floor"))
    read = clips.read

    def reading(clip: Clip, **how: Any) -> np.ndarray:
        return alone.learned if Path(clip.path).name == REFERENCE else read(clip, **how)

    monkeypatch.setattr(clips, "read", reading)
    monkeypatch.setattr(making, "make_clip", lambda *_: alone.makes)
    return alone


@pytest.fixture
def filmed_alone(made, cameras, written, notes):
    """The clip, and what is said of it."""

    def filmed_alone(strength: float = 1.0, **changes) -> tuple[np.ndarray, tuple[str, ...]]:
        asked = {"motions": (replace(cameras[0], strength=strength),), "sampling": FILMED} | changes
        made(**asked)
        return written[-1], notes(**asked)

    return filmed_alone


def roll_of(frames: np.ndarray) -> float:
    path = camera_path(frames).roll
    return float(path[-1] - path[0])


def test_one_alone_whose_clip_stands_still_is_filmed_as_it_was_learned_as_strongly_as_it_acts(
    alone, filmed_alone, cameras, notes
):
    learned = roll_of(alone.learned)
    assert learned > 15
    for strength in (1.0, 0.5, -1.0):
        frames, said = filmed_alone(strength)
        assert roll_of(frames) == pytest.approx(strength * learned, rel=0.1)
        assert said == (compositing.STOOD,)
    frames, _ = filmed_alone(motions=(curve(Path(cameras[0].path), 0, 0, 1, 1),))
    first, then = roll_of(frames[:2]), roll_of(frames[1:])
    assert first == pytest.approx(0, abs=0.5)
    assert then == pytest.approx(learned * 2 / 3, rel=0.1)
    assert notes(motions=cameras[:1], sampling=FILMED, count=2) == tuple(
        f"clip {number} of 2: {compositing.STOOD}" for number in (1, 2)
    )


def test_so_is_an_edit_of_a_strip_that_stands_still(alone, cameras, toy_base, moving_clip, tmp_path):
    asked = Edit(
        job="e", clip=Clip(path=str(moving_clip)), prompt="a red ball", out=str(tmp_path / "edit.mp4"),
        base=str(toy_base), compute=CPU, motions=cameras[:1], sampling=FILMED, count=2, follow=0.5,
    )  # fmt: skip
    said = perform(asked, quiet_run(tmp_path)).notes
    assert said == tuple(f"clip {number} of 2: {compositing.STOOD}" for number in (1, 2))


def test_one_alone_that_moves_its_clip_is_left_as_it_is(alone, filmed_alone, monkeypatch):
    """Wholly, by half, or by little where no more is asked for; and where the ground tells nothing."""
    half = of_world(camera="roll", camera_amount=0.5)
    whole = of_world(camera="roll")
    little = of_world(camera="zoom in", camera_amount=0.15), of_world(camera="zoom in", camera_amount=0.3)
    asked = [(whole, alone.learned), (half, alone.learned), little]
    for alone.makes, alone.learned in asked:
        frames, said = filmed_alone()
        assert np.array_equal(frames, alone.makes)
        assert said == ()
    alone.makes, alone.learned = whole, of_world(camera="roll", background="tiled floor")
    monkeypatch.setattr(filming, "camera_path", lambda frames: STILL)
    assert np.array_equal(filmed_alone()[0], whole)


def test_one_alone_whose_learned_clip_tells_no_sure_move_is_left_as_it_is(
    alone, filmed_alone, cameras, monkeypatch
):
    with monkeypatch.context() as unsure:
        roll = Measured(replace(STILL, roll=np.arange(4) * 6.0), sure=False)
        unsure.setattr(stacking, "move_in", lambda frames: roll)
        assert filmed_alone()[1] == ()
    alone.learned = of_world()
    frames, said = filmed_alone()
    assert np.array_equal(frames, alone.makes)
    assert said == ()


@pytest.mark.parametrize("kept", [None, b"", b"no movie"], ids=["from a file", "empty", "damaged"])
def test_one_alone_whose_learned_clip_cannot_be_read_acts_all_the_same(cameras, notes, made, kept):
    file = Path(cameras[0].path) / REFERENCE
    file.unlink() if kept is None else file.write_bytes(kept)
    plain, instead = (made(motions=cameras[:1], sampling=how) for how in (ADDED, FILMED))
    assert np.array_equal(plain, instead)
    assert notes(motions=cameras[:1], sampling=FILMED) == ()


def test_where_the_move_cannot_be_laid_over_a_clip_that_stands_still_that_is_said(
    alone, filmed_alone, monkeypatch
):
    with monkeypatch.context() as too_far:
        too_far.setattr(compositing, "camera_move", lambda paths, size: None)
        frames, said = filmed_alone()
    assert np.array_equal(frames, alone.makes)
    assert said == (compositing.TOO_FAR,)
    alone.makes = of_world(camera="pan left", camera_amount=1.5)
    frames, said = filmed_alone()
    assert np.array_equal(frames, alone.makes)
    assert said == (compositing.MOVES_OTHERWISE,)


def test_a_second_pass_may_undo_what_was_laid_over_one_alone_and_nothing_else(
    alone, filmed_alone, toy_base, cameras, notes
):
    twice = {"finish": Finish(base=str(toy_base), strength=0.2)}
    assert filmed_alone(**twice)[1] == (compositing.STOOD, compositing.SECOND_PASS)
    of_two = notes(motions=cameras[:1], sampling=FILMED, count=2, **twice)
    assert of_two.count(compositing.SECOND_PASS) == 1
    assert len(of_two) == 3
    alone.makes = of_world(camera="roll")
    assert filmed_alone(**twice)[1] == ()
