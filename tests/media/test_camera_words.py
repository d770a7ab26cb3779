"""What the camera does in a word: exact tracks of known scenes, the world's shots, and Blender's."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from backend.bench.motion_truth import true_word
from backend.media.camera_words import Tracked, camera_alone, camera_moves, tracked
from backend.media.motion import CameraPath, Movement, Subject, movement

from .truths import CAMERAS, filmed_by_blender, shot

Array = npt.NDArray[np.float64]
FRAMES = 8
EVENLY = np.linspace(0, 1, FRAMES)
THERE_AND_BACK = np.sin(np.pi * EVENLY)
HORIZON = 0.7  # of a floor: half heights above the frame's middle, by a lens of 1


@dataclass(frozen=True)
class Goes:
    """Where a camera evenly goes to in a clip: lengths in the subject's distance, angles in radians."""

    across: float = 0.0
    down: float = 0.0
    ahead: float = 0.0
    right: float = 0.0
    below: float = 0.0
    rolls: float = 0.0
    zooms: float = 0.0  # a logarithm


def seen(depths: Array, places: Array, goes: Goes, lens: float, parts: Array = EVENLY) -> Array:
    """Tracks (N, F, 2) of points that the first frame shows at `places` (N, 2), `depths` (N,) away.

    `parts` (F,): how much of the whole way the camera has gone.
    """
    points = np.c_[places * depths[:, None] / lens, depths]
    frames = []
    for part in parts:
        x, y, z = (points - part * np.array([goes.across, goes.down, goes.ahead])).T
        for turn, name in ((part * goes.right, "right"), (part * goes.below, "below")):
            cos, sin = np.cos(turn), np.sin(turn)
            if name == "right":
                x, z = cos * x - sin * z, sin * x + cos * z
            else:
                y, z = cos * y - sin * z, sin * y + cos * z
        cos, sin = np.cos(part * goes.rolls), np.sin(part * goes.rolls)
        x, y = cos * x - sin * y, sin * x + cos * y
        frames.append(np.stack([x, y], axis=1) / z[:, None] * lens * np.exp(part * goes.zooms))
    return np.stack(frames, axis=1)


def scene(kind: str, lens: float, aspect: float = 1.0) -> tuple[Array, Array]:
    """Depths and places of 100 points behind and of 20 of a subject in the middle, 1 away."""
    rng = np.random.default_rng(1)
    behind, before = rng.uniform(-1, 1, (100, 2)) * (aspect, 1), rng.uniform(-0.5, 0.5, (20, 2))
    if kind == "wall":
        depths = np.full(100, 2.5)
    else:  # a floor through the subject's feet, seen from above
        behind = behind[behind[:, 1] > -HORIZON * lens + 0.15]
        depths = (0.3 + HORIZON * lens) / (behind[:, 1] + HORIZON * lens)
    return np.concatenate([depths, np.ones(20)]), np.concatenate([behind, before])


def named(points: Array, aspect: float = 1.0) -> tuple[str, ...]:
    """What is said of tracks; the similarity of all but the subject, by least squares, is the picture's."""
    behind = points[:-20] @ np.array([1, 1j])
    start = behind[:, :1] - behind[:, :1].mean()
    factor = (np.conj(start) * (behind - behind.mean(axis=0))).sum(axis=0) / (np.abs(start) ** 2).sum()
    shift = behind.mean(axis=0) - factor * behind[:, 0].mean()
    turned = np.degrees(np.angle(factor))
    camera = CameraPath(-shift.real / 2 / aspect, -shift.imag / 2, np.abs(factor), turned)
    everywhere = np.ones(len(shift), bool)
    nothing = Subject(np.full((len(shift), 2), 0.5), np.zeros(len(shift)), False, ~everywhere)
    found = Movement(camera, np.ones(4, bool), everywhere, nothing, nothing)
    return camera_moves(found, Tracked(points, aspect))


def named_in(film: npt.NDArray[np.uint8]) -> tuple[str, ...]:
    return camera_moves(movement(film), tracked(film))


# ------------------------------------------------------------------ exact tracks


@pytest.mark.parametrize(("kind", "lens"), [("wall", 1.94), ("wall", 4.0), ("floor", 1.5), ("floor", 1.94)])
@pytest.mark.parametrize(
    ("goes", "name"),
    [
        (Goes(right=0.25), "pan"),
        (Goes(below=0.2), "tilt"),
        (Goes(rolls=0.4), "roll"),
        (Goes(zooms=0.4), "zoom"),
        (Goes(zooms=-0.4), "zoom"),
        (Goes(across=0.3), "truck"),
        (Goes(down=0.3), "pedestal"),
        (Goes(zooms=0.25, right=0.025), "zoom"),
        (Goes(across=0.25, right=-0.24), "truck"),  # around the subject
        (Goes(ahead=0.3), "dolly"),
        (Goes(ahead=0.25, zooms=float(np.log(0.75))), "dolly zoom"),
        (Goes(ahead=-0.3, zooms=float(np.log(1.3))), "dolly zoom"),
    ],
)
def test_what_turns_is_told_from_what_goes_before_a_wall_and_over_a_floor(
    kind: str, lens: float, goes: Goes, name: str
) -> None:
    points = seen(*scene(kind, lens), goes, lens)
    noise = np.random.default_rng(2).normal(0, 0.003, points.shape)
    assert named(points + noise)[0] == name


