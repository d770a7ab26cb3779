"""The world's cameras: what they do to the layers of a scene is known and can be undone."""

import math
from dataclasses import replace

import pytest
import torch

from backend.starter.judge import judge
from backend.starter.silhouettes import RATES
from backend.starter.world import (
    CAMERAS_INSIDE,
    CAMERAS_OUTSIDE,
    FULL,
    VOCABULARIES,
    Shot,
    backwards,
    camera_path,
    caption,
    held_out,
    looked_at,
    render,
    sample_shot,
    seen_at,
)
from backend.starter.world.camera import magnification

TIMES = torch.arange(8) / 8
STILL = Shot(subject="box", colour="red", background="checkered floor", phase=0.3)


@pytest.mark.parametrize("camera", [*CAMERAS_INSIDE, *CAMERAS_OUTSIDE])
@pytest.mark.parametrize("depth", [1.0, 2.5])
def test_what_is_seen_somewhere_is_what_is_looked_at_there(camera: str, depth: float) -> None:
    path = camera_path(replace(STILL, camera=camera), TIMES)
    points = torch.rand(8, 2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(looked_at(path, seen_at(path, points, depth), depth), points, atol=1e-5)


@pytest.mark.parametrize("camera", [*CAMERAS_INSIDE, *CAMERAS_OUTSIDE])
def test_the_subject_is_drawn_where_the_truth_says(camera: str) -> None:
    drawn = render([replace(STILL, camera=camera)], size=96, frames=8)
    weights = drawn.masks[0] / drawn.masks[0].sum((1, 2), keepdim=True)
    grid = (torch.arange(96) + 0.5) / 96
    seen = torch.stack(((weights.sum(1) * grid).sum(1), (weights.sum(2) * grid).sum(1)), dim=1)
    inside = ((drawn.centres[0] > 0.25) & (drawn.centres[0] < 0.75)).all(1)
    assert inside.any()
    assert (seen - drawn.centres[0])[inside].abs().max() < 0.01


def test_a_pan_moves_near_and_far_alike_and_an_orbit_does_not() -> None:
    middle = torch.full((8, 2), 0.5)
    pan, orbit = (camera_path(replace(STILL, camera=c), TIMES) for c in ("pan right", "orbit"))
    assert torch.equal(seen_at(pan, middle, 1.0), seen_at(pan, middle, 2.5))
    apart = seen_at(orbit, middle, 1.0) - seen_at(orbit, middle, 2.5)
    assert torch.allclose(seen_at(orbit, middle, 1.0), middle, atol=1e-6)
    assert apart[0].abs().max() > 0.1


def test_a_dolly_zoom_keeps_the_subjects_size_while_the_background_grows() -> None:
    path = camera_path(replace(STILL, camera="dolly zoom"), TIMES)
    assert torch.allclose(magnification(path, 1.0), torch.ones(8), atol=1e-6)
    far = magnification(path, 2.5)
    assert far[0] / far[-1] > 1.15


def test_a_zoom_in_is_e_to_the_seven_tenths_a_second() -> None:
    path = camera_path(replace(STILL, camera="zoom in"), TIMES)
    assert (path.zoom[-1] / path.zoom[0]).log().item() == pytest.approx(0.7 * 7 / 8, abs=1e-5)


@pytest.mark.parametrize(
    ("camera", "ahead"), [("pan left", -1), ("tilt down", 1), ("zoom in", 1), ("zoom out", -1)]
)
def test_a_named_move_is_mostly_seen_where_it_goes(camera: str, ahead: int) -> None:
    path = camera_path(replace(STILL, camera=camera), TIMES)
    gone = path.pan.sum(1) if camera.split()[0] != "zoom" else path.zoom.log()
    assert ((gone * ahead) > 0).sum() == 6  # of eight frames


def test_a_spinning_subject_turns_clockwise_and_the_judge_says_so() -> None:
    shot = replace(STILL, subject="arrow", motion="spin", background="gray wall")
    drawn = render([shot], size=128, frames=8)
    assert drawn.angles[0, 0] == 0  # upright, and from then on it shows
    assert (drawn.angles[0].diff() > 0).all()
    assert (drawn.angles[0, -1] - drawn.angles[0, 0]).item() == pytest.approx(2 * math.pi * 0.25 * 7 / 8)
    assert judge(drawn.frames[0], "gray wall", fps=8).motion == "spin"


@pytest.mark.parametrize(("speed", "turns"), [("slowly", 0.109375), ("", 0.21875), ("fast", 0.35)])
def test_a_spin_too_is_slower_and_faster_and_always_begins_upright(speed: str, turns: float) -> None:
    angles = render([replace(STILL, motion="spin", speed=speed)], size=16, frames=8).angles[0]
    assert angles[0] == 0
    assert angles[-1].item() == pytest.approx(2 * math.pi * turns)
    assert (RATES - turns / (7 / 8)).abs().min() < 1e-6  # the judge tries it


def test_slowly_and_fast_are_slower_and_faster() -> None:
    ways = [
        render([replace(STILL, motion="left", speed=speed)], size=16, frames=8).centres[0, :, 0]
        for speed in ("slowly", "", "fast")
    ]
    travelled = [(w[0] - w[-1]).item() for w in ways]
    assert travelled == sorted(travelled)
    assert travelled[0] == pytest.approx(travelled[1] / 2)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_subjects_are_drawn_as_the_caption_counts(count: int) -> None:
    shot = replace(STILL, count=count, size=0.13, subject="fish")
    drawn = render([shot], size=128, frames=4)
    assert drawn.each[0].shape == (4, count, 2)
    assert judge(drawn.frames[0], shot.background, fps=8).count == count
    assert caption(shot).full.startswith(("a red fish", "two red fish", "three red fish")[count - 1])


def test_held_out_combinations_are_drawn_only_when_asked_for() -> None:
    seen = [sample_shot(seed) for seed in range(300)]
    unseen = [sample_shot(seed, unseen=True) for seed in range(50)]
    assert not any(held_out(s.subject, s.colour, s.background) for s in seen)
    assert all(held_out(s.subject, s.colour, s.background) for s in unseen)


def test_no_camera_move_is_drawn_where_it_cannot_be_seen() -> None:
    shots = [sample_shot(seed, vocabulary=FULL) for seed in range(400)]
    assert {s.camera for s in shots} == set(CAMERAS_INSIDE)
    assert {s.camera for s in shots if s.background == "gray wall"} == {"locked"}


@pytest.mark.parametrize("seed", range(12))
def test_a_clip_played_backwards_shows_what_the_opposite_words_say(seed: int) -> None:
    shot = sample_shot(seed, vocabulary=VOCABULARIES["camera"])
    forth, back = (camera_path(s, TIMES) for s in (shot, backwards(shot)))
    # A named camera goes the same way back, but passes another place on it early (`AHEAD`).
    for ways in ((forth.pan, back.pan), (forth.zoom.log(), back.zoom.log())):
        assert torch.allclose(ways[0].flip(0).diff(dim=0), ways[1].diff(dim=0), atol=1e-6)
    still = replace(shot, camera="locked")
    one, other = (render([s], size=48, frames=8) for s in (still, backwards(still)))
    assert torch.allclose(one.centres.flip(1), other.centres, atol=1e-5)
    assert (one.frames.flip(1) - other.frames).abs().mean() < 1e-3
