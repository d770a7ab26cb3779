"""Measured motion, without weights: does a clip move as another does, whatever it shows?

A clip's motion is taken apart into two layers, as is usual in video: the camera (a similarity of the
background) and the subject (its centre and its size) before the background held still. Every layer's
movement is expressed in one unit, the root mean square displacement of the layer's points per step, in
fractions of the frame's height, so that the cosine of two clips' motions is the cosine of the displacements
of all points, matched by what they belong to.

Why not the best match among free tracks, as in the literature: on small clips of flat shapes a track sits on
an outline, which slides along itself, and the best of many matches is high for any pair of motions (a subject
that grows has tracks in all directions, and so has one that shrinks). Tracks serve to find the camera.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.camera import CameraPath, as_camera_path, camera_path, followed, tracks
from backend.media.subject import Subject, find_subject, subject_path

__all__ = [
    "Bounds",
    "CameraPath",
    "Movement",
    "Subject",
    "camera_path",
    "fidelity_bounds",
    "find_subject",
    "layer_fidelity",
    "motion_fidelity",
    "movement",
    "subject_path",
    "tracks",
]

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB
Array = npt.NDArray[Any]

STEPS = 15  # at most: a path is compared at this many steps
STILL = 0.008  # root mean square step, in heights of the frame, below which nothing moves but noise
STEADY = 0.02  # heights of the frame: a camera that moves less over the clip stands still
DISC = 0.4  # root mean square distance of a disc's points from its centre, by the root of its area
MIRRORED = np.array([-1, 1, 1, -1, 1, 1, -1])  # signs of a mirror image's signal
FRAME = 0.41  # the same for the frame, in its heights


@dataclass(frozen=True)
class Movement:
    """How a clip moves: the camera by its background, the subject on the screen and before the background."""

    camera: CameraPath
    told: npt.NDArray[np.bool_]  # (4,): which of zoom, roll, pan, tilt the background can tell at all
    sure: npt.NDArray[np.bool_]  # (F,): whether the background was followed so far; later frames are a guess
    subject: Subject  # on the screen
    before: Subject  # where the first frame's camera would have seen it


def movement(frames: Frames) -> Movement:
    """Measure a clip (F, H, W, 3). A camera that moves less than STEADY stands still.

    What is measured is kept of the last few clips: a reference is compared with many others.
    """
    return _movement(frames.tobytes(), frames.shape)


@lru_cache(maxsize=4)
def _movement(pixels: bytes, shape: tuple[int, ...]) -> Movement:
    frames = np.frombuffer(pixels, np.uint8).reshape(shape)
    height, width = shape[1:3]
    background = followed(frames)
    moves, told = background.moves, background.told
    camera = as_camera_path(moves, width, height)
    if max(extents_of(camera)) < STEADY:
        subject = find_subject(frames)
        return Movement(camera, told, background.sure, subject, subject)
    subject = find_subject(frames, moves)
    # Before a background that was lost a subject cannot be told.
    subject = replace(subject, told=subject.told & background.sure)
    places = subject.centres * (width, height)
    first = [np.linalg.inv(m[:, :2]) @ (p - m[:, 2]) for m, p in zip(moves, places, strict=True)]
    before = Subject(
        (np.stack(first) / (width, height)).astype(np.float32),
        (subject.sizes / camera.zoom).astype(np.float32),
        subject.moves,
        subject.told,
    )
    return Movement(camera, told, background.sure, subject, before)


def shifts_of(camera: CameraPath, aspect: float = 1.0) -> Array:
    """How far pan, tilt, zoom and roll have moved the picture at each frame (F, 4), in heights of the frame;
    a pan in widths, unless the aspect is given."""
    pan, zoom, roll = camera.pan * aspect, np.log(camera.zoom) * FRAME, np.radians(camera.roll) * FRAME
    return np.stack([pan, camera.tilt, zoom, roll], axis=1)


def extents_of(camera: CameraPath) -> tuple[float, float, float, float]:
    """How far pan, tilt, zoom and roll move the picture over the clip, in heights or widths of the frame."""
    pan, tilt, zoom, roll = map(float, np.ptp(shifts_of(camera), axis=0))
    return pan, tilt, zoom, roll


def motion_fidelity(reference: Frames, result: Frames) -> float:
    """How like the reference's motion the result's is: 1 the same, 0 unrelated or still, -1 the opposite.

    Free of what is seen, where it starts and how far it goes; not of direction, order and rhythm. Clips may
    differ in size and number of frames: the whole of one is compared with the whole of the other. Two still
    clips score 1.
    """
    steps = common_steps(len(reference), len(result))
    return signal_fidelity(motion_signal(reference, steps), motion_signal(result, steps))


def common_steps(one: int, other: int) -> int:
    """At how many steps clips of so many frames are compared."""
    steps = min(one, other, STEPS + 1) - 1
    if steps < 1:
        raise ValueError("motion needs at least two frames")
    return steps


def layer_fidelity(of_subject: Frames, of_camera: Frames, result: Frames) -> tuple[float, float]:
    """How closely a result's subject follows one clip's subject, and its camera another clip's camera."""
    scores = []
    for reference, columns in ((of_subject, slice(0, 3)), (of_camera, slice(3, 7))):
        steps = common_steps(len(reference), len(result))
        signals = (motion_signal(clip, steps)[:, columns] for clip in (reference, result))
        scores.append(signal_fidelity(*signals))
    return scores[0], scores[1]


