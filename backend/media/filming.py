"""A clip filmed once more: by a camera that moves as other clips' cameras do.

Where a motion of a camera and one of a subject act on one clip, or two of a camera, each pulls at all of it,
and small bases keep only one of the two (docs/log.md). Here each makes a clip of its own, under its own words
and from the same noise. One is shown: the subject's, or of cameras' alone one of theirs. Of the others only
the move of the camera is taken, as it is measured (`camera_path`: pan, tilt, zoom, roll), and laid over that.
Layers that move on their own and are put together, as in compositing and as in Wang and Adelson (Representing
Moving Images with Layers, 1994); nothing here is from the four papers of the methods.

Of one motion of a camera alone its clip is all there is. Where that stands still all the same (`stands`), the
move of the clip that it was learned from is laid over it.

It is a move in the picture, as a camera's on a stand is: nothing passes by faster because it is nearer. What
lies outside of the clip that is shown is its own ground, mirrored at its edges. Moves that the same prompt
would give to every clip are laid over each other as those of motions are.

Shapes: F frames, H height, W width; clips (F, H, W, 3) uint8 RGB; moves (F, 2, 3) in pixels.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.camera import CameraPath, as_camera_path, camera_path, followed
from backend.media.motion import extents_of, shifts_of
from backend.media.subject import still_ground

Frames = npt.NDArray[np.uint8]
Moves = npt.NDArray[np.float64]

OWN = 0.5  # of each frame that the clip itself must show; the rest is mirrored
MINOR = 0.15  # of the largest part of a move: less than this is what measuring adds, and would jitter
LEAST = 0.04  # of the frame: what moves it by less may be the noise of a camera that stands still
STILL = 0.08  # of the frame: a scene that moves by less stands still, and what is measured is its noise
AGREE = 0.5  # of the larger of two moves: those that differ by less may be the same one, measured twice
SMALL = 48  # pixels: the side of what a frame's own share is counted on
BEGUN = 0.25  # of a move: a clip in which so much of it is measured does not stand still
COMPARED = 8  # frames of a clip, at least, and less than twice as many
STANDS = 0.5  # of what speaks against a move: where less speaks for it, the clip stands still
SOFT = 64  # of the frame's height is how much of it frames are softened by before they are compared
FLICKER = 3.0  # levels of 255 by which small models' frames differ anyway


class Measured(NamedTuple):
    """How a clip's camera moves, and whether most steps are explained by that. Small models bend what passes
    by, and then the best guess is often close, and a zoom's is not (docs/log.md)."""

    path: CameraPath
    sure: bool


def move_in(frames: Frames) -> Measured | None:
    """None where the camera stands still, as what the background does not tell does."""
    found = followed(frames)
    path = as_camera_path(found.moves, frames.shape[2], frames.shape[1])
    extents = dict(zip(("pan", "tilt", "zoom", "roll"), extents_of(path), strict=True))
    largest = max(extents.values())
    minor = [part for part, extent in extents.items() if extent < MINOR * largest]
    still = {part: np.full(len(path.pan), 1.0 if part == "zoom" else 0.0) for part in minor}
    return Measured(replace(path, **still), bool(found.sure.mean() >= 0.5)) if largest >= LEAST else None


