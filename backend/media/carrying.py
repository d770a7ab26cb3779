"""A clip's subject, carried along the way of another clip's.

Where two motions of a subject act on one clip, small bases show one of the two (docs/log.md). Here, as where
a camera's and a subject's come together (`filming.py`), each makes a clip of its own. One of them is shown:
its subject is cut out of its still ground and laid over that again, moved and resized in each frame as the
other clips' subjects are, so that the ways add up. Layers, as in Wang and Adelson (Representing Moving Images
with Layers, 1994); nothing here is from the four papers of the methods.

A way is measured on the subject as a whole (`find_subject`): its place and, where it plainly grows or
shrinks, its size. How it turns or changes its shape is not carried over. What the edge of its own clip cuts
off of the subject stays cut off.

Shapes: F frames, H height, W width; clips (F, H, W, 3) uint8 RGB; places (…, 2) as fractions of the frame's
width and height, x right, y down.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.camera import camera_path
from backend.media.filming import STILL
from backend.media.motion import extents_of, movement
from backend.media.outline import filled
from backend.media.subject import Subject, find_subject, rim_of, still_layers

Frames = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LEAST = 0.04  # of the frame: a subject that goes and grows by less stands still, and tells no way
GROWS = 1.5  # times: a size that changes by less is what measuring and small bases add, and would pulse
HIDDEN = 0.03  # of the frame: what the subject always covers is guessed up to this, and more would show
OTHERS = 0.01  # of the frame: what differs there from the ground, but is not the subject, would be lost
OTHER = 25.0  # a difference in Lab that no ground's wavering is
HALF = 0.55  # of its size: how far a subject reaches from its centre, about (0.56 for a disc, 0.5 for a box)
CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
SHRUNK = 0.5  # of its size: a way with less room than that leaves the frame
FAINT = 4.0  # a difference from the ground, in Lab, up to which a pixel is ground …
PLAIN = 10.0  # … and from which on it is the subject; more where the ground wavers


@dataclass(frozen=True)
class Way:
    """How a subject goes: from the middle of its way (F, 2), and its size by its mean one (F,)."""

    offsets: Array
    scales: Array


def subject_way(frames: Frames) -> Way | None:
    """The way of a clip's subject before its background; None where none is told or it stands still."""
    found = movement(frames).before
    if not found.moves:
        return None
    middle = (found.centres.min(axis=0) + found.centres.max(axis=0)) / 2
    sizes = _evened(np.log(found.sizes))
    grows = np.ptp(sizes) > np.log(GROWS)
    if np.ptp(found.centres, axis=0).max() < LEAST and not grows:
        return None
    scales = np.exp(sizes - sizes.mean()) if grows else np.ones(len(sizes))
    return Way((found.centres - middle).astype(np.float64), scales.astype(np.float64))


def _evened(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Each of (F,) between itself and its neighbours."""
    before, after = np.r_[values[:1], values[:-1]], np.r_[values[1:], values[-1:]]
    evened: npt.NDArray[np.float32] = (before + 2 * values + after) / 4
    return evened


def carried(scene: Frames, ways: Sequence[Way]) -> Frames | None:
    """The scene with its subject's way and those of `ways` added up.

    None where the scene's camera moves, its subject cannot be told or is not alone, or so much of the ground
    is never seen that it would be missed. Each adds how it goes, not where: the sum is laid into the frame,
    and made smaller where it has no room.
    """
    if max(extents_of(camera_path(scene))) > STILL:
        return None
    own = find_subject(scene)
    if not own.moves:
        return None
    ground, around = still_layers(scene)
    hidden, difference = _hidden(around), _difference(scene, ground)
    if hidden.mean() > HIDDEN or _others(difference, around) > OTHERS:
        return None
    ground = cv2.inpaint(ground, hidden, 2, cv2.INPAINT_TELEA)
    shares = _shares(difference, around)
    offsets = np.sum([way.offsets for way in ways], axis=0)
    scales = np.prod([way.scales for way in ways], axis=0)
    offsets = _in_frame(own.centres + offsets, own.sizes * scales) - own.centres
    moves = _matrices(own, offsets, scales, scene.shape)
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


def _in_frame(places: Array, sizes: Array) -> Array:
    """A whole way (F, 2) inside the frame: smaller in all, to SHRUNK at most, if it does not fit into it, and
    shifted as little as may be."""
    reach = HALF * sizes[:, None]
    goes = np.ptp(places, axis=0).max()
    over = max(1.0, float(((places + reach).max(axis=0) - (places - reach).min(axis=0)).max()))
    middle = (places.min(axis=0) + places.max(axis=0)) / 2
    places = middle + (places - middle) * max(SHRUNK, 1 - (over - 1) / goes)
    low, high = (places - reach).min(axis=0), (places + reach).max(axis=0)
    fits = high - low <= 1
    shift = np.where(fits, np.maximum(0, -low) - np.maximum(0, high - 1), 0.5 - (low + high) / 2)
    within: Array = places + shift
    return within


def _matrices(own: Subject, offsets: Array, scales: Array, shape: tuple[int, ...]) -> Array:
    """(F, 2, 3) in pixels: each frame's subject resized about its centre, then moved."""
    size = np.array([shape[2], shape[1]])
    centres = own.centres * size - 0.5  # pixels' middles are half a pixel from their corner
    shifts = centres + offsets * size - scales[:, None] * centres
    turned = scales[:, None, None] * np.eye(2)
    return np.concatenate([turned, shifts[..., None]], axis=2)


def _shares(difference: Array, around: Mask) -> npt.NDArray[np.float32]:
    """The subject's share of each pixel (F, H, W): by how far that is from the ground, more than the ground
    itself is at other times; and all of its inside."""
    wavers = np.where(around, 0, difference).max(axis=0)
    wavers = cv2.dilate(wavers, np.ones((3, 3), np.uint8))
    faint, plain = np.maximum(FAINT, wavers), np.maximum(PLAIN, 1.5 * wavers)
    shares = np.clip((difference - faint) / (plain - faint), 0, 1) * around
    return np.stack([_whole(share) for share in shares]).astype(np.float32)


def _whole(share: Array) -> Array:
    """The largest piece of a frame's share (H, W), with its holes and a rim; specks of ground go."""
    plain = cv2.morphologyEx((share > 0.5).astype(np.uint8), cv2.MORPH_OPEN, CROSS)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(plain, connectivity=4)
    if count < 2:
        return np.zeros_like(share)
    largest = labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
    inside = filled(largest).astype(np.uint8)
    rim = cv2.dilate(inside, CROSS)
    whole: Array = np.maximum(share * rim, cv2.erode(inside, CROSS))
    return whole


def _difference(frames: Frames, ground: Frames) -> Array:
    """How far each pixel (F, H, W) is from the ground, in Lab."""
    first, *rest = (cv2.cvtColor(p.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for p in (ground, *frames))
    difference: Array = np.linalg.norm(np.stack(rest) - first, axis=-1)
    return difference


def _laid(frame: Frames, share: npt.NDArray[np.float32], move: Array, ground: Frames) -> Frames:
    """One frame's subject over the ground, elsewhere: all (H, W, 3), `share` (H, W)."""
    size = frame.shape[1], frame.shape[0]
    subject, covers = (cv2.warpAffine(one, move, size) for one in (frame * share[..., None], share))
    laid: Frames = (subject + ground * (1 - covers[..., None])).clip(0, 255).round().astype(np.uint8)
    return laid
