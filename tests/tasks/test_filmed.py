"""A subject's motion filmed by a camera's, through whole requests on a toy base."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.api.presets import REFERENCE
from backend.api.protocol import Finish, Generate, Motion, Sampling
from backend.media.camera import CameraPath
from backend.media.filming import Measured, camera_move, filmed
from backend.media.motion import layer_fidelity
from backend.starter import world
from backend.tasks import compositing, making, perform, stacking
from tests.conftest import quiet_run
from tests.tasks.conftest import CPU, WORDS, curve, pixels

ADDED, APART, FILMED = (Sampling(stacking=how) for how in ("added", "apart", "filmed"))
GOES = np.repeat(np.eye(2, 3)[None], 4, axis=0)
GOES[:, 0, 2] = [0, 2, 4, 6]
STILL = CameraPath(np.zeros(4), np.zeros(4), np.ones(4), np.zeros(4))
TOLD = Measured(STILL, sure=True)


@pytest.fixture
def both(motions, camera) -> tuple[Motion, Motion]:
    return Motion(path=str(motions[0])), Motion(path=str(camera))


def moved_by(monkeypatch, move: np.ndarray | None) -> list[np.ndarray]:
    """The clips whose camera's move is asked for, which is said to be `move`; None goes too far."""
    asked: list[np.ndarray] = []
    monkeypatch.setattr(compositing, "move_in", lambda frames: asked.append(frames) or TOLD)
    monkeypatch.setattr(compositing, "camera_move", lambda paths, size: move)
    return asked


def test_the_subjects_clip_is_filmed_by_the_move_of_the_cameras(made, both, written, monkeypatch):
    """Each clip with its own motion under its own words, from the same noise."""
    subject, of_camera = both
    made(prompt=f"a red ball {WORDS[0]}", motions=(subject,))
    made(prompt=f"a red ball {WORDS[1]}", motions=(of_camera,))
    asked = moved_by(monkeypatch, GOES)
    made(motions=both, sampling=FILMED)
    made(prompt="a red ball", motions=both[::-1], sampling=FILMED)
    scene, moves, result, again = written
    for one in asked:
        assert np.array_equal(one, moves)
    assert np.array_equal(result, filmed(scene, GOES))
    assert np.array_equal(result, again), "in whatever order, and whoever says the words"
    assert not np.array_equal(result, scene)


def test_where_no_move_is_told_they_are_kept_apart_and_that_is_said(made, both, monkeypatch, notes):
    moved_by(monkeypatch, None)
    assert np.array_equal(made(motions=both, sampling=FILMED), made(motions=both, sampling=APART))
    two = {"motions": both, "sampling": FILMED, "count": 2}
    said = tuple(f"clip {number} of 2: {compositing.NOT_FILMED}" for number in (1, 2))
    assert notes(**two) == said
    moved_by(monkeypatch, GOES)
    assert notes(**two) == ()
    monkeypatch.setattr(compositing, "filmed", lambda scene, move: None)  # as of one that moves by itself
    assert notes(**two) == said
    assert np.array_equal(made(motions=both, sampling=FILMED), made(motions=both, sampling=APART))


@pytest.mark.parametrize("measured", [None, Measured(STILL, sure=False)], ids=["none", "not surely"])
def test_where_the_ground_tells_no_move_the_learned_clips_own_is_taken_as_strongly_as_it_acts(
    made, both, measured, monkeypatch, notes, written
):
    """Before a plain ground a pan cannot be measured; of one from a file no other clip is known."""
    subject, of_camera = both
    made(prompt=f"a red ball {WORDS[0]}", motions=(subject,))
    pan = np.array([0, -0.1, -0.2, -0.3])
    learned = Measured(replace(STILL, pan=pan), sure=False)
    monkeypatch.setattr(compositing, "move_in", lambda frames: measured)
    monkeypatch.setattr(stacking, "move_in", lambda frames: learned)
    stacked = (subject, replace(of_camera, strength=0.5))
    made(prompt="a red ball", motions=stacked, sampling=FILMED)
    scene, result = written
    goes = camera_move([replace(STILL, pan=pan / 2)], (scene.shape[2], scene.shape[1]))
    assert np.array_equal(result, filmed(scene, goes))
    assert notes(motions=stacked, sampling=FILMED) == (compositing.LEARNED_MOVE,)
    monkeypatch.setattr(
        compositing, "move_in", lambda frames: Measured(replace(STILL, pan=pan / 3), sure=False)
    )
    assert notes(motions=stacked, sampling=FILMED) == (), "about the same is believed"
    monkeypatch.setattr(compositing, "move_in", lambda frames: measured)
    (Path(of_camera.path) / REFERENCE).unlink()
    assert notes(motions=stacked, sampling=FILMED) == (() if measured else (compositing.NOT_FILMED,))


