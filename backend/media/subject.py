"""The moving subject of a clip: where it is and how large, before the clip's own still background.

Only the clip is used. Where the camera moves, its frames are first laid over the first one, on a canvas that
holds them all; what a frame does not show of the canvas takes no part. What changes over time is then told
from what stays (each pixel's commonest colour). The colours of what passes by decide about the pixels that
the subject covers most of the time, or always, and the background is estimated again without the subject;
three rounds of this settle it. The subject is the convex hull of the strongest region, so that holes and a
faint side do not move its centre.

Shapes: F frames, H height, W width of the canvas; pictures (F, H, W, 3) in Lab, masks (F, H, W) bool.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.outline import filled, placed, strongest

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB
Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SIDE = 96  # working size of the longer side
ROUNDS = 3
BINS = 10  # of a colour histogram, per channel
VISIBLE = 6.0  # a difference in Lab that counts in a clip without noise
NOISE = 3.5  # … and in units of the clip's noise
SLACK = 0.7  # pixels by which the frames of a moving camera may lie beside each other
FRINGE = 3.0  # pixels along a frame's edge that are lost when it is laid over another and back
REACH = 1.0  # frames that the canvas reaches beyond the first one at most
EVIDENCE = 0.02  # mean over the frame of difference ÷ threshold in the region; noise alone stays below


@dataclass(frozen=True)
class Subject:
    """Where the subject is in each frame, in fractions of the frame's width and height."""

    centres: Array  # (F, 2), x right, y down; the frame's middle throughout when nothing moves
    sizes: Array  # (F,) root of the area's share of the frame; 0 when nothing moves
    moves: bool
    told: Mask  # (F,): where the frame shows enough of it to know; between them it is guessed


def subject_path(frames: Frames) -> Array:
    """Centres (F, 2) of the dominant moving subject as fractions of the frame (x right, y down)."""
    return find_subject(frames).centres


def find_subject(frames: Frames, moves: npt.NDArray[np.float64] | None = None) -> Subject:
    """The dominant region that moves before the background, where the frames show it.

    `moves` (F, 2, 3): where the first frame's background is in each frame, in pixels (`camera.followed`);
    without them the background stands still.
    """
    count, masks = len(frames), _masks_of(frames, moves)
    if masks is None:
        return _nothing(count)
    where = placed(masks, 2.0 if moves is None else FRINGE)
    if where is None:
        return _nothing(count)
    height, width = masks.shape[1:]
    return Subject(
        (where.centres / (width, height)).astype(np.float32),
        (where.sizes / np.sqrt(width * height)).astype(np.float32),
        True,
        where.told,
    )


def still_ground(frames: Frames) -> Frames:
    """What a still camera's subject goes before (H, W, 3): without it, wherever some frame shows that."""
    return still_layers(frames)[0]


def still_layers(frames: Frames) -> tuple[Frames, Mask]:
    """The ground of a still camera (H, W, 3), and where its subject and the soft rim of that may be in each
    frame (F, H, W): nowhere when nothing moves."""
    masks = _masks_of(frames, None)
    around: Mask = np.zeros(frames.shape[:3], bool)
    ground: Array = np.median(frames, axis=0).astype(np.float32)
    if masks is not None:
        height, width = frames.shape[1:3]
        rim = rim_of(height)
        sized = [cv2.resize(mask.astype(np.uint8), (width, height)) for mask in masks]
        around = np.stack([cv2.dilate(mask, rim) > 0 for mask in sized])
        known: Mask = ~np.logical_and.reduce(around, axis=0)[..., None]
        ground = np.where(known, _median_where(frames.astype(np.float32), ~around), ground)
    still: Frames = ground.round().astype(np.uint8)
    return still, around


