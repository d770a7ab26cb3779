"""A clip's subject, carried along the way of another clip's.

Where two motions of a subject act on one clip, small bases show one of the two (docs/log.md). Here, as where
a camera's and a subject's come together (`filming.py`), each makes a clip of its own. One of them is shown:
its subject is cut out of its still ground and laid over that again, moved and resized in each frame as the
other clips' subjects are, so that the ways add up. Layers, as in Wang and Adelson (Representing Moving Images
with Layers, 1994); nothing here is from the four papers of the methods.

A way is measured on the subject as a whole (`find_subject`): its place and, where it plainly grows or
shrinks, its size. How it turns or changes its shape is not carried over. Where the edge of its own clip cuts
a little off the subject that stays cut off; a clip that loses sight of it is not shown.

Shapes: F frames, H height, W width; clips (F, H, W, 3) uint8 RGB; places (…, 2) as fractions of the frame's
width and height, x right, y down.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.filming import STILL
from backend.media.motion import extents_of, movement
from backend.media.outline import filled
from backend.media.subject import Subject, rim_of, still_layers

Frames = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]

LEAST = 0.04  # of the frame: a subject that goes less far and does not grow stands still, and tells no way
GROWS = 1.5  # times: a size that changes by less is what measuring and small bases add, and would pulse
LARGEST = 0.7  # root of a frame's share: no subject grows beyond that, unless it is as large already
TOLD = 0.7  # of the frames: a subject that is told in some, but in fewer than this, leaves the frame
LOST = 0.5  # of what is seen of it in the next frame: where less is, the clip has lost sight of its subject
HIDDEN = 0.03  # of the frame: what the subject always covers is guessed up to this, and more would show
OTHERS = 0.01  # of the frame: what differs there from the ground, but is not the subject, would be lost
OTHER = 25.0  # a difference in Lab that no ground's wavering is
SHRUNK = 0.5  # of its size: a way with less room than that leaves the frame
PLAIN = 10.0  # a difference from the ground, in Lab, from which on a pixel is wholly the subject's …
WAVERS = 1.5  # … at least this many times what the ground differs from itself there
PIECE = 0.1  # of a subject's largest piece: smaller ones are specks of ground, smaller holes its own colours
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True)
class Way:
    """How a subject goes: from the middle of its way (F, 2), and its size by its mean one (F,)."""

    offsets: Array
    scales: Array


def subject_way(frames: Frames) -> Way | None:
    """The way of a clip's subject before its background; None where it stands still, is not seen, or leaves
    the frame for more than a moment."""
    found = movement(frames).before
    if not found.moves or 0 < found.told.mean() < TOLD:
        return None
    middle = (found.centres.min(axis=0) + found.centres.max(axis=0)) / 2
    sizes = _evened(np.log(found.sizes))
    grows = np.ptp(sizes) > np.log(GROWS)
    if np.ptp(found.centres, axis=0).max() < LEAST and not grows:
        return None
    scales = np.exp(sizes - sizes.mean()) if grows else np.ones(len(sizes))
    return Way((found.centres - middle).astype(np.float64), scales.astype(np.float64))


def _evened(values: Array) -> Array:
    """Each of (F,) between itself and its neighbours."""
    before, after = np.r_[values[:1], values[:-1]], np.r_[values[1:], values[-1:]]
    evened: Array = (before + 2 * values + after) / 4
    return evened


def carried(scene: Frames, ways: Sequence[Way]) -> Frames | None:
    """The scene with its subject's way and those of `ways` added up.

    None where the scene's camera moves, its subject is lost sight of or not alone, or so much of the ground
    is never seen that it would be missed. Each adds how it goes, not where: the sum is laid into the frame,
    and made smaller where it has no room.
    """
    found = movement(scene)
    own = found.subject
    if max(extents_of(found.camera)) > STILL or not own.moves:
        return None
    ground, around = still_layers(scene)
    hidden, difference = _hidden(around), _difference(scene, ground)
    if hidden.mean() > HIDDEN or _others(difference, around) > OTHERS:
        return None
    shares = _shares(difference, around)
    if _is_lost(shares):
        return None
    scales = np.prod([way.scales for way in ways], axis=0)
    scales = np.minimum(scales, np.maximum(1, LARGEST / own.sizes))
    sums = own.centres + np.sum([way.offsets for way in ways], axis=0)
    offsets = _in_frame(sums, _reaches(shares, own.centres, scales)) - own.centres
    moves = _matrices(own, offsets, scales, scene.shape)
    ground = cv2.inpaint(ground, hidden, 2, cv2.INPAINT_TELEA)
    return np.stack([_laid(*one, ground) for one in zip(scene, shares, moves, strict=True)])


def _hidden(around: Mask) -> Frames:
    """1 at the places (H, W) that the subject itself, not its rim alone, covers in every frame."""
    rim = rim_of(around.shape[1])
    hidden: Frames = np.min([cv2.erode(frame.astype(np.uint8), rim) for frame in around], axis=0)
    return hidden


def _others(difference: Array, around: Mask) -> float:
    """How much of a frame, in half of them, something else than the subject covers."""
    plain = (np.where(around, 0, difference) > OTHER).astype(np.uint8)
    return float(np.median([cv2.morphologyEx(frame, cv2.MORPH_OPEN, CROSS).mean() for frame in plain]))


def _is_lost(shares: Array) -> bool:
    """Whether much less is seen of the subject in one frame than in the next, or in none anything."""
    areas = shares.sum(axis=(1, 2))
    less, more = np.minimum(areas[:-1], areas[1:]), np.maximum(areas[:-1], areas[1:])
    return bool((less < LOST * more).any() or not areas.any())


def _reaches(shares: Array, centres: Array, scales: Array) -> tuple[Array, Array]:
    """How far the subject reaches from its centre: left and up (F, 2), right and down (F, 2)."""
    size = np.array([shares.shape[2], shares.shape[1]])
    bounds = []
    for share in shares:
        points = np.argwhere(share > 0.5)[:, ::-1]
        bounds.append((points.min(axis=0) / size, (points.max(axis=0) + 1) / size))
    low, high = np.stack(bounds, axis=1)
    return (centres - low) * scales[:, None], (high - centres) * scales[:, None]


def _in_frame(places: Array, reaches: tuple[Array, Array]) -> Array:
    """A whole way (F, 2) inside the frame: smaller in all, to SHRUNK at most, if it does not fit into it, and
    shifted as little as may be."""

    def bounds(of: Array) -> tuple[Array, Array]:
        return (of - reaches[0]).min(axis=0), (of + reaches[1]).max(axis=0)

    low, high = bounds(places)
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    goes = np.ptp(places, axis=0)
    fit = (goes - np.maximum(0, high - low - 1)) / np.maximum(goes, 1e-6)
    places = middle + (places - middle) * max(SHRUNK, float(fit[high - low > 1].min(initial=1)))
    low, high = bounds(places)
    shift = np.where(high - low <= 1, np.maximum(0, -low) - np.maximum(0, high - 1), 0.5 - (low + high) / 2)
    within: Array = places + shift
    return within


def _matrices(own: Subject, offsets: Array, scales: Array, shape: tuple[int, ...]) -> Array:
    """(F, 2, 3) in pixels: each frame's subject resized about its centre, then moved."""
    size = np.array([shape[2], shape[1]])
    centres = own.centres * size - 0.5  # pixels' middles are half a pixel from their corner
    shifts = centres + offsets * size - scales[:, None] * centres
    turned = scales[:, None, None] * np.eye(2)
    return np.concatenate([turned, shifts[..., None]], axis=2)


