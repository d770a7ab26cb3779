"""Several motions of a camera, each in a clip of its own, through whole requests on a toy base."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from backend.api.presets import REFERENCE
from backend.api.protocol import Motion
from backend.media.camera import CameraPath, camera_path
from backend.media.filming import Besides, Measured, filmed
from backend.starter import world
from backend.tasks import compositing, making, stacking
from tests.tasks.conftest import WORDS, curve
from tests.tasks.test_filmed import ADDED, APART, FILMED, GOES, STILL, TOLD

RED = "a red ball"


@dataclass
class Asked:
    """The clips whose moves were asked for, and those that might be shown where nothing else is: the first
    one, backwards, then was."""

    clips: list[np.ndarray] = field(default_factory=list)
    shown: list[list[np.ndarray]] = field(default_factory=list)
    at_once: list[int] = field(default_factory=list)  # moves that were laid over one clip


@pytest.fixture
def asked(monkeypatch) -> Asked:
    asked = Asked()

    def camera_move(paths: Sequence[CameraPath], size: tuple[int, int]) -> np.ndarray:
        asked.at_once.append(len(paths))
        return GOES

    def filmed_besides(shown: Sequence[Besides]) -> tuple[int, np.ndarray]:
        asked.shown.append([one.frames for one in shown])
        asked.at_once.append(1 + len(shown[0].others))
        return 0, shown[0].frames[::-1]

    monkeypatch.setattr(compositing, "move_in", lambda frames: asked.clips.append(frames) or TOLD)
    monkeypatch.setattr(compositing, "camera_move", camera_move)
    monkeypatch.setattr(compositing, "filmed_besides", filmed_besides)
    return asked


def test_each_makes_a_clip_under_its_own_words_from_the_same_noise(made, cameras, asked, written):
    for motion, words in zip(cameras, WORDS, strict=True):
        made(prompt=f"{RED} {words}", motions=(motion,))
    made(motions=cameras, sampling=FILMED)
    made(prompt=RED, motions=cameras[::-1], sampling=FILMED)
    first, second, *together = written
    assert np.array_equal(asked.clips, [first, second] * 2)
    assert np.array_equal(asked.shown, [[first, second]] * 2), "either may be"
    assert np.array_equal(together, [first[::-1]] * 2), "in whatever order, whoever says the words"
    assert asked.at_once == [2, 2]


def test_the_clip_of_a_subjects_motion_is_filmed_by_the_moves_of_all(made, motions, cameras, asked, written):
    subject = Motion(path=str(motions[0]), strength=0.9)
    made(prompt=f"{RED} {WORDS[0]}", motions=(subject,))
    for motion, words in zip(cameras, WORDS, strict=True):
        made(prompt=f"{RED} {words}", motions=(motion,))
    made(prompt=RED, motions=(cameras[1], subject, cameras[0]), sampling=FILMED)
    scene, first, second, result = written
    assert np.array_equal(asked.clips, [first, second])
    assert asked.at_once == [2]
    assert np.array_equal(result, filmed(scene, GOES))


def test_a_pan_and_a_zoom_go_as_far_at_once_as_each_alone(made, cameras, monkeypatch, written):
    """With the world's own clips in place of the toy's: the whole way, nothing else is replaced."""
    clips = [
        np.asarray((world.render([shot], size=64, frames=8, fps=8).frames[0].movedim(1, -1) * 255).byte())
        for shot in (
            world.Shot(subject="star", colour="blue", background="brick wall", camera="pan left"),
            world.Shot(subject="ring", colour="orange", background="tiled floor", camera="zoom in"),
        )
    ]
    shown = iter(clips)
    monkeypatch.setattr(making, "make_clip", lambda *_: next(shown))
    made(motions=cameras, sampling=FILMED)
    pan, zoom, both = (camera_path(frames) for frames in (*clips, written[0]))
    assert np.ptp(pan.pan) > 0.15
    assert zoom.zoom[-1] > 1.3
    assert np.abs(np.diff(both.pan) - np.diff(pan.pan)).max() < 0.02
    assert both.zoom[-1] == pytest.approx(zoom.zoom[-1], rel=0.05)


def test_only_the_clip_of_the_motion_that_is_followed_starts_from_that_and_it_is_shown(made, cameras, asked):
    stacked = (cameras[0], replace(cameras[1], strength=1.2))  # the strongest is followed
    for follow in (0.9, 0.0):
        made(prompt=RED, motions=stacked, sampling=FILMED, follow=follow)
    led, other, fresh, again = asked.clips
    assert not np.array_equal(led, fresh)
    assert np.array_equal(other, again)
    assert np.array_equal(asked.shown[0], [led])
    assert np.array_equal(asked.shown[1], [fresh, again])


def test_what_cannot_be_put_together_is_added_up_and_that_is_said(made, cameras, monkeypatch, notes):
    monkeypatch.setattr(compositing, "filmed_besides", lambda *_: None)
    plain, instead = (made(motions=cameras, sampling=how) for how in (ADDED, FILMED))
    assert np.array_equal(plain, instead)
    assert notes(motions=cameras, sampling=FILMED) == (compositing.NOT_FILMED_BESIDES,)


def test_a_subject_is_filmed_as_they_move_one_clip_where_they_go_too_far_at_once(
    made, cameras, motions, asked, monkeypatch, notes, written
):
    subject = Motion(path=str(motions[0]))
    made(prompt=f"{RED} {WORDS[0]}", motions=(subject,))
    made(motions=cameras)
    scene, of_both = written
    monkeypatch.setattr(compositing, "camera_move", lambda paths, size: None if len(paths) > 1 else GOES)
    made(motions=(*cameras, subject), sampling=FILMED)
    assert np.array_equal(asked.clips[-1], of_both)
    assert np.array_equal(written[-1], filmed(scene, GOES))
    stacked = {"motions": (*cameras, subject), "sampling": FILMED}
    assert notes(**stacked) == (compositing.CAMERAS_ADDED,)
    monkeypatch.setattr(compositing, "camera_move", lambda paths, size: None)
    assert notes(**stacked) == (compositing.NOT_FILMED,)


def test_one_whose_ground_tells_nothing_is_not_shown_and_moves_as_what_it_was_learned_from(
    made, cameras, asked, monkeypatch, notes
):
    told = iter([None, TOLD] * 2)
    monkeypatch.setattr(compositing, "move_in", lambda frames: asked.clips.append(frames) or next(told))
    monkeypatch.setattr(stacking, "move_in", lambda frames: TOLD)
    made(motions=cameras, sampling=FILMED)
    assert np.array_equal(asked.shown, [[asked.clips[1]]])
    assert asked.at_once == [2]
    assert notes(motions=cameras, sampling=FILMED) == (compositing.LEARNED_MOVE,)


def test_where_one_of_them_tells_no_move_and_none_was_kept_nothing_is_laid_over_by_halves(
    made, cameras, motions, asked, monkeypatch, notes
):
    """Two from files; their first clip moves, the second does not, and both at once do."""
    for motion in cameras:
        (Path(motion.path) / REFERENCE).unlink()
    told = iter([TOLD, None] * 2 + [TOLD, None, TOLD])
    monkeypatch.setattr(compositing, "move_in", lambda frames: next(told))
    plain, instead = (made(motions=cameras, sampling=how) for how in (ADDED, FILMED))
    assert np.array_equal(plain, instead)
    assert notes(motions=cameras, sampling=FILMED) == (compositing.NOT_FILMED_BESIDES,)
    stacked = (*cameras, Motion(path=str(motions[0])))
    assert notes(motions=stacked, sampling=FILMED) == (compositing.CAMERAS_ADDED,)
    assert asked.at_once == [1]


def test_one_that_is_shown_moves_as_it_does_though_that_is_not_sure(made, cameras, monkeypatch, notes):
    """What is learned is not laid over a clip that goes so already, and so it is not said either."""
    pan, learned = (replace(STILL, pan=np.array([0, 1, 2, 3]) * step) for step in (0.01, 0.1))
    told = iter([Measured(pan, sure=False), TOLD] * 2)
    monkeypatch.setattr(compositing, "move_in", lambda frames: next(told))
    monkeypatch.setattr(stacking, "move_in", lambda frames: Measured(learned, sure=True))
    shown: list[Besides] = []
    monkeypatch.setattr(compositing, "filmed_besides", lambda some: shown.extend(some) or (0, some[0].frames))
    assert notes(motions=cameras, sampling=FILMED) == ()
    first, second = shown
    assert np.array_equal(first.own.pan, pan.pan)
    assert [one.pan.max() for one in first.others] == [0]
    assert [one.pan.max() for one in second.others] == [pytest.approx(0.3)]
    monkeypatch.setattr(compositing, "filmed_besides", lambda some: (1, some[1].frames))
    assert notes(motions=cameras, sampling=FILMED) == (compositing.LEARNED_MOVE,)


def test_what_fades_is_added_up_and_that_is_said(made, cameras, motions, asked, notes):
    faded = (cameras[0], curve(Path(cameras[1].path), 0, 1))
    plain, instead = (made(motions=faded, sampling=how) for how in (ADDED, FILMED))
    assert np.array_equal(plain, instead)
    assert not asked.clips
    fading = stacking.FADING_OF_ONE.format("camera")
    assert notes(motions=faded, sampling=FILMED) == (fading,)
    subject = Motion(path=str(motions[0]))
    assert notes(motions=(*faded, subject), sampling=FILMED) == (fading,)
    assert asked.at_once == [1], "of both cameras' motions in one clip"


def test_only_filmed_and_only_several_are_put_together(made, cameras, asked, notes):
    for stacked, how in ((cameras, APART), (cameras, ADDED), (cameras[:1], FILMED)):
        assert np.array_equal(made(motions=stacked, sampling=how), made(motions=stacked, sampling=ADDED))
        assert notes(motions=stacked, sampling=how) == ()
    assert not asked.clips


def test_an_edit_shows_the_strips_own_clip_and_lays_moves_over_it_that_hold_nothing_of_the_strip(
    made, edited, cameras, asked, written
):
    edited(motions=cameras, sampling=FILMED, inversion_steps=50)
    edited(motions=cameras[:1], sampling=ADDED, inversion_steps=50)
    made(prompt=f"{RED} {WORDS[1]}", motions=cameras[1:], sampling=replace(ADDED, steps=50))
    _, strips, fresh = written
    assert np.array_equal(asked.clips, [strips, fresh])
    assert np.array_equal(asked.shown, [[strips]])
