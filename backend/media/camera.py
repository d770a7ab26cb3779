"""The camera's move and point tracks, by Lucas-Kanade with a forward-backward check.

Every consecutive pair of frames gets fresh features and a RANSAC similarity fit. The fit counts as the
camera's only where its features also lie along the frame's edges: a large subject before a plain wall has
features too, and they are not the background's.
"""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB
Array = npt.NDArray[np.float64]

SIDE = 320  # working size of the shorter side: small clips are enlarged, features need room
EDGE = 0.2  # how far the band along each edge reaches in, as a share of the frame
BACK = 0.5  # working pixels by which a point tracked forward and back may miss its start
WINDOW, LEVELS = (21, 21), 4  # of Lucas-Kanade: working pixels, and halvings of the picture


@dataclass(frozen=True)
class CameraPath:
    """The camera since the first frame, one value per frame (F,); a still camera is 0, 0, 1, 0 throughout."""

    pan: Array  # fractions of the width; above 0 the camera turns right (the picture moves left)
    tilt: Array  # fractions of the height; above 0 the camera turns down (the picture moves up)
    zoom: Array  # factor; above 1 the picture has grown
    roll: Array  # degrees; above 0 the picture has turned clockwise


def tracks(frames: Frames, most: int = 400) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Tracks of the first frame's features: points (N, F, 2) in pixels of `frames`, and validity (N, F)."""
    grays, scale = _working(frames)
    points = _features(grays[0], most)
    path, valid = [points], [np.ones(len(points), bool)]
    for before, after in pairwise(grays):
        moved, good = _follow(before, after, path[-1])
        path.append(np.where(good[:, None], moved, path[-1]))
        valid.append(valid[-1] & good)
    return np.stack(path, axis=1).astype(np.float64) / scale, np.stack(valid, axis=1)


def camera_path(frames: Frames) -> CameraPath:
    """The camera's pan, tilt, zoom and roll over frames (F, H, W, 3); still where no background is seen."""
    return as_camera_path(camera_matrices(frames), frames.shape[2], frames.shape[1])


def as_camera_path(moves: Array, width: int, height: int) -> CameraPath:
    """The camera's path from where the first frame's background is in each frame: matrices (F, 2, 3)."""
    middle = np.array([width / 2, height / 2])
    shift = moves[:, :, :2] @ middle + moves[:, :, 2] - middle
    return CameraPath(
        pan=-shift[:, 0] / width,
        tilt=-shift[:, 1] / height,
        zoom=np.hypot(moves[:, 0, 0], moves[:, 1, 0]),
        roll=np.degrees(np.unwrap(np.arctan2(moves[:, 1, 0], moves[:, 0, 0]))),
    )


def camera_matrices(frames: Frames) -> Array:
    """Where the first frame's background is in each frame: similarity matrices (F, 2, 3) in pixels."""
    grays, scale = _working(frames)
    steps = [_step(before, after) for before, after in pairwise(grays)]
    total, matrices = np.eye(3), [np.eye(3)]
    seen = sum(step is not None for step in steps) >= len(steps) / 2
    for step in steps:
        total = (step if step is not None and seen else np.eye(3)) @ total
        matrices.append(total)
    moves = np.stack(matrices)[:, :2]
    moves[:, :, 2] /= scale
    return moves


def _working(frames: Frames) -> tuple[list[npt.NDArray[np.uint8]], float]:
    """Grey frames at the working size, and how many working pixels are one of theirs."""
    scale = SIDE / min(frames.shape[1:3])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = (round(frames.shape[2] * scale), round(frames.shape[1] * scale))
    return [
        cv2.resize(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY), size, interpolation=method) for f in frames
    ], scale


def _features(gray: npt.NDArray[np.uint8], most: int) -> npt.NDArray[np.float32]:
    found = cv2.goodFeaturesToTrack(gray, most, qualityLevel=0.01, minDistance=9)
    return np.zeros((0, 2), np.float32) if found is None else found.reshape(-1, 2)


def _follow(
    before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8], points: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Where points (N, 2) are in the next frame, and which of them lead back to where they came from."""
    if len(points) == 0:
        return points, np.zeros(0, bool)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=WINDOW, maxLevel=LEVELS)
    returned, back, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, None, winSize=WINDOW, maxLevel=LEVELS)
    good = (found.ravel() > 0) & (back.ravel() > 0) & (np.linalg.norm(returned - points, axis=1) < BACK)
    return moved, good


def _step(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> Array | None:
    """The background's move between two frames (3, 3); None where the background shows too little."""
    points = _features(before, 600)
    moved, good = _follow(before, after, points)
    points, moved = points[good], moved[good]
    if len(points) < 12:
        return None
    cv2.setRNGSeed(0)  # the same clip, the same result
    fit, inliers = cv2.estimateAffinePartial2D(
        points, moved, method=cv2.RANSAC, ransacReprojThreshold=1.5, maxIters=2000, confidence=0.995
    )
    if fit is None:
        return None
    place = points[inliers.ravel() > 0] / (before.shape[1], before.shape[0])
    edges = [(place[:, axis] < EDGE).any() for axis in (0, 1)]
    edges += [(place[:, axis] > 1 - EDGE).any() for axis in (0, 1)]
    if len(place) < 12 or sum(edges) < 3:
        return None
    return np.vstack([fit, [0, 0, 1]])


def stabilised(frames: Frames, moves: Array) -> Frames | None:
    """Frames as a still camera would have seen them, cropped to what all show; None when that is little."""
    height, width = frames.shape[1:3]
    still = [
        cv2.warpAffine(f, m, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        for f, m in zip(frames, moves, strict=True)
    ]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    low, high = np.zeros(2), np.array([width, height], np.float64)
    for move in moves:
        seen = (corners - move[:, 2]) @ np.linalg.inv(move[:, :2]).T
        ordered = np.sort(seen, axis=0)
        low, high = np.maximum(low, ordered[1]), np.minimum(high, ordered[2])
    (x, y), (right, bottom) = np.ceil(low).astype(int), np.floor(high).astype(int)
    if right - x < width / 3 or bottom - y < height / 3:
        return None
    return np.stack(still)[:, y:bottom, x:right]