def stands(frames: Frames, path: CameraPath) -> bool:
    """Whether a clip is explained far better by a camera that stands still than by one that moves so.

    Each frame is laid over a later one both ways: a subject that goes along with the camera, or a ground that
    repeats, tells a move that `followed` does not. Never where nothing is there to tell it, nor where some of
    the move is measured.
    """
    if max(extents_of(path)) < LEAST:
        return False
    height, width = frames.shape[1:3]
    apart = max(1, len(frames) // COMPARED)  # by a small step flicker is more than the move
    soft = [cv2.GaussianBlur(frame, (0, 0), height / SOFT) for frame in frames[::apart]]
    moves = _whole(path, (width, height))[::apart]
    goes = stays = 0.0
    for before, after, step in zip(soft, soft[1:], moves[1:] @ np.linalg.inv(moves[:-1]), strict=False):
        reaches, moved = _laid(before, step[:2])
        still, moving = (cv2.absdiff(one, after)[reaches].mean(axis=-1) for one in (before, moved))
        goes += float(np.maximum(still - moving - FLICKER, 0).sum())
        stays += float(np.maximum(moving - still - FLICKER, 0).sum())
    if goes >= STANDS * stays:
        return False
    own = extents_of(camera_path(frames))
    return all(went < BEGUN * far for went, far in zip(own, extents_of(path), strict=True) if far > 0)


def as_strong(path: CameraPath, strengths: Sequence[float]) -> CameraPath:
    """A move over as many frames as there are strengths (F,), each of whose steps goes as far as they say."""
    moments = np.linspace(0, len(path.pan) - 1, len(strengths))

    def scaled(part: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        steps = np.diff(np.interp(moments, np.arange(len(part)), part))
        return np.concatenate([[0.0], np.cumsum(steps * np.array(strengths)[1:])])

    zoom = np.exp(scaled(np.log(path.zoom)))
    return CameraPath(scaled(path.pan), scaled(path.tilt), zoom, scaled(path.roll))


def agree(one: CameraPath, other: CameraPath) -> bool:
    """Whether two moves over as many frames go about the same way."""
    a, b = shifts_of(one), shifts_of(other)
    return bool(np.linalg.norm(a - b) < AGREE * max(np.linalg.norm(a), np.linalg.norm(b)))


def camera_move(paths: Sequence[CameraPath], size: tuple[int, int]) -> Moves | None:
    """Where cameras that move so, all at once, take each frame (width, height) of a scene that stands still,
    from the frame on that leaves the least to be mirrored; None where they go so far that less than OWN of a
    frame would be left."""
    moves = _whole(_at_once(paths), size)
    own, move = _least_mirrored(moves, np.broadcast_to(np.eye(3), moves.shape), size)
    return move if own >= OWN else None


class Besides(NamedTuple):
    """A clip, how its own camera moves, and those whose moves are laid over it."""

    frames: Frames
    own: CameraPath
    others: Sequence[CameraPath]


def filmed_besides(shown: Sequence[Besides]) -> tuple[int, Frames] | None:
    """One of the clips, by its number, as if the others' cameras moved in it too: that of which most is left.
    None where there is none, and as of `camera_move`.

    At its edges a frame itself is mirrored, for what stands before this ground is not told from it.
    """
    found = []
    for number, (frames, own, others) in enumerate(shown):
        size = frames.shape[2], frames.shape[1]
        left, moves = _least_mirrored(_whole(_at_once([own, *others]), size), _whole(own, size), size)
        found += [(left, number, moves)] if left >= OWN else []
    if not found:
        return None
    _, number, moves = max(found, key=lambda one: one[0])
    laid = [_seen(frame, frame, move) for frame, move in zip(shown[number].frames, moves, strict=True)]
    return number, np.stack(laid)


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
    reaches, moved = _laid(frame, move)
    seen: Frames = np.where(reaches[..., None], moved, _laid(ground, move)[1])
    return seen


def _laid(picture: Frames, move: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.bool_], Frames]:
    """Where a picture (H, W, 3) that is moved (2, 3) reaches (H, W), and it, mirrored at its edges."""
    height, width = picture.shape[:2]
    shift = move.copy()  # pixels' middles are half a pixel from their corner
    shift[:, 2] += move[:, :2] @ [0.5, 0.5] - 0.5

    def moved(what: Frames, border: int) -> Any:
        return cv2.warpAffine(what, shift, (width, height), flags=cv2.INTER_CUBIC, borderMode=border)

    reaches = moved(np.full((height, width), 255, np.uint8), cv2.BORDER_CONSTANT) == 255
    return reaches, moved(picture, cv2.BORDER_REFLECT_101)


def _own_share(move: npt.NDArray[np.float64], size: tuple[int, int]) -> float:
    """How much of a frame shows the moved frame itself."""
    move = move.copy()
    scale = SMALL / np.array(size)
    move[:, :2] = scale[:, None] * move[:, :2] / scale
    move[:, 2] *= scale
    return float(cv2.warpAffine(np.ones((SMALL, SMALL), np.float32), move, (SMALL, SMALL)).mean())
