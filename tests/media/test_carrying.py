"""A clip's subject carried along another's way, against the sum of both ways as the world knows them."""

import cv2
import numpy as np
import pytest
import torch

from backend.media.carrying import Way, _matrices, carried, subject_way
from backend.media.subject import Subject, find_subject, still_ground
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


def way_of(count: int) -> Way:
    """To the right by a tenth of the frame, in so many frames."""
    across = np.linspace(-0.05, 0.05, count)
    return Way(np.stack([across, np.zeros(count)], axis=1), np.ones(count))


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
    wavering = np.stack([shown(goes("bounce", size=s))[f] for f, s in enumerate([0.2, 0.32] * 4)])
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


def test_a_subject_that_hardly_moves_or_is_not_seen_tells_no_way() -> None:
    for shot in (goes("still"), goes("circle", travel=0.03), goes("circle", **AWAY)):
        assert subject_way(shown(shot)) is None
    assert subject_way(shown(goes("circle", travel=0.1))) is not None


def test_a_subject_that_leaves_the_frame_tells_no_way_and_is_not_shown() -> None:
    leaves = shown(goes("right", travel=1.6, x=0.7))
    assert subject_way(leaves) is None
    way = subject_way(shown(goes("left")))
    assert way is not None
    assert carried(leaves, [way]) is None


def test_where_it_would_show_nothing_is_carried() -> None:
    way = subject_way(shown(goes("left")))
    assert way is not None
    assert carried(shown(goes("circle", travel=0.2)), [way]) is None, "the ground behind it is never seen"
    assert carried(shown(goes("still")), [way]) is None, "nobody goes there"
    slow = scenes.filmed(pan=0.1, ball=lambda moment: (0.2 + 0.6 * moment, 0.5), size=(96, 96))
    assert carried(slow, [way_of(9)]) is None, "its ground is not one picture"
    still = scenes.filmed(ball=lambda moment: (0.2 + 0.6 * moment, 0.5), size=(96, 96))
    assert carried(still, [way_of(9)]) is not None
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


def test_who_grows_on_several_ways_still_fits_into_the_frame() -> None:
    toward = shown(goes("toward", size=0.2))
    covered = red(together(shown(goes("circle", size=0.25)), toward, toward)).mean(axis=(1, 2))
    assert 0.2 < covered[-1] < 0.5


def test_ways_that_cancel_leave_the_subject_where_it_is() -> None:
    right = shown(goes("right"))
    seen = together(right, right[::-1])
    assert np.ptp(find_subject(seen).centres, axis=0).max() < 0.02 or not find_subject(seen).moves
    assert red(seen).any(axis=(1, 2)).all()


@pytest.mark.parametrize("size", [(160, 96), (96, 160)])
def test_a_long_subject_stays_whole_in_frames_that_are_no_squares(size: tuple[int, int]) -> None:
    width, height = size

    def standing(moment: float) -> np.ndarray:
        frame = scenes.texture(0)[:height, :width].copy()
        x, y = width * (0.3 + 0.4 * moment), height * (0.5 + 0.15 * np.sin(6 * moment))
        high, wide = 0.25 * height, 0.06 * width
        frame[round(y - high) : round(y + high), round(x - wide) : round(x + wide)] = (230, 20, 20)
        return frame

    scene = np.stack([standing(moment) for moment in np.linspace(0, 1, 9)])
    seen = together(scene, scene)
    assert red(seen).sum(axis=(1, 2)).min() > 0.93 * red(scene).sum(axis=(1, 2)).min()


def test_a_subject_of_two_pieces_keeps_both() -> None:
    def two(moment: float) -> np.ndarray:
        frame = scenes.texture(0)[:96, :160].copy()
        x = round(20 + 100 * moment)
        for y, radius in ((30, 9), (56, 13)):
            cv2.circle(frame, (x, y), radius, (230, 20, 20), -1)
        return frame

    scene = np.stack([two(moment) for moment in np.linspace(0, 1, 9)])
    seen = carried(scene, [way_of(9)])
    assert seen is not None
    assert red(seen).sum() > 0.93 * red(scene).sum()


def test_ground_that_the_subject_always_covers_is_made_up_from_what_is_around_it() -> None:
    scene = shown(goes("circle", travel=0.3))
    assert red(still_ground(scene)[None]).sum() > 50
    seen = together(scene, shown(goes("left", travel=0.9)))
    assert red(seen).sum() < 1.03 * red(scene).sum()


def test_a_sum_beside_the_frame_is_shifted_into_it() -> None:
    scene = shown(goes("circle", x=0.68, size=0.15, travel=0.3))
    seen = together(scene, shown(goes("right", travel=0.3)))
    assert red(seen).sum(axis=(1, 2)).min() > 0.85 * red(scene).sum(axis=(1, 2)).min()
    assert np.argwhere(red(seen))[:, 2].max() > 58, "by no more than it takes"


def test_a_subject_is_resized_about_its_middle() -> None:
    """Here a corner between four pixels: what is its own mirror image stays one."""
    own = Subject(np.full((1, 2), 0.5), np.ones(1), True, np.ones(1, bool))
    picture = np.random.default_rng(0).random((16, 12)).astype(np.float32)
    picture = np.concatenate([picture, picture[:, ::-1]], axis=1)
    (move,) = _matrices(own, np.zeros((1, 2)), np.array([1.4]), (1, 16, 24, 3))
    resized = cv2.warpAffine(picture, move, (24, 16))
    assert np.abs(resized - resized[:, ::-1]).max() < 1e-3


def test_through_a_ring_its_new_ground_is_seen() -> None:
    ground = scenes.texture(3)[:96, :160]

    def ring(moment: float) -> np.ndarray:
        return cv2.circle(ground.copy(), (round(30 + 90 * moment), 48), 15, (230, 20, 20), 8)

    scene = np.stack([ring(moment) for moment in np.linspace(0, 1, 9)])
    seen = carried(scene, [way_of(9)])
    assert seen is not None
    for frame, covers in zip(seen, red(seen), strict=True):
        down, across = np.argwhere(covers).mean(axis=0).round().astype(int)
        hole = np.s_[down - 4 : down + 5, across - 4 : across + 5]
        assert np.abs(frame[hole].astype(int) - ground[hole]).max() < 12
    assert abs(red(seen).sum() / red(scene).sum() - 1) < 0.07


def test_a_subject_before_a_spot_of_its_own_colour_stays_whole() -> None:
    ground = cv2.circle(scenes.texture(3)[:96, :160].copy(), (80, 48), 4, (230, 20, 20), -1)

    def disc(moment: float) -> np.ndarray:
        return cv2.circle(ground.copy(), (round(30 + 100 * moment), 48), 15, (230, 20, 20), -1)

    scene = np.stack([disc(moment) for moment in np.linspace(0, 1, 9)])
    up = Way(np.stack([np.zeros(9), np.repeat([[0.0, -0.3]], [4, 5])], axis=1), np.ones(9))
    seen = carried(scene, [up])
    assert seen is not None
    covered = red(seen).sum(axis=(1, 2)) - red(ground[None]).sum()
    assert covered[4] > 0.97 * np.pi * 15**2, "there the spot is behind it in its own clip"
