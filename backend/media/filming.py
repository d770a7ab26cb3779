"""A clip filmed once more: by a camera that moves as other clips' cameras do.

Where a motion of a camera and one of a subject act on one clip, or two of a camera, each pulls at all of it,
and small bases keep only one of the two (docs/log.md). Here each makes a clip of its own, under its own words
and from the same noise. Of a camera's only its move is taken, as it is measured (`camera_path`: pan, tilt,
zoom, roll); the subject's is what is shown. Layers that move on their own and are put together, as in
compositing and as in Wang and Adelson (Representing Moving Images with Layers, 1994); nothing here is from
the four papers of the methods.

It is a move in the picture, as a camera's on a stand is: nothing passes by faster because it is nearer. What
lies outside of the subject's clip is the clip's own ground, mirrored at its edges.

Shapes: F frames, H height, W width; clips (F, H, W, 3) uint8 RGB; moves (F, 2, 3) in pixels.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.camera import CameraPath, camera_path
from backend.media.motion import extents_of
from backend.media.subject import still_ground

Frames = npt.NDArray[np.uint8]
Moves = npt.NDArray[np.float64]

OWN = 0.5  # of each frame that the clip itself must show; the rest is mirrored
MINOR = 0.15  # of the largest part of a move: less than this is what measuring adds, and would jitter
LEAST = 0.04  # of the frame: what moves it by less may be the noise of a camera that stands still
STILL = 0.08  # of the frame: a scene that moves by less stands still, and what is measured is its noise
SMALL = 48  # pixels: the side of what a frame's own share is counted on


def camera_move(*clips: Frames) -> Moves | None:
    """Where the clips' cameras, all at once, take each frame of a scene that stands still, from the frame on
    that leaves the least to be mirrored.

    None where one's background tells no move, and where all of them go so far that less than OWN of a frame
    would be left. Steps that no move explains well count all the same: small models bend what passes by, and
    the best guess is close (docs/log.md).
    """
    if (paths := _paths(clips)) is None:
        return None
    size = clips[0].shape[2], clips[0].shape[1]
    moves = _whole(_at_once(paths), size)
    own, move = _least_mirrored(moves, np.broadcast_to(np.eye(3), moves.shape), size)
    return move if own >= OWN else None


def filmed_besides(clips: Sequence[Frames], shown: int) -> Frames | None:
    """One of the first `shown` clips, each of which has its own camera's move, with those of all others laid
    over it: the one of which that leaves the most. None as of `camera_move`.

    At its edges a frame itself is mirrored, for what stands before this ground is not told from it.
    """
    if (paths := _paths(clips)) is None:
        return None
    size = clips[0].shape[2], clips[0].shape[1]
    moves = _whole(_at_once(paths), size)
    found = [_least_mirrored(moves, _whole(path, size), size) for path in paths[:shown]]
    best = max(range(shown), key=lambda number: found[number][0])
    own, move = found[best]
    if own < OWN:
        return None
    return np.stack([_seen(frame, frame, of_one) for frame, of_one in zip(clips[best], move, strict=True)])


def _paths(clips: Sequence[Frames]) -> list[CameraPath] | None:
    """Of each clip; None where one's camera stands still, as what is not told does."""
    paths = [camera_path(frames) for frames in clips]
    if min(max(extents_of(path)) for path in paths) < LEAST:
        return None
    return [_major(path) for path in paths]


def _least_mirrored(moves: Moves, goes: Moves, size: tuple[int, int]) -> tuple[float, Moves]:
    """What takes a scene whose ground `goes` already where `moves` (both F, 3, 3) do: W_t = M_t C G_t⁻¹.

    C is such that one frame stays as it is, the one for which that which shows the least of itself shows the
    most: → how much that is, and W (F, 2, 3).
    """
    back = np.linalg.inv(goes)
    from_each = [(moves @ np.linalg.inv(m) @ g @ back)[:, :2] for m, g in zip(moves, goes, strict=True)]
    own = [min(_own_share(move, size) for move in of_one) for of_one in from_each]
    best = int(np.argmax(own))
    return own[best], from_each[best]


def _major(path: CameraPath) -> CameraPath:
    """Without those parts that move the picture by less than MINOR of what the largest does."""
    extents = dict(zip(("pan", "tilt", "zoom", "roll"), extents_of(path), strict=True))
    minor = [part for part, extent in extents.items() if extent < MINOR * max(extents.values())]
    still = {part: np.full(len(path.pan), 1.0 if part == "zoom" else 0.0) for part in minor}
    return replace(path, **still)


def _at_once(paths: Sequence[CameraPath]) -> CameraPath:
    """Part by part, so that the order does not matter: a pan goes as far across a picture that is zoomed."""
    pan, tilt, roll = (np.sum([getattr(p, part) for p in paths], axis=0) for part in ("pan", "tilt", "roll"))
    return CameraPath(pan, tilt, np.prod([p.zoom for p in paths], axis=0), roll)


def _whole(path: CameraPath, size: tuple[int, int]) -> Moves:
    """(F, 3, 3)"""
    last = np.broadcast_to([[0.0, 0.0, 1.0]], (len(path.pan), 1, 3))
    return np.concatenate([_matrices(path, *size), last], axis=1)


def _matrices(path: CameraPath, width: int, height: int) -> Moves:
    """`camera.as_camera_path` the other way round."""
    angle = np.radians(path.roll)
    across, down = path.zoom * np.cos(angle), path.zoom * np.sin(angle)
    turned = np.stack([np.stack([across, -down], axis=-1), np.stack([down, across], axis=-1)], axis=1)
    middle = np.array([width, height]) / 2
    shift = np.stack([-path.pan * width, -path.tilt * height], axis=-1)
    return np.concatenate([turned, (middle + shift - turned @ middle)[..., None]], axis=-1)


def filmed(scene: Frames, moves: Moves) -> Frames | None:
    """The scene as the camera of `camera_move` sees it; None where the scene has a move of its own already,
    as that of a strip which is edited may."""
    if max(extents_of(camera_path(scene))) > STILL:
        return None
    ground = still_ground(scene)
    return np.stack([_seen(frame, ground, move) for frame, move in zip(scene, moves, strict=True)])


def _seen(frame: Frames, ground: Frames, move: npt.NDArray[np.float64]) -> Frames:
    """One frame (H, W, 3), and where it does not reach the ground (H, W, 3)."""
    height, width = frame.shape[:2]
    shift = move.copy()  # pixels' middles are half a pixel from their corner
    shift[:, 2] += move[:, :2] @ [0.5, 0.5] - 0.5

    def laid(picture: Frames, border: int) -> Any:
        return cv2.warpAffine(picture, shift, (width, height), flags=cv2.INTER_CUBIC, borderMode=border)

    reaches = laid(np.full((height, width), 255, np.uint8), cv2.BORDER_CONSTANT) == 255
    mirrored = cv2.BORDER_REFLECT_101
    seen: Frames = np.where(reaches[..., None], laid(frame, mirrored), laid(ground, mirrored))
    return seen


def _own_share(move: npt.NDArray[np.float64], size: tuple[int, int]) -> float:
    """How much of a frame shows the moved frame itself."""
    move = move.copy()
    scale = SMALL / np.array(size)
    move[:, :2] = scale[:, None] * move[:, :2] / scale
    move[:, 2] *= scale
    return float(cv2.warpAffine(np.ones((SMALL, SMALL), np.float32), move, (SMALL, SMALL)).mean())
