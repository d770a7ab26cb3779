"""Frames between frames against known truth, and larger ones."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from backend.bench.frames_between import compared
from backend.media import clips
from backend.media.finishing import interpolated, larger, smoothed
from backend.starter.world import Shot


def ground(height: int = 64, width: int = 96) -> np.ndarray:
    """Soft blotches of every grey, so that each place is told from its neighbours."""
    noise = np.random.default_rng(0).uniform(0, 255, (height // 4, width // 4)).astype(np.float32)
    grey = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 200)
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def with_square(left: int) -> np.ndarray:
    """A red square of 20 pixels, with a hole that shows the way it goes, over the ground."""
    picture = ground()
    picture[22:42, left : left + 20] = (230, 40, 40)
    picture[28:36, left + 6 : left + 14] = (40, 40, 120)
    return picture


def error(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_half_way_between_two_places_is_the_place_between() -> None:
    pair, truth = np.stack([with_square(30), with_square(38)]), with_square(34)
    (made,) = interpolated(pair, [Fraction(1, 2)])
    blended = pair.astype(float).mean(0)
    assert error(made, truth) < 0.5 * error(blended, truth)
    inside = np.s_[24:40, 36:52]
    assert error(made[inside], truth[inside]) < 1


def test_ground_that_only_one_of_two_frames_shows_is_taken_from_that_one() -> None:
    pair, truth = np.stack([with_square(30), with_square(38)]), with_square(34)
    (made,) = interpolated(pair, [Fraction(1, 2)])
    blended = pair.astype(float).mean(0)
    for covered in (np.s_[24:40, 30:34], np.s_[24:40, 54:58]):  # let go of; about to be covered
        assert error(made[covered], truth[covered]) < 0.75 * error(blended[covered], truth[covered])


def test_at_whole_moments_the_frames_stay_as_they_are_to_the_last_bit() -> None:
    clip = np.stack([with_square(x) for x in (20, 26, 32)])
    made = interpolated(clip, [Fraction(0), Fraction(1, 2), Fraction(1), Fraction(2)])
    assert np.array_equal(made[[0, 2, 3]], clip)


def test_eight_frames_become_29_as_in_vmc() -> None:
    """Three between each two: the square goes on evenly where the eight stood still for four frames each."""
    clip = np.stack([with_square(16 + 4 * i) for i in range(8)])
    made = interpolated(clip, [Fraction(k, 4) for k in range(29)])
    assert np.array_equal(made[::4], clip)
    red = (made[..., 0].astype(float) - made[..., 1]).clip(20).sum(axis=1) - 20 * 64  # (29, W)
    middles = (red * np.arange(96)).sum(axis=1) / red.sum(axis=1)
    np.testing.assert_allclose(np.diff(middles), 1.0, atol=0.6)


@pytest.mark.parametrize(
    ("source", "target", "length"),
    [
        (8, 24, None),
        (8, Fraction(24000, 1001), None),
        (8, 8, None),
        (8, 29, None),
        (24, 8, None),
        (8, 24, 31),
    ],
)
def test_frames_between_change_neither_the_tempo_nor_the_count(source, target, length) -> None:
    clip = np.stack([np.full((16, 16, 3), 20 * i, np.uint8) for i in range(8)])
    held = clips.resample(clip, Fraction(source), Fraction(target), length)
    made = smoothed(clip, Fraction(source), Fraction(target), length)
    assert made.shape == held.shape
    grey = made[:, 8, 8, 0].astype(int)
    assert (np.diff(grey) >= 0).all()
    assert (held[:, 8, 8, 0] <= grey + 1).all()
    assert (grey <= held[:, 8, 8, 0] + 21).all()


def test_at_the_bases_own_rate_a_result_at_24_shows_the_frames_that_the_base_made() -> None:
    """So that measured motion (bench/demo.py reads every third frame) is that of the base's frames."""
    clip = np.stack([with_square(16 + 4 * i) for i in range(8)])
    assert np.array_equal(smoothed(clip, Fraction(8), Fraction(24), None)[::3], clip)


def test_eight_frames_become_29_as_in_the_paper_and_none_is_held() -> None:
    """`--fps 32 --length 29`: the moments k/4; one frame more has a last one that is held."""
    clip = np.stack([with_square(16 + 4 * i) for i in range(8)])
    made = smoothed(clip, Fraction(8), Fraction(32), 29)
    assert np.array_equal(made, interpolated(clip, [Fraction(k, 4) for k in range(29)]))
    assert not np.array_equal(made[-1], made[-2])
    retimed = smoothed(clip, Fraction(8), Fraction(32), 30)
    assert np.array_equal(retimed[-1], retimed[-2])


@pytest.mark.parametrize("motion", [{"motion": "right"}, {"camera": "pan left"}])
def test_against_the_worlds_truth_frames_between_are_nearer_than_held_or_blended_ones(motion) -> None:
    shot = Shot(subject="ball", colour="red", background="brick wall", **motion)
    found = compared(shot)
    assert found["flow"] > found["blended"] + 3
    assert found["flow"] > found["held"] + 5


def test_larger_frames_keep_what_they_show() -> None:
    clip = np.stack([with_square(30)])
    double = larger(clip, 2)
    assert double.shape == (1, 128, 192, 3)
    back = cv2.resize(double[0], (96, 64), interpolation=cv2.INTER_AREA)
    assert error(back, clip[0]) < 4
    assert larger(clip, 1) is clip
