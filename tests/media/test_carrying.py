"""A clip's subject carried along another's way, against the sum of both ways as the world knows them."""

import cv2
import numpy as np
import pytest
import torch

from backend.media.carrying import carried, subject_way
from backend.media.subject import find_subject, still_ground
from backend.starter import world
from backend.starter.world.motions import path
from tests.media import scenes

RATE = 8
AWAY = {"x": -9.0, "y": -9.0}  # no subject is seen


def goes(motion: str, subject: str = "ball", background: str = "tiled floor", **changes: float) -> world.Shot:
    return world.Shot(subject=subject, colour="red", background=background, motion=motion, **changes)


def shown(shot: world.Shot, size: int = 64) -> np.ndarray:
    """(8, size, size, 3) uint8."""
    frames = world.render([shot], size=size, frames=RATE, fps=RATE).frames[0]
    return np.asarray((frames.movedim(1, -1) * 255).round().byte())


def steps_of(shot: world.Shot) -> np.ndarray:
    """How far the shot's subject truly goes from frame to frame (7, 2)."""
    return np.diff(path(shot, torch.arange(RATE) / RATE).centres.numpy(), axis=0)


def alike(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def together(scene: np.ndarray, *others: np.ndarray) -> np.ndarray:
    ways = [subject_way(other) for other in others]
    seen = carried(scene, [way for way in ways if way is not None])
    assert None not in ways
    assert seen is not None
    return seen


def red(frames: np.ndarray) -> np.ndarray:
    """(F, H, W)"""
    r, g, b = np.moveaxis(frames.astype(int), -1, 0)
    return (r > 150) & (g < 90) & (b < 90)


@pytest.mark.parametrize(
    ("other", "background"),
    [("bounce", "brick wall"), ("left", "tiled floor"), ("pendulum", "forest"), ("shake", "green field")],
)
def test_the_ways_of_both_add_up(other: str, background: str) -> None:
    circle, second = goes("circle", "star", background), goes(other, "star", background)
    seen = together(shown(circle), shown(second))
    truth = steps_of(circle) + steps_of(second)
    assert alike(np.diff(find_subject(seen).centres, axis=0), truth) > 0.99
    assert max(alike(steps_of(one), truth) for one in (circle, second)) < 0.97, "neither alone would do"


def test_any_number_of_ways_add_up_in_any_order() -> None:
    shots = [goes("circle"), goes("left"), goes("bounce")]
    first, second = (together(*map(shown, order)) for order in (shots, [shots[0], *shots[:0:-1]]))
    truth = sum(map(steps_of, shots))
    assert alike(np.diff(find_subject(first).centres, axis=0), truth) > 0.98
    assert np.array_equal(first, second)


def test_who_grows_grows_on_the_others_way_and_a_size_that_wavers_does_not_pulse() -> None:
    circle, toward = shown(goes("circle", size=0.2)), shown(goes("toward", size=0.2))
    sizes = find_subject(together(circle, toward)).sizes
    assert sizes[-1] > 1.8 * sizes[0]
    wavering = np.stack([shown(goes("bounce", size=s))[f] for f, s in enumerate([0.3, 0.36] * 4)])
    way = subject_way(wavering)
    assert way is not None
    assert (way.scales == 1).all()


def test_a_sum_with_too_little_room_is_made_smaller_and_stays_whole() -> None:
    circle, bounce = goes("circle", travel=0.6), goes("bounce", travel=0.6)
    seen = together(shown(circle), shown(bounce))
    covered = red(seen).sum(axis=(1, 2))
    assert covered.min() > 0.9 * np.median(covered)
    assert alike(np.diff(find_subject(seen).centres, axis=0), steps_of(circle) + steps_of(bounce)) > 0.99


def test_nothing_is_left_where_the_subject_was_and_it_looks_as_it_did() -> None:
    scene = shown(goes("circle"))
    seen, bare = together(scene, shown(goes("left", travel=0.2))), shown(goes("still", **AWAY))
    reaches = np.ones((11, 11), np.uint8)  # the outline and its rim
    for frame, covers, ground in zip(seen, red(seen), bare, strict=True):
        beside = cv2.dilate(covers.astype(np.uint8), reaches) == 0
        assert np.abs(frame.astype(int) - ground)[beside].max() < 40
    assert abs(red(seen).sum() / red(scene).sum() - 1) < 0.1


def test_a_subject_that_stands_still_or_is_not_seen_tells_no_way() -> None:
    assert subject_way(shown(goes("still"))) is None
    assert subject_way(shown(goes("circle", **AWAY))) is None


def test_where_it_would_show_nothing_is_carried() -> None:
    way = subject_way(shown(goes("left")))
    assert way is not None
    assert carried(shown(goes("toward")), [way]) is None, "the ground behind it is never seen"
    assert carried(shown(goes("still")), [way]) is None, "nobody goes there"
    pans = world.Shot(
        subject="ball", colour="red", background="tiled floor", motion="circle", camera="pan left"
    )
    assert carried(shown(pans), [way]) is None, "its ground is not one picture"
    two = world.Shot(subject="ball", colour="red", background="tiled floor", motion="circle", count=2)
    assert carried(shown(two), [way]) is None, "one of the two would be lost"


def test_pictures_that_are_no_squares_are_carried_alike() -> None:
    def round_it(moment: float) -> tuple[float, float]:
        return 0.5 + 0.2 * np.cos(6 * moment), 0.5 + 0.2 * np.sin(6 * moment)

    def across(moment: float) -> tuple[float, float]:
        return 0.3 + 0.3 * moment, 0.5

    seen = together(*(scenes.filmed(ball=ball, size=(160, 96)) for ball in (round_it, across)))
    moments = np.linspace(0, 1, 9)
    truth = np.diff([np.add(round_it(m), across(m)) for m in moments], axis=0)
    assert alike(np.diff(find_subject(seen).centres, axis=0), truth) > 0.99


def test_a_ground_that_wavers_lends_no_specks_to_the_subject() -> None:
    """As small models' do: what is cut out is the subject and a rim, not the ground about it."""
    wavering = scenes.bent(shown(goes("circle", "ball", "brick wall")), 0.6)
    ground = still_ground(wavering)
    seen = together(wavering, shown(goes("left", "ball", "brick wall")))
    differs = np.abs(seen.astype(int) - ground).max(axis=-1) > 40
    assert differs.sum() < 1.5 * red(seen).sum()