def rim_of(height: int) -> npt.NDArray[np.uint8]:
    """What an outline's soft rim reaches around it, in frames of that height: a square of ones."""
    return np.ones((2 * (height // 32) + 1,) * 2, np.uint8)


def _masks_of(frames: Frames, moves: npt.NDArray[np.float64] | None) -> Mask | None:
    """Where the subject is in each frame, at the working size; None when nothing moves."""
    pictures, seen, ways = _laid_out(frames, moves)
    found = _masks(pictures, seen, 0.0 if moves is None else SLACK)
    return None if found is None else _in_frames(found, ways, _size(frames))


def _nothing(count: int) -> Subject:
    middle = np.full((count, 2), 0.5, np.float32)
    return Subject(middle, np.zeros(count, np.float32), False, np.zeros(count, bool))


def _size(frames: Frames) -> tuple[int, int]:
    """Width and height of a frame at the working size."""
    scale = SIDE / max(frames.shape[1:3])
    return max(8, round(frames.shape[2] * scale)), max(8, round(frames.shape[1] * scale))


def _laid_out(
    frames: Frames, moves: npt.NDArray[np.float64] | None
) -> tuple[Array, Mask, list[npt.NDArray[np.float64]]]:
    """Frames on one canvas, which of its pixels they show, and where the canvas is in each frame (2, 3)."""
    pictures = _prepared(frames)
    count, height, width = pictures.shape[:3]
    if moves is None:
        return pictures, np.ones((count, height, width), bool), [np.eye(2, 3)] * count
    scale = np.array([width / frames.shape[2], height / frames.shape[1]])
    reach = np.array([width, height])
    ways = []
    for move in moves:  # pixels' middles are half a pixel from their corner
        way = np.c_[move[:, :2], move[:, 2] * scale]
        way[:, 2] += way[:, :2] @ [0.5, 0.5] - 0.5
        ways.append(way)
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)
    places = np.concatenate([(corners - w[:, 2]) @ np.linalg.inv(w[:, :2]).T for w in ways])
    low = np.floor(np.maximum(places.min(axis=0), -REACH * reach)).astype(int)
    high = np.ceil(np.minimum(places.max(axis=0), (1 + REACH) * reach)).astype(int)
    ways = [np.c_[w[:, :2], w[:, 2] + w[:, :2] @ low] for w in ways]
    size = int(high[0] - low[0]), int(high[1] - low[1])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = [cv2.warpAffine(p, w, size, flags=flags) for p, w in zip(pictures, ways, strict=True)]
    whole = np.ones((height, width), np.float32)
    seen = [cv2.warpAffine(whole, w, size, flags=flags) > 0.999 for w in ways]
    return np.stack(laid), np.stack(seen), ways


def _in_frames(masks: Mask, ways: list[npt.NDArray[np.float64]], size: tuple[int, int]) -> Mask:
    """Masks of the canvas as the frames show them."""
    back = [cv2.warpAffine(m.astype(np.float32), w, size) for m, w in zip(masks, ways, strict=True)]
    return np.stack(back) > 0.5


def _prepared(frames: Frames) -> Array:
    size = _size(frames)
    method = cv2.INTER_AREA if size[0] < frames.shape[2] else cv2.INTER_LINEAR
    resized = [cv2.resize(f, size, interpolation=method).astype(np.float32) / 255 for f in frames]
    return np.stack([cv2.cvtColor(cv2.GaussianBlur(f, (0, 0), 1.0), cv2.COLOR_RGB2LAB) for f in resized])


def _masks(pictures: Array, seen: Mask, slack: float) -> Mask | None:
    """Where the subject is; None when nothing moves."""
    still = _commonest(pictures, seen)
    difference = _difference(pictures, still) * seen
    threshold = max(VISIBLE, NOISE * float(np.median(difference[seen]))) + slack * _slope(still)
    colours = _colours(pictures)
    masks: Mask = difference > threshold
    changing: Mask = np.logical_or.reduce(masks, axis=0)
    possible = filled(changing)
    often = seen.sum(axis=0)
    few = np.maximum(1, 0.4 * often)  # frames: what is seen in fewer passes by, the rest is behind it
    sure = masks & (masks.sum(axis=0) <= few)
    strength = np.zeros_like(difference)
    for turn in range(ROUNDS):
        samples = masks if turn else sure
        if samples.sum() < 10:
            return None
        subject_like = _likelihood(colours, samples, ~masks & seen)
        if turn:
            behind = ~masks & ((subject_like < 1) | (masks.sum(axis=0) <= few)) | ~possible
        else:
            behind = (subject_like < 0) | ~changing | ~possible
        behind &= seen
        known = behind.sum(axis=0) >= np.maximum(1, often // 8)
        covered = ((subject_like > 0) & seen).sum(axis=0) > 0.8 * often
        core = ~changing & possible & covered  # always covered
        known &= ~core
        difference = np.where(known, _difference(pictures, _median_where(pictures, behind)), 0) * seen
        differs = np.where(known, difference > threshold, subject_like > 0.5) & seen
        strength = np.clip(difference - threshold, 0, None) + threshold * np.clip(subject_like, 0, None)
        masks = strongest(differs, strength * differs) & seen
        changing = np.logical_or.reduce(masks, axis=0)
    excess = (difference / threshold * (differs & masks)).sum(axis=(1, 2)) / seen.sum(axis=(1, 2))
    return masks if np.median(excess) > EVIDENCE else None


def _slope(picture: Array) -> Array:
    """How much the colour of a picture (H, W, 3) changes from pixel to pixel (H, W)."""
    across, down = (cv2.Sobel(picture, cv2.CV_32F, *way, ksize=3, scale=1 / 8) for way in ((1, 0), (0, 1)))
    slope: Array = np.sqrt((across**2 + down**2).sum(axis=-1))
    return slope


def _difference(pictures: Array, background: Array) -> Array:
    distance: Array = np.linalg.norm(pictures - background, axis=-1).astype(np.float32)
    return distance


def _commonest(pictures: Array, seen: Mask) -> Array:
    """Each pixel's colour in the frame that the other frames agree with best: (H, W, 3)."""
    chosen = np.linspace(0, len(pictures) - 1, min(len(pictures), 16)).round().astype(int)
    some, shown = pictures[chosen], seen[chosen]
    apart = np.linalg.norm(some[:, None] - some[None], axis=-1).clip(max=12)  # (n, n, H, W)
    apart = np.where(shown[None], apart, 0).sum(axis=1) + np.where(shown, 0, np.float32(1e6))
    best = apart.argmin(axis=0)[None, :, :, None]
    commonest: Array = np.take_along_axis(some, best, axis=0)[0]
    return commonest


def _median_where(pictures: Array, shown: Mask) -> Array:
    """Median over the frames in which `shown`; 0 where there is none: (H, W, 3)."""
    count = shown.sum(axis=0)[None, :, :, None]
    order = np.sort(np.where(shown[..., None], pictures, np.inf), axis=0)
    low, high = (np.take_along_axis(order, np.maximum(n, 0) // 2, axis=0)[0] for n in (count - 1, count))
    return np.where(count[0] > 0, (low + high) / 2, 0).astype(np.float32)


def _colours(pictures: Array) -> list[npt.NDArray[np.int64]]:
    """Each pixel's bin in two histograms of colour, shifted by half a bin against each other."""
    unit = (pictures + np.array([0, 100, 100])) / np.array([100, 200, 200])
    weights = np.array([BINS * BINS, BINS, 1])
    return [(np.clip(unit + shift / BINS, 0, 0.9999) * BINS).astype(np.int64) @ weights for shift in (0, 0.5)]


def _likelihood(colours: list[npt.NDArray[np.int64]], subject: Mask, background: Mask) -> Array:
    """How much likelier each pixel's colour is in the subject than in the background (log), smoothed."""
    total = np.zeros(subject.shape)
    for bins in colours:
        shares = [
            np.bincount(bins[where], minlength=BINS**3) / max(where.sum(), 1)
            for where in (subject, background)
        ]
        total += np.log((shares[0] + 2e-4) / (shares[1] + 2e-4))[bins] / len(colours)
    return np.stack([cv2.GaussianBlur(t.astype(np.float32), (0, 0), 1.5) for t in total])