def test_a_circle_and_a_pan_are_put_together_as_they_are_measured(made, both, monkeypatch, written):
    """With the world's own clips in place of the toy's: the whole way, nothing else is replaced."""
    circle = world.Shot(subject="ball", colour="red", background="tiled floor", motion="circle")
    pan = world.Shot(subject="star", colour="blue", background="brick wall", camera="pan left")
    of_subject, of_camera = (
        np.asarray((world.render([shot], size=64, frames=8, fps=8).frames[0].movedim(1, -1) * 255).byte())
        for shot in (circle, pan)
    )
    shown = iter([of_camera, of_subject])
    monkeypatch.setattr(making, "make_clip", lambda *_: next(shown))
    made(motions=both, sampling=FILMED)
    assert min(layer_fidelity(of_subject, of_camera, written[0])) > 0.9


@pytest.mark.parametrize("whose", [0, 1], ids=["subject", "camera"])
def test_only_the_clip_of_the_motion_that_is_followed_starts_from_that(made, both, whose, monkeypatch):
    """What the other makes is what it makes alone, from fresh noise."""
    followed = list(both)
    followed[whose] = replace(both[whose], strength=1.5)  # the strongest is followed
    asked = moved_by(monkeypatch, GOES)
    scenes: list[np.ndarray] = []
    monkeypatch.setattr(compositing, "filmed", lambda scene, move: scenes.append(scene) or scene)
    made(prompt="a red ball", motions=tuple(followed), sampling=FILMED, follow=0.9)
    made(prompt="a red ball", motions=tuple(followed), sampling=FILMED, follow=0.0)
    led, plain = (scenes, asked) if whose == 0 else (asked, scenes)
    assert not np.array_equal(*led)
    assert np.array_equal(*plain)


def test_what_is_made_alone_is_balanced_alone(made, both, monkeypatch):
    """Nothing drowns another that acts on another clip."""
    moved_by(monkeypatch, GOES)
    plain, balanced = (made(motions=both, sampling=FILMED, balance=amount) for amount in (0.0, 1.0))
    assert np.array_equal(plain, balanced)


@pytest.mark.parametrize("fades", [(0, 1), (1, 0.1)])
def test_what_fades_fades_apart_and_that_is_said(made, both, fades, monkeypatch, notes):
    asked = moved_by(monkeypatch, GOES)
    faded = (both[0], curve(Path(both[1].path), *fades))
    filmed, apart = (made(motions=faded, sampling=s) for s in (FILMED, APART))
    assert np.array_equal(filmed, apart)
    assert not asked
    assert notes(motions=faded, sampling=FILMED) == (stacking.FADING,)


def test_that_a_second_pass_may_undo_it_is_said(both, monkeypatch, toy_base, notes):
    moved_by(monkeypatch, GOES)
    twice = {"motions": both, "finish": Finish(base=str(toy_base), strength=0.2)}
    assert notes(**twice, sampling=FILMED) == (compositing.SECOND_PASS,)
    assert notes(**twice, sampling=APART) == ()


def test_one_of_the_two_alone_is_not_measured(made, both, monkeypatch):
    asked = moved_by(monkeypatch, GOES)
    for motions in ((both[0],), (both[1],), (both[0], replace(both[1], strength=0.0))):
        assert np.array_equal(made(motions=motions, sampling=FILMED), made(motions=motions, sampling=ADDED))
    assert not asked


def test_several_clips_and_edits_are_filmed_each_for_itself(
    made, edited, both, written, monkeypatch, toy_base, tmp_path
):
    asked = moved_by(monkeypatch, GOES)
    request = Generate(
        job="g", prompt="a red ball", out=str(tmp_path / "two.mp4"), base=str(toy_base), motions=both,
        sampling=FILMED, count=2, compute=CPU,
    )  # fmt: skip
    first, second = perform(request, quiet_run(tmp_path)).outputs
    assert not np.array_equal(pixels(first), pixels(second))
    assert not np.array_equal(*asked)
    alone = made(prompt="a red ball", motions=both, sampling=FILMED, seed=request.seed + 1)
    assert np.array_equal(pixels(second), alone)
    written.clear()
    edited(motions=both, sampling=FILMED)
    edited(motions=both[:1], sampling=ADDED)
    result, scene = written
    assert np.array_equal(result, filmed(scene, GOES))