def test_a_few_tracks_gone_astray_do_not_make_a_pan_a_truck() -> None:
    points = seen(*scene("wall", 1.94), Goes(right=0.25), 1.94)
    points[:3, :, 0] *= np.linspace(1, 0.2, FRAMES)
    assert named(points) == ("pan", "truck")


def test_what_goes_its_own_way_under_a_pan_does_not_make_it_a_truck() -> None:
    points = seen(*scene("wall", 1.94), Goes(right=0.25), 1.94)
    points[-20:, :, 0] += 0.3 * np.sin(1.5 * np.pi * EVENLY)  # ends elsewhere
    assert named(points) == ("pan", "truck")


@pytest.mark.parametrize(
    ("goes", "name"), [(Goes(right=0.25), "pan"), (Goes(zooms=0.3), "zoom"), (Goes(across=0.3), "truck")]
)
@pytest.mark.parametrize("parts", [EVENLY, THERE_AND_BACK])
def test_a_wide_frame_and_a_camera_that_comes_back_are_told_as_well(
    goes: Goes, name: str, parts: Array
) -> None:
    aspect, lens = 16 / 9, 3.5  # 54° across
    points = seen(*scene("wall", lens, aspect), goes, lens, parts)
    noise = np.random.default_rng(3).normal(0, 0.003, points.shape)
    assert named(points + noise, aspect)[0] == name


def test_what_goes_unevenly_in_step_with_the_camera_is_near_beyond_doubt() -> None:
    points = seen(*scene("wall", 1.94), Goes(across=0.3), 1.94, EVENLY**2)
    assert named(points) == ("truck",)


def test_tracks_that_only_tremble_are_a_still_camera() -> None:
    points = seen(*scene("wall", 1.94), Goes(), 1.94)
    assert named(points + np.random.default_rng(4).normal(0, 0.005, points.shape)) == ("still",)


def test_a_ground_that_shrinks_without_a_track_behind_what_keeps_its_size_is_a_dolly_zoom() -> None:
    places = np.random.default_rng(5).uniform(-0.5, 0.5, (40, 2))
    kept = np.repeat(places[:, None], FRAMES, axis=1)
    everywhere = np.ones(FRAMES, bool)
    nothing = Subject(np.full((FRAMES, 2), 0.5), np.zeros(FRAMES), False, ~everywhere)
    camera = CameraPath(np.zeros(FRAMES), np.zeros(FRAMES), np.exp(-0.2 * EVENLY), np.zeros(FRAMES))
    found = Movement(camera, np.ones(4, bool), everywhere, nothing, nothing)
    assert camera_moves(found, Tracked(kept)) == ("dolly zoom", "zoom")


# ------------------------------------------------------------------ the world and Blender


def test_where_nothing_near_stands_out_the_camera_may_have_turned_or_gone() -> None:
    assert named_in(shot("pan right", "still", "brick wall").frames) == ("pan", "truck")


def test_a_plain_wall_may_hide_every_move() -> None:
    names = named_in(shot("locked", "circle", "gray wall").frames)
    assert names == ("still", "zoom", "roll", "pan", "tilt")


@pytest.mark.parametrize(
    ("camera", "name"),
    [
        ("locked", "still"),
        ("pan right", "pan"),
        ("tilt down", "tilt"),
        ("zoom in", "zoom"),
        ("roll", "roll"),
        ("orbit", "truck"),
        ("dolly zoom", "dolly zoom"),
    ],
)
def test_truck_is_told_from_pan_and_dolly_zoom_from_zoom_by_what_stands_near(camera: str, name: str) -> None:
    assert named_in(shot(camera, "still", "brick wall", radius=0.25).frames)[0] == name


@pytest.mark.parametrize(("grows", "name"), [(0.0, "dolly zoom"), (1.0, "zoom"), (2.2, "dolly")])
def test_a_dolly_zoom_is_told_from_a_zoom_by_how_the_subject_grows(grows: float, name: str) -> None:
    """The background grows by 1.2; the subject not at all, as much, or by 1.2 to the power of 2.2."""
    zoom = np.exp(np.linspace(0, np.log(1.2), 5))
    still = np.full((5, 2), 0.5, np.float32)
    everywhere = np.ones(5, bool)
    subject = Subject(still, (0.2 * zoom**grows).astype(np.float32), True, everywhere)
    before = Subject(still, (subject.sizes / zoom).astype(np.float32), True, everywhere)
    camera = CameraPath(np.zeros(5), np.zeros(5), zoom, np.zeros(5))
    found = Movement(camera, np.ones(4, bool), everywhere, subject, before)
    assert camera_moves(found, Tracked(np.zeros((0, 5, 2))))[0] == name


def test_dolly_zooms_orbits_zooms_and_pans_that_blender_filmed_are_told_by_their_word() -> None:
    """All but a pan before an even sunset, where nothing shows but the subject that passes."""
    shots = filmed_by_blender(CAMERAS)
    said = [(true_word(filmed), named_in(filmed.frames)[0]) for filmed in shots]
    assert said[0] == ("pan", "still")
    assert sorted(truth or "" for truth, _ in said[1:]) == [
        *["dolly zoom"] * 3,
        "pan",
        "truck",
        "truck",
        "zoom",
    ]
    assert [word for _, word in said[1:]] == [truth for truth, _ in said[1:]]


def test_a_camera_that_goes_past_a_subject_is_not_alone_and_one_that_turns_is() -> None:
    for camera, alone in (("pan right", True), ("orbit", False), ("locked", False)):
        frames = shot(camera, "still", "brick wall", radius=0.25).frames
        assert camera_alone(movement(frames), frames) == alone, camera
