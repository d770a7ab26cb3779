"""The camera's move, by aligning each frame's background with the next one's (`alignment.py`), and tracks.

Moves that features suggest (Lucas-Kanade with a forward-backward check, RANSAC) are among the starts that are
tried. A part of a move counts only where the frames' rims tell it (`rim.py`): a large subject before a plain
wall has gradients too, and they are not the background's.
"""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.alignment import CLEAR, Fit, Picture, aligned, overlap, refined, similar
from backend.media.rim import EDGE

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB
Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SIDE = 320  # working size of the shorter side: small clips are enlarged, features need room
SHARED = 0.6  # of the frame: when a key frame's background is seen less, the next becomes the key
LEANS = 0.01  # perspective: then what is near has gone on differently, and steps are put together
HALF = 0.56  # of the frame: what goes by half of it looks, where the ground repeats, as if it went back
DRIFT = 0.1  # half frames: a refinement that goes farther than this has lost its way
AROUND = 0.9  # of the steps: a rim that tells zoom and roll in so many is ground all around
BENDS = 0.1  # half frames: by so much a pattern that bends may seem to go
BACK = 0.5  # working pixels by which a point tracked forward and back may miss its start
WINDOW, LEVELS = (21, 21), 4  # of Lucas-Kanade: working pixels, and halvings of the picture


@dataclass(frozen=True)
class CameraPath:
    """The camera since the first frame, one value per frame (F,); a still camera is 0, 0, 1, 0 throughout."""

    pan: Array  # fractions of the width; above 0 the camera turns right (the picture moves left)
    tilt: Array  # fractions of the height; above 0 the camera turns down (the picture moves up)
    zoom: Array  # factor; above 1 the picture has grown
    roll: Array  # degrees; above 0 the picture has turned clockwise


def tracks(frames: Frames, most: int = 400) -> tuple[Array, Mask]:
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
    return followed(frames).moves


@dataclass(frozen=True)
class Followed:
    """The background through a clip, and what of it can be believed."""

    moves: Array  # (F, 2, 3): where the first frame's background is in each frame, in pixels
    told: Mask  # (4,): which of zoom, roll, pan and tilt the background tells at all
    sure: Mask  # (F,): whether it was followed so far without a step that no move explains


def followed(frames: Frames) -> Followed:
    """Follow the background. Frames are followed from the last key frame, so that errors do not add up."""
    pictures, shape = [Picture(frame) for frame in frames], frames.shape[1:3]
    steps = _steps(frames, pictures)
    key, base = 0, np.eye(3)
    moves, sure = [np.eye(3)], [True]
    for number, fit in enumerate(steps, start=1):
        step = similar(fit.move, shape)
        move, clear = step @ moves[-1], sure[-1] and _clear(fit, shape)
        from_key = move @ np.linalg.inv(base)
        if overlap(from_key, shape) < SHARED:
            key, base = number - 1, moves[-1]
            from_key = step
        elif number > key + 1:
            again = refined(pictures[key], pictures[number], from_key)
            leans = max(np.abs(f.move[2, :2]).max() for f in (fit, again)) > LEANS
            if not leans and np.abs(again.move - from_key)[:2].max() < DRIFT:
                move = similar(again.move, shape) @ base
                clear = clear or (sure[key] and _clear(again, shape))
        moves.append(move)
        sure.append(clear)
    told = _told(steps, np.stack(moves))
    half, middle = min(shape) / 2, np.array(shape[::-1]) / 2
    pixels = np.stack([_restricted(move, told) for move in moves])[:, :2]
    pixels[:, :, 2] = pixels[:, :, 2] * half + middle - pixels[:, :, :2] @ middle
    return Followed(pixels, told, np.array(sure))


def _steps(frames: Frames, pictures: list[Picture]) -> list[Fit]:
    """Each frame's background in the next one: (F - 1) fits.

    A step that nothing explained well is tried again as its neighbours went: cameras go on as they do.
    """
    shape, (grays, _) = frames.shape[1:3], _working(frames)
    fits: list[Fit] = []
    for number in range(1, len(pictures)):
        before = [similar(fits[-1].move, shape)] if fits else []
        starts = [np.eye(3), *before, *_feature_moves(grays[number - 1], grays[number])]
        fits.append(aligned(pictures[number - 1], pictures[number], starts))
    for number in reversed(range(len(fits))):
        near = [fits[n] for n in (number - 1, number + 1) if 0 <= n < len(fits)]
        starts = [similar(fit.move, shape) for fit in near if _clear(fit, shape)]
        if starts and not _clear(fits[number], shape):
            again = aligned(pictures[number], pictures[number + 1], starts)
            fits[number] = min(fits[number], again, key=lambda fit: fit.cost)
    return fits


def _told(steps: list[Fit], moves: Array) -> npt.NDArray[np.bool_]:
    """Which of zoom, roll, across, down most steps tell (4,), where the background goes by `moves` (F, 3, 3).

    A pattern that bends from frame to frame agrees too little to tell each shift surely. Where the rim is
    ground all around, and no subject, what is likely told will do, if it goes farther than a bend does.
    """
    told: npt.NDArray[np.bool_] = np.mean([fit.known for fit in steps], axis=0) >= 0.5
    likely = np.mean([fit.likely[2:] for fit in steps], axis=0) >= 0.5
    if np.mean([fit.known[:2] for fit in steps], axis=0).min() >= AROUND:
        told[2:] |= likely & (np.ptp(moves[:, :2, 2], axis=0) > BENDS)
    return told


def _clear(fit: Fit, shape: tuple[int, int]) -> bool:
    return fit.cost < CLEAR and overlap(fit.move, shape) > HALF


def _restricted(move: Array, seen: Mask) -> Array:
    """A move (3, 3) without the zoom, roll, pan or tilt that the background does not tell."""
    zoom = np.hypot(move[0, 0], move[1, 0]) if seen[0] else 1.0
    roll = np.arctan2(move[1, 0], move[0, 0]) if seen[1] else 0.0
    shift = move[:2, 2] * seen[2:]
    cos, sin = zoom * np.cos(roll), zoom * np.sin(roll)
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]], [0, 0, 1]])


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
) -> tuple[npt.NDArray[np.float32], Mask]:
    """Where points (N, 2) are in the next frame, and which of them lead back to where they came from."""
    if len(points) == 0:
        return points, np.zeros(0, bool)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, None, winSize=WINDOW, maxLevel=LEVELS)
    returned, back, _ = cv2.calcOpticalFlowPyrLK(after, before, moved, None, winSize=WINDOW, maxLevel=LEVELS)
    good = (found.ravel() > 0) & (back.ravel() > 0) & (np.linalg.norm(returned - points, axis=1) < BACK)
    return moved, good


def _feature_moves(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> list[Array]:
    """What most features do, and what most near the frame's edges do: similarities (3, 3)."""
    points = _features(before, 300)
    moved, good = _follow(before, after, points)
    size = np.array([before.shape[1], before.shape[0]])
    middle, half = size / 2, min(size) / 2
    aside = (np.abs(points - middle) > (0.5 - EDGE) * size).any(axis=1)
    found = []
    for some in (good, good & aside):
        if some.sum() < 3:
            continue
        cv2.setRNGSeed(0)  # the same clip, the same result
        start, end = ((p[some] - middle) / half for p in (points, moved))
        fit, _ = cv2.estimateAffinePartial2D(start, end, method=cv2.RANSAC, ransacReprojThreshold=1.5 / half)
        if fit is not None:
            found.append(np.vstack([fit, [0, 0, 1]]))
    return found
