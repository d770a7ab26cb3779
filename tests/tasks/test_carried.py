"""Several motions of a subject, each in a clip of its own, through whole requests on a toy base."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.api.presets import read_preset, write_preset
from backend.api.protocol import Motion, Sampling
from backend.media.filming import filmed
from backend.media.motion import motion_signal, signal_fidelity
from backend.starter import world
from backend.tasks import compositing, making, stacking
from tests.tasks.conftest import WORDS, curve
from tests.tasks.test_filmed import ADDED, FILMED, GOES, moved_by

RED = "a red ball"
FADING = stacking.FADING_OF_ONE.format("subject")


@pytest.fixture
def both(motions) -> tuple[Motion, ...]:
    """The first is the stronger by a little: its clip is shown."""
    return tuple(
        Motion(path=str(folder), strength=s) for folder, s in zip(motions, (1.0, 0.999), strict=True)
    )


@pytest.fixture
def seen(monkeypatch) -> dict[str, list[np.ndarray]]:
    """Whose way was asked for, and who was carried: as they come, each clip is its own way."""
    found: dict[str, list[np.ndarray]] = {"asked": [], "shown": [], "ways": []}

    def subject_way(frames: np.ndarray) -> np.ndarray:
        found["asked"].append(frames)
        return frames

    def carried(scene: np.ndarray, ways: list[np.ndarray]) -> np.ndarray:
        found["shown"].append(scene)
        found["ways"].append(np.stack(ways))
        return scene[::-1]

    monkeypatch.setattr(compositing, "subject_way", subject_way)
    monkeypatch.setattr(compositing, "carried", carried)
    return found


def test_each_motion_makes_a_clip_under_its_own_words_from_the_same_noise(made, both, seen, written):
    alone = [(m, f"{RED} {words}") for m, words in zip(both, WORDS, strict=True)]
    for motion, prompt in alone:
        made(prompt=prompt, motions=(motion,))
    made(motions=both, sampling=FILMED)
    made(prompt=RED, motions=both[::-1], sampling=FILMED)
    first, second, *together = written
    assert np.array_equal(seen["asked"], [first, second] * 2)
    assert np.array_equal(seen["shown"], [first] * 2)
    assert np.array_equal(seen["ways"], [second[None]] * 2)
    assert np.array_equal(together, [first[::-1]] * 2), "in whatever order, whoever says the words"


def test_two_of_the_worlds_ways_are_added_up(made, both, monkeypatch, written):
    """With the world's own clips in place of the toy's: the whole way, nothing else is replaced."""
    circle, left = (
        world.render(
            [world.Shot(subject="ball", colour="red", background="tiled floor", motion=motion)],
            size=64, frames=8, fps=8,
        ).frames[0]
        for motion in ("circle", "left")
    )  # fmt: skip
    clips = [np.asarray((one.movedim(1, -1) * 255).byte()) for one in (circle, left)]
    shown = iter(clips)
    monkeypatch.setattr(making, "make_clip", lambda *_: next(shown))
    made(motions=both, sampling=FILMED)
    wanted = sum(motion_signal(clip, 7) for clip in clips)
    assert signal_fidelity(motion_signal(written[0], 7), wanted) > 0.97


def test_the_strongest_is_shown_or_the_one_that_is_followed(made, both, seen, written):
    for motion, words in zip(both, WORDS, strict=True):
        made(prompt=f"{RED} {words}", motions=(replace(motion, strength=1.2),))
    seen["asked"].clear()
    strong = replace(both[1], strength=1.2)
    made(motions=(both[0], strong), sampling=FILMED)
    assert np.array_equal(seen["shown"][-1], written[1])
    made(motions=(both[0], strong), sampling=FILMED, follow=0.9)  # the strongest is followed
    fresh, led = seen["shown"][-2:]
    assert not np.array_equal(fresh, led)
    assert np.array_equal(*seen["ways"]), "of the other only the way is taken: from fresh noise"


def test_one_that_recommends_its_clip_is_shown_though_another_is_stronger(made, both, seen, tmp_path):
    folder = Path(shutil.copytree(both[1].path, tmp_path / "led"))
    write_preset(folder, replace(read_preset(folder), follow=0.9))
    stacked = (replace(both[0], strength=1.2), Motion(path=str(folder)))
    made(motions=stacked, sampling=FILMED)
    made(motions=stacked, sampling=FILMED, follow=0.0)
    led, strongest = seen["shown"]
    made(motions=stacked[1:], sampling=FILMED, prompt=f"{RED} {WORDS[1]}")
    assert not np.array_equal(led, strongest)
    assert np.array_equal(seen["ways"][0][0], strongest), "the stronger one's way, from fresh noise"


def test_looks_act_in_every_clip(made, both, seen, written, tmp_path):
    folder = Path(shutil.copytree(both[0].path, tmp_path / "looks"))
    write_preset(folder, replace(read_preset(folder), kind="style", motion=""))
    looks = Motion(path=str(folder), strength=0.5)
    for motion, words in zip(both, WORDS, strict=True):
        made(prompt=f"{RED} {words}", motions=(motion, looks))
    made(motions=(looks, *both), sampling=FILMED)
    assert np.array_equal(seen["asked"], written[:2])


def test_where_the_first_cannot_be_shown_another_is_that_starts_from_the_same_noise(made, both, monkeypatch):
    asked: list[np.ndarray] = []
    monkeypatch.setattr(compositing, "subject_way", lambda frames: frames)
    monkeypatch.setattr(compositing, "carried", lambda scene, ways: asked.append(scene))
    made(motions=both, sampling=FILMED)
    assert len(asked) == 2
    asked.clear()
    made(motions=both, sampling=FILMED, follow=0.9)
    assert len(asked) == 1, "the other does not start from the clip that is followed"


@pytest.mark.parametrize("what", ["subject_way", "carried"])
def test_what_cannot_be_put_together_is_added_up_and_that_is_said(made, both, what, seen, monkeypatch, notes):
    monkeypatch.setattr(compositing, what, lambda *_: None)
    plain, instead = (made(motions=both, sampling=how) for how in (ADDED, FILMED))
    assert np.array_equal(plain, instead)
    said = tuple(f"clip {number} of 2: {compositing.NOT_CARRIED}" for number in (1, 2))
    assert notes(motions=both, sampling=FILMED, count=2) == said


def test_one_that_tells_no_way_can_still_be_shown(made, both, monkeypatch):
    ways = iter([None, "way"])
    monkeypatch.setattr(compositing, "subject_way", lambda _: next(ways))
    carried: list[list[str]] = []
    monkeypatch.setattr(compositing, "carried", lambda scene, ways: carried.append(ways) or scene)
    made(motions=both, sampling=FILMED)
    assert carried == [["way"]]


def test_what_is_carried_is_filmed_by_a_camera_besides(made, both, camera, seen, written, monkeypatch):
    panned = moved_by(monkeypatch, GOES)
    of_camera = Motion(path=str(camera), strength=0.9)
    made(motions=(of_camera, *both), sampling=FILMED)
    scene = seen["shown"][0][::-1]
    assert np.array_equal(written[-1], filmed(scene, GOES))
    assert len(panned) == 1
    assert len(seen["asked"]) == 2


def test_of_motions_as_strong_as_each_other_the_same_is_shown_in_any_order(made, both, seen):
    level = (both[0], replace(both[1], strength=1.0))
    for motions in (level, level[::-1]):
        made(motions=motions, sampling=FILMED)
    assert np.array_equal(*seen["shown"])


def test_what_is_said_of_a_clip_is_true_of_the_clip_that_there_is(
    made, both, camera, seen, monkeypatch, notes
):
    """Where the subject's motions cannot be put together and then cannot be filmed either, that they were
    added up is no longer so."""
    moved_by(monkeypatch, GOES)
    motions = (Motion(path=str(camera)), *both)
    monkeypatch.setattr(compositing, "carried", lambda *_: None)
    asked = {"motions": motions, "sampling": FILMED}
    assert notes(**asked) == (compositing.NOT_CARRIED,)
    monkeypatch.setattr(compositing, "filmed", lambda *_: None)
    assert notes(**asked) == (compositing.NOT_FILMED,)


def test_a_subjects_motion_that_fades_is_no_word_against_filming(
    made, both, camera, seen, monkeypatch, notes
):
    moved_by(monkeypatch, GOES)
    asked = {
        "motions": (Motion(path=str(camera)), both[0], replace(both[1], strength=0.2)),
        "sampling": FILMED,
    }
    assert notes(**asked) == (FADING,)
    assert not seen["asked"]


def test_what_fades_is_added_up_and_that_is_said(made, both, seen, notes):
    faded = (both[0], curve(Path(both[1].path), 0, 1))
    plain, instead = (made(motions=faded, sampling=how) for how in (ADDED, FILMED))
    assert np.array_equal(plain, instead)
    assert not seen["asked"]
    assert notes(motions=faded, sampling=FILMED) == (FADING,)


def test_only_filmed_and_only_several_are_put_together(made, both, seen, notes):
    for motions, how in ((both, "apart"), (both, "added"), (both[:1], "filmed")):
        asked = {"motions": motions, "sampling": Sampling(stacking=how)}
        assert np.array_equal(made(**asked), made(**asked | {"sampling": ADDED}))
        assert notes(**asked) == ()
    assert not seen["asked"]


def test_an_edit_carries_the_strips_own_clip_along_ways_that_hold_nothing_of_the_strip(
    made, edited, both, seen, written
):
    made(prompt=f"{RED} {WORDS[1]}", motions=both[1:], sampling=Sampling(steps=50))
    way = written[-1]
    edited(motions=both, sampling=FILMED, inversion_steps=50)
    edited(motions=both[:1], sampling=ADDED, inversion_steps=50)
    scene = written[-1]
    assert np.array_equal(seen["shown"], [scene])
    assert np.array_equal(seen["ways"], [way[None]])


def test_the_same_motion_twice_goes_twice_as_far(made, both, seen, written):
    made(motions=(both[0], both[0]), sampling=FILMED)
    assert np.array_equal(*seen["asked"])