def _shares(difference: Array, around: Mask) -> Array:
    """The subject's share of each pixel (F, H, W): by how far that is from the ground, more than the ground
    itself is at other times; and where it looks like the ground for a little of its inside."""
    wavers = cv2.dilate(np.where(around, 0, difference).max(axis=0), np.ones((3, 3), np.uint8))
    plain = np.maximum(PLAIN, WAVERS * wavers)
    shares = np.clip((difference - wavers) / (plain - wavers), 0, 1) * around
    return np.stack([_whole(share) for share in shares])


def _whole(share: Array) -> Array:
    """The large pieces of a frame's share (H, W), with a rim and without small holes; specks of ground go."""
    plain = cv2.morphologyEx((share > 0.5).astype(np.uint8), cv2.MORPH_OPEN, CROSS)
    pieces = _pieces(plain)
    least = PIECE * max((piece.sum() for piece in pieces), default=0)
    mask = np.any([piece for piece in pieces if piece.sum() >= least] or [plain > 0], axis=0)
    holes = _pieces((filled(mask) & ~mask).astype(np.uint8))
    inside = np.any([mask, *(hole for hole in holes if hole.sum() < least)], axis=0).astype(np.uint8)
    whole: Array = np.maximum(share * cv2.dilate(inside, CROSS), cv2.erode(inside, CROSS)).astype(np.float32)
    return whole


def _pieces(mask: Frames) -> list[Mask]:
    """The connected parts of a mask (H, W)."""
    count, labels = cv2.connectedComponents(mask, connectivity=4)
    return [labels == label for label in range(1, count)]


def _difference(frames: Frames, ground: Frames) -> Array:
    """How far each pixel (F, H, W) is from the ground, in Lab."""
    first, *rest = (cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (ground, *frames))
    difference: Array = np.linalg.norm(np.stack(rest) - first, axis=-1)
    return difference


def _laid(frame: Frames, share: Array, move: Array, ground: Frames) -> Frames:
    """One frame's subject over the ground, elsewhere: all (H, W, 3), `share` (H, W)."""
    size = frame.shape[1], frame.shape[0]
    subject, covers = (cv2.warpAffine(one, move, size) for one in (frame * share[..., None], share))
    laid: Frames = (subject + ground * (1 - covers[..., None])).clip(0, 255).round().astype(np.uint8)
    return laid
