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

from typing import Any

import numpy as np
import numpy.typing as npt

from backend.media.camera import CameraPath, as_camera_path, camera_matrices, camera_path, stabilised, tracks
from backend.media.subject import Subject, find_subject, subject_path

__all__ = [
    "CameraPath",
    "Subject",
    "camera_path",
    "find_subject",
    "motion_fidelity",
    "subject_path",
    "tracks",
]

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB
Array = npt.NDArray[Any]

STEPS = 15  # at most: a path is compared at this many steps
STILL = 0.008  # root mean square step, in heights of the frame, below which nothing moves but noise
STEADY = 0.02  # heights of the frame: a camera that moves less over the clip stands still
DISC = 0.4  # root mean square distance of a disc's points from its centre, by the root of its area
FRAME = 0.41  # the same for the frame, in its heights


def motion_fidelity(reference: Frames, result: Frames) -> float:
    """How like the reference's motion the result's is: 1 the same, 0 unrelated or still, -1 the opposite.

    Free of what is seen, where it starts and how far it goes; not of direction, order and rhythm. Clips may
    differ in size and number of frames: the whole of one is compared with the whole of the other. Two still
    clips score 1.
    """
    steps = min(len(reference), len(result), STEPS + 1) - 1
    if steps < 1:
        raise ValueError("motion needs at least two frames")
    return signal_fidelity(motion_signal(reference, steps), motion_signal(result, steps))


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
    height, width = frames.shape[1:3]
    moves = camera_matrices(frames)
    camera = as_camera_path(moves, width, height)
    layer = [
        camera.pan * width / height,
        camera.tilt,
        np.log(camera.zoom) * FRAME,
        np.radians(camera.roll) * FRAME,
    ]
    cumulative = np.stack(layer, axis=1)
    if np.ptp(cumulative, axis=0).max() < STEADY:
        cumulative[:] = 0
        seen: Frames | None = frames
    else:
        seen = stabilised(frames, moves)
    return np.concatenate([_steps(_subject_layer(seen, frames), steps), _steps(cumulative, steps)], axis=1)


def _subject_layer(seen: Frames | None, frames: Frames) -> Array:
    """Where the subject is and how far its points are from its centre, in heights of the frame: (F, 3)."""
    if seen is None:  # the camera left the scene: nothing to stand the subject against
        return np.zeros((len(frames), 3))
    subject = find_subject(seen)
    if not subject.moves:
        return np.zeros((len(frames), 3))
    height, width = seen.shape[1:3]
    place = subject.centres * (width, height) / frames.shape[1]
    radius = subject.sizes * DISC * np.sqrt(height * width) / frames.shape[1]
    return np.concatenate([place, (np.log(radius) * radius.mean())[:, None]], axis=1)


def _steps(path: Array, steps: int) -> Array:
    """Displacements (steps, columns) between evenly spaced moments of a path (F, columns)."""
    moments = np.linspace(0, len(path) - 1, steps + 1)
    return np.diff([np.interp(moments, np.arange(len(path)), column) for column in path.T], axis=1).T