@dataclass(frozen=True)
class Bounds:
    """What a perfect result and a meaningless one score: a measured figure stands between them."""

    ceiling: float
    floor: float


def fidelity_bounds(clip: Frames, truth: Array | None = None, shuffles: int = 3, seed: int = 0) -> Bounds:
    """Bounds of motion fidelity on a clip.

    Ceiling: the measured motion against `truth` (steps, 7), as `path_signal` makes it; where the truth is not
    known, against the same clip filmed again: a smaller mirror image, with its signs turned back.
    Floor: the mean against the same frames in a random order, with chance's sign taken away.
    """
    steps = common_steps(len(clip), len(clip))
    measured = motion_signal(clip, steps)
    again = motion_signal(_filmed_again(clip), steps) * MIRRORED if truth is None else truth
    rng = np.random.default_rng(seed)
    shuffled = [motion_signal(clip[rng.permutation(len(clip))], steps) for _ in range(shuffles)]
    chance = float(np.mean([abs(signal_fidelity(measured, other)) for other in shuffled]))
    return Bounds(signal_fidelity(again, measured), chance)


def _filmed_again(clip: Frames) -> Frames:
    """The same motion in other pixels: mirrored, and smaller."""
    size = clip.shape[2] * 3 // 4, clip.shape[1] * 3 // 4
    return np.stack([cv2.resize(f[:, ::-1], size, interpolation=cv2.INTER_AREA) for f in clip])


def signal_fidelity(a: Array, b: Array) -> float:
    """Cosine of two motion signals (steps, 7), where what is below the noise counts as still."""
    floor = STILL * np.sqrt(len(a))
    sizes = np.linalg.norm(a), np.linalg.norm(b)
    if max(sizes) < floor:
        return 1.0
    return float((a * b).sum() / (max(sizes[0], floor) * max(sizes[1], floor)))


def motion_signal(frames: Frames, steps: int) -> Array:
    """Displacement in each of `steps` equal parts of the clip (steps, 7), in heights of the frame.

    Columns: subject across, down, growth; camera pan, tilt, zoom, roll.
    """
    found = movement(frames)
    return path_signal(found.camera, found.before, frames.shape[2] / frames.shape[1], steps)


def path_signal(camera: CameraPath, before: Subject, aspect: float, steps: int) -> Array:
    """The same from known paths; `before` is the subject where the camera's own move is taken away."""
    cumulative = shifts_of(camera, aspect)
    if np.ptp(cumulative, axis=0).max() < STEADY:
        cumulative[:] = 0
    subject = np.zeros((len(cumulative), 3))
    if before.moves:
        radius = before.sizes * DISC * np.sqrt(aspect)
        place = before.centres * (aspect, 1)
        subject = np.concatenate([place, (np.log(radius) * radius.mean())[:, None]], axis=1)
    return np.concatenate([_steps(subject, steps), _steps(cumulative, steps)], axis=1)


def _steps(path: Array, steps: int) -> Array:
    """Displacements (steps, columns) between evenly spaced moments of a path (F, columns)."""
    moments = np.linspace(0, len(path) - 1, steps + 1)
    return np.diff([np.interp(moments, np.arange(len(path)), column) for column in path.T], axis=1).T
