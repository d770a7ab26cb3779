"""Several motions of a camera, each in a clip of its own, through whole requests on a toy base."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from backend.api.presets import read_preset, write_preset
from backend.api.protocol import Clip, Edit, Motion
from backend.media.camera import camera_path
from backend.media.filming import filmed
from backend.starter import world
from backend.tasks import compositing, making, perform, stacking
from tests.conftest import quiet_run
from tests.tasks.conftest import CPU, WORDS, curve
from tests.tasks.test_filmed import ADDED, APART, FILMED, GOES

RED = "a red ball"


@pytest.fixture
def cameras(motions, tmp_path) -> tuple[Motion, Motion]:
    """The first is the stronger by a little."""
    folders = [Path(shutil.copytree(folder, tmp_path / f"camera {folder.name}")) for folder in motions]
    for folder in folders:
        write_preset(folder, replace(read_preset(folder), kind="camera"))
    first, second = (Motion(path=str(folder)) for folder in folders)
    return first, replace(second, strength=0.999)


class Asked(NamedTuple):
    clips: Sequence[np.ndarray]
    shown: int = 0


@pytest.fixture
def moves(monkeypatch) -> list[Asked]:
    """The clips whose moves were laid over a subject's, or over each other: the first, backwards, then."""
    asked: list[Asked] = []

    def camera_move(*clips: np.ndarray) -> np.ndarray:
        asked.append(Asked(clips))
        return GOES

    def filmed_besides(clips: Sequence[np.ndarray], shown: int) -> np.ndarray:
        asked.append(Asked(clips, shown))
        return clips[0][::-1]

    monkeypatch.setattr(compositing, "camera_move", camera_move)
    monkeypatch.setattr(compositing, "filmed_besides", filmed_besides)
    return asked


def test_each_makes_a_clip_under_its_own_words_from_the_same_noise(made, cameras, moves, written):
    for motion, words in zip(cameras, WORDS, strict=True):
        made(prompt=f"{RED} {words}", motions=(motion,))
    made(motions=cameras, sampling=FILMED)
    made(prompt=RED, motions=cameras[::-1], sampling=FILMED)
    first, second, *together = written
    assert np.array_equal([one.clips for one in moves], [[first, second]] * 2)
    assert [one.shown for one in moves] == [2, 2], "either may be"
    assert np.array_equal(together, [first[::-1]] * 2), "in whatever order, whoever says the words"


def test_the_clip_of_a_subjects_motion_is_filmed_by_the_moves_of_all(made, motions, cameras, moves, written):
    subject = Motion(path=str(motions[0]), strength=0.9)
    made(prompt=f"{RED} {WORDS[0]}", motions=(subject,))
    made(prompt=RED, motions=(cameras[1], subject, replace(cameras[1], strength=0.5)), sampling=FILMED)
    scene, result = written
    assert [len(one.clips) for one in moves] == [2]
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


def test_only_the_clip_of_the_motion_that_is_followed_starts_from_that_and_it_is_shown(made, cameras, moves):
    stacked = (cameras[0], replace(cameras[1], strength=1.2))  # the strongest is followed
    for follow in (0.9, 0.0):
        made(prompt=RED, motions=stacked, sampling=FILMED, follow=follow)
    (led, other), (fresh, again) = (one.clips for one in moves)
    assert not np.array_equal(led, fresh)
    assert np.array_equal(other, again)
    assert [one.shown for one in moves] == [1, 2]


def test_what_cannot_be_put_together_is_added_up_and_that_is_said(made, cameras, motions, monkeypatch, notes):
    for how in ("camera_move", "filmed_besides"):
        monkeypatch.setattr(compositing, how, lambda *_: None)
    plain, instead = (made(motions=cameras, sampling=how) for how in (ADDED, FILMED))
    assert np.array_equal(plain, instead)
    said = notes(motions=cameras, sampling=FILMED)
    assert said == (compositing.NOT_FILMED_BESIDES,)
    subject = Motion(path=str(motions[0]))
    said = notes(motions=(*cameras, subject), sampling=FILMED)
    assert said == (compositing.NOT_FILMED,)


def test_what_fades_is_added_up_and_that_is_said(made, cameras, motions, moves, notes):
    faded = (cameras[0], curve(Path(cameras[1].path), 0, 1))
    plain, instead = (made(motions=faded, sampling=how) for how in (ADDED, FILMED))
    assert np.array_equal(plain, instead)
    assert not moves
    fading = stacking.FADING_OF_ONE.format("camera")
    assert notes(motions=faded, sampling=FILMED) == (fading,)
    subject = Motion(path=str(motions[0]))
    assert notes(motions=(*faded, subject), sampling=FILMED) == (fading,)
    assert [len(one.clips) for one in moves] == [1], (
        "both cameras' motions in one clip, which films the subject"
    )


def test_only_filmed_and_only_several_are_put_together(made, cameras, moves, notes):
    for stacked, how in ((cameras, APART), (cameras, ADDED), (cameras[:1], FILMED)):
        asked = {"motions": stacked, "sampling": how}
        assert np.array_equal(made(**asked), made(**asked | {"sampling": ADDED}))
        assert notes(**asked) == ()
    assert not moves


def test_an_edit_shows_the_strips_own_clip_and_lays_moves_over_it_that_hold_nothing_of_the_strip(
    made, cameras, moves, written, toy_base, moving_clip, tmp_path
):
    edit = Edit(
        job="e", clip=Clip(path=str(moving_clip)), prompt=RED, out=str(tmp_path / "edit.mp4"),
        motions=cameras, base=str(toy_base), sampling=FILMED, inversion_steps=50, compute=CPU,
    )  # fmt: skip
    perform(edit, quiet_run(tmp_path))
    perform(replace(edit, motions=cameras[:1], sampling=ADDED), quiet_run(tmp_path))
    made(prompt=f"{RED} {WORDS[1]}", motions=cameras[1:], sampling=replace(ADDED, steps=50))
    _, strips, fresh = written
    assert np.array_equal([one.clips for one in moves], [[strips, fresh]])
    assert [one.shown for one in moves] == [1]
