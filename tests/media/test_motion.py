import dataclasses
import random

import numpy as np
import pytest

from backend.media.motion import (
    _movement,
    camera_path,
    find_subject,
    motion_fidelity,
    motion_signal,
    signal_fidelity,
    subject_path,
    tracks,
)  # fmt: skip
from backend.starter import world

from .scenes import bent, filmed, sampled

MOVING = tuple(m for m in world.MOTIONS_INSIDE + world.MOTIONS_OUTSIDE if m not in ("still", "spin"))


def rendered(shot: world.Shot) -> tuple[np.ndarray, np.ndarray]:
    """Frames (8, 64, 64, 3) and the true centres (8, 2) of a shot."""
    drawn = world.render([shot], size=64, frames=8)
    frames = (drawn.frames[0].permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    return frames, drawn.centres[0].numpy()


def shot(motion: str, seed: int, **fixed: object) -> world.Shot:
    return dataclasses.replace(
        world.sample_shot(random.Random(seed), vocabulary=world.FIRST, motion=motion), **fixed
    )


def pair(motion: str, noise: float = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two clips of one motion with other looks and another place."""
    first = shot(motion, 1)
    second = shot(motion, 2, phase=first.phase, subject="star", colour="orange", background="blue sea")
    return rendered(first)[0], sampled(rendered(second)[0], noise)


# ------------------------------------------------------------------ the subject's path


@pytest.mark.parametrize("motion", MOVING)
def test_the_subjects_path_is_the_true_one(motion: str) -> None:
    for seed in (3, 4):
        frames, truth = rendered(shot(motion, seed))
        error = subject_path(frames) - truth
        assert np.abs(error - error.mean(axis=0)).max() < 0.03  # of the frame
        assert np.abs(error).max() < 0.09  # a triangle's centroid is not where the world puts its centre


@pytest.mark.parametrize("motion", ["left", "circle", "shake", "jump"])
def test_the_path_survives_the_flicker_of_a_sampled_clip(motion: str) -> None:
    frames, truth = rendered(shot(motion, 5, colour="red", background="blue sea"))
    error = subject_path(sampled(frames, 10)) - truth
    assert np.sqrt(((error - error.mean(axis=0)) ** 2).sum(axis=1).mean()) < 0.03


def test_a_subject_partly_out_of_the_frame_keeps_its_path() -> None:
    frames, truth = rendered(shot("right", 6, subject="ball", travel=0.9, size=0.2, x=0.5))
    error = subject_path(frames) - truth
    assert np.abs(error).max() < 0.03


def test_a_still_clip_has_no_moving_subject() -> None:
    frames, _ = rendered(shot("still", 7))
    for clip in (frames, sampled(frames, 6), sampled(frames, 12)):
        assert not find_subject(clip).moves
        assert (subject_path(clip) == 0.5).all()


def test_a_growing_subject_is_seen_to_grow() -> None:
    sizes = find_subject(rendered(shot("toward", 8, subject="ball"))[0]).sizes
    assert (np.diff(sizes) > 0).all()
    assert sizes[-1] / sizes[0] == pytest.approx(np.exp(1.25 * 7 / 8), rel=0.1)


# ------------------------------------------------------------------ the camera's path and tracks


@pytest.mark.parametrize(
    ("move", "size"),
    [
        ({"pan": 0.2}, (320, 240)),
        ({"pan": -0.1, "tilt": 0.15}, (320, 240)),
        ({"zoom": 1.4}, (320, 240)),
        ({"roll": 20.0}, (320, 240)),
        ({"pan": 0.1, "tilt": 0.05, "zoom": 1.2, "roll": -10.0}, (320, 240)),
        ({"pan": 0.2, "zoom": 1.2}, (64, 64)),
    ],
)
def test_the_cameras_path_is_recovered(move: dict[str, float], size: tuple[int, int]) -> None:
    path = camera_path(filmed(**move, size=size))
    assert path.pan[-1] == pytest.approx(move.get("pan", 0), abs=0.01)
    assert path.tilt[-1] == pytest.approx(move.get("tilt", 0), abs=0.01)
    assert path.zoom[-1] == pytest.approx(move.get("zoom", 1), abs=0.015)
    assert path.roll[-1] == pytest.approx(move.get("roll", 0), abs=0.5)
    assert (path.pan[0], path.tilt[0], path.zoom[0], path.roll[0]) == (0, 0, 1, 0)


def test_a_moving_subject_is_not_taken_for_the_camera() -> None:
    for background in ("gray wall", "brick wall"):
        path = camera_path(rendered(shot("circle", 9, subject="box", size=0.24, background=background))[0])
        assert np.abs(path.pan).max() < 0.01
        assert np.abs(path.zoom - 1).max() < 0.01


def test_tracks_follow_the_picture_and_say_where_they_were_lost() -> None:
    points, valid = tracks(filmed(pan=0.2))
    assert points.shape == (*valid.shape, 2)
    assert valid.all(axis=1).sum() > 100
    moved = (points[:, -1] - points[:, 0])[valid.all(axis=1)]
    assert np.median(moved, axis=0) == pytest.approx([-64, 0], abs=0.5)
    assert not valid.all()  # those at the left edge left the frame
    none, _ = tracks(np.full((3, 48, 64, 3), 90, np.uint8))
    assert none.shape == (0, 3, 2)


# ------------------------------------------------------------------ fidelity


def test_one_motion_with_other_looks_and_place_is_the_same_motion_and_every_other_is_another() -> None:
    pairs = [[motion_signal(clip, 7) for clip in pair(motion)] for motion in MOVING]
    table = np.array([[signal_fidelity(a, b) for _, b in pairs] for a, _ in pairs])
    assert table.shape == (14, 14)
    for motion, row, own in zip(MOVING, table, np.diag(table), strict=True):
        others = np.sort(row[row != own])
        assert own > (0.9 if motion in ("toward", "away") else 0.95), motion
        assert others[-1] < min(own, 0.9), motion  # a bounce and a zigzag go up and down alike
        assert others.mean() < 0.25, motion


def test_fidelity_survives_the_flicker_of_a_sampled_clip() -> None:
    for motion in ("left", "circle", "zigzag", "jump"):
        assert motion_fidelity(*pair(motion, noise=8)) > 0.9, motion


@pytest.mark.parametrize("seed", range(4))
def test_a_ground_that_repeats_and_bends_is_no_camera_that_jumps(seed: int) -> None:
    reference, clip = pair("bounce")
    clip = bent(clip, 1.0, seed)
    path = camera_path(clip)
    assert max(np.ptp(path.pan), np.ptp(path.tilt)) < 0.02
    assert np.ptp(path.zoom) < 0.1
    assert motion_fidelity(reference, clip) > 0.9


@pytest.mark.parametrize("move", [{"pan": 1.2}, {"tilt": 1.2}])
def test_a_fast_camera_is_believed_though_nothing_is_clear(move: dict[str, float]) -> None:
    path = camera_path(sampled(filmed(**move, frames=5), 12))
    assert path.pan[-1] == pytest.approx(move.get("pan", 0), abs=0.02)
    assert path.tilt[-1] == pytest.approx(move.get("tilt", 0), abs=0.02)


@pytest.mark.parametrize(("motion", "opposite"), [("left", "right"), ("up", "down"), ("toward", "away")])
def test_the_opposite_motion_scores_minus_one(motion: str, opposite: str) -> None:
    score = motion_fidelity(rendered(shot(motion, 1))[0], rendered(shot(opposite, 2))[0])
    # Growth is measured less sharply than a path: 0.89 for toward against away.
    assert score == pytest.approx(-1, abs=0.13 if motion == "toward" else 0.1)


@pytest.mark.parametrize(
    ("one", "other"),
    [("left", "up"), ("circle", "left"), ("circle", "right"), ("circle", "shake"), ("jump", "toward")],
)
def test_another_motion_scores_low(one: str, other: str) -> None:
    assert abs(motion_fidelity(rendered(shot(one, 1))[0], rendered(shot(other, 2))[0])) < 0.5


def test_shuffled_frames_score_low() -> None:
    order = np.random.default_rng(0).permutation(8)
    for motion in ("right", "circle", "spiral", "toward"):
        reference, result = pair(motion)
        assert motion_fidelity(reference, result[order]) < 0.6, motion


def test_a_still_result_scores_nothing_and_two_still_clips_score_one() -> None:
    still, moving = rendered(shot("still", 1))[0], rendered(shot("circle", 2))[0]
    assert abs(motion_fidelity(moving, still)) < 0.1
    assert abs(motion_fidelity(moving, sampled(still, 12))) < 0.1
    assert abs(motion_fidelity(moving, np.zeros_like(moving))) < 0.1
    assert motion_fidelity(still, rendered(shot("still", 3))[0]) == 1


def test_fidelity_of_a_clip_with_itself_is_one_and_does_not_change_from_call_to_call() -> None:
    clip = filmed(pan=0.15, ball=lambda u: (0.2 + 0.6 * u, 0.5))
    assert motion_fidelity(clip, clip) == pytest.approx(1)
    other = filmed(pan=0.1, seed=3)
    before = motion_fidelity(clip, other)
    _movement.cache_clear()
    assert motion_fidelity(clip, other) == before


def test_camera_moves_are_told_apart_from_each_other_and_from_a_subject() -> None:
    pan = filmed(pan=0.2)
    assert motion_fidelity(pan, filmed(pan=0.12, size=(64, 64), seed=1)) > 0.95
    assert motion_fidelity(pan, filmed(pan=-0.2, seed=1)) < -0.95
    for other in ({"tilt": 0.2}, {"zoom": 1.4}, {"ball": lambda u: (0.8 - 0.6 * u, 0.5)}):
        assert abs(motion_fidelity(pan, filmed(**other, seed=1))) < 0.2


def test_clips_of_different_lengths_and_sizes_are_compared_as_wholes() -> None:
    slow = filmed(ball=lambda u: (0.2 + 0.6 * u, 0.5), frames=24, seed=1)
    fast = filmed(ball=lambda u: (0.3 + 0.4 * u, 0.6), frames=8, size=(96, 96), seed=2)
    assert motion_fidelity(slow, fast) > 0.95
