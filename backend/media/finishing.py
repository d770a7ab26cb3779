"""Frames between frames, and larger ones: without a model.

A picture between two is made as Baker et al. do ("A Database and Evaluation Methodology for Optical Flow",
IJCV 2011, section 3.3.2): flow is carried along itself to the moment between, and each pixel is taken from
where it comes from and where it goes to. What flow there and back does not return to is seen in one of the
two only, and taken from that one. Flow is DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse
Search", 2016), as in `media/consistency.py`. What leaps further than that finds goes over the rest as a layer
of its own (`media/layers.py`).

Shapes: F frames, H height, W width; h×w the working size. A flow is (h, w, 2), x before y, in pixels.
"""

from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.flow import Array, dense_flow, places
from backend.media.layers import curved, leaping

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB
Picture = npt.NDArray[np.uint8]  # (H, W, 3)

SIDES = (128, 512)  # working size of the shorter side, at least and at most
RETURNS = 2.0  # pixels of the clip by which flow there and back may miss
SHARP = 0.1  # a level of 255: how much less a flow counts whose two ends differ by it
COVERED = 1e-4  # what a pixel that only the other picture shows still counts


def smoothed(frames: Frames, source: Fraction, target: Fraction, length: int | None) -> Frames:
    """`clips.resample` with the moments between frames made instead of held: same tempo, same count.

    What comes after the last frame nobody knows: it is held to the end of its time. A length that ends with
    it, as VMC's 29 frames at four times the rate of 8, keeps the tempo too, and holds nothing.
    """
    step = Fraction(source) / Fraction(target)
    if length and (length - 1) * step != len(frames) - 1:
        step = Fraction(len(frames), length)
    count = length or max(1, round(len(frames) / step))
    return interpolated(frames, [k * step for k in range(count)])


def interpolated(frames: Frames, moments: Sequence[Fraction]) -> Frames:
    """The clip at ascending `moments`, counted in its own frames: 1/2 is half way from first to second.

    At whole moments the frames themselves, to the last bit. VMC's 8 → 29 frames are the moments k/4.
    """
    made: list[Picture] = []
    pairs: dict[int, Pair] = {}

    def pair(i: int) -> Pair | None:
        if i not in pairs and 0 <= i < len(frames) - 1:
            pairs[i] = Pair(frames[i], frames[i + 1])
        return pairs.get(i)

    for moment in moments:
        i, part = divmod(min(moment, Fraction(len(frames) - 1)), 1)
        for passed in [k for k in pairs if k < i - 1]:
            del pairs[passed]
        between = pair(i) if part else None
        if between is None:
            made.append(frames[i])
            continue
        beside = [pair(k) for k in (i - 1, i + 1)] if between.layers else []
        made.append(between.at(float(part), *beside))
    return np.stack(made)


def larger(frames: Frames, factor: int) -> Frames:
    """(F, H, W, 3) → (F, factor·H, factor·W, 3), by Lanczos."""
    if factor == 1:
        return frames
    height, width = frames.shape[1:3]
    size = (factor * width, factor * height)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_LANCZOS4) for frame in frames])


class Pair:
    """Two neighbouring pictures, the flow of each to the other, and what leaps between them."""

    def __init__(self, before: Picture, after: Picture) -> None:
        self._pictures = before.astype(np.float32), after.astype(np.float32)
        height, width = before.shape[:2]
        shorter = min(height, width)
        self._scale = float(np.clip(shorter, *SIDES)) / shorter
        size = round(width * self._scale), round(height * self._scale)
        one, other = (_resized(picture, size) for picture in self._pictures)
        there, back = dense_flow(one, other), dense_flow(other, one)
        self.layers, there, back = leaping(one, other, there, back)
        self._hidden = [
            _hidden([layer.mask for layer in self.layers], one.shape[:2]),
            _hidden([layer.arrived for layer in self.layers], one.shape[:2]),
        ]
        returns = RETURNS * self._scale
        self._ways = (
            _Way(there, back, one, other, returns, *self._hidden),
            _Way(back, there, other, one, returns, *reversed(self._hidden)),
        )

    def at(self, part: float, before: "Pair | None" = None, after: "Pair | None" = None) -> Picture:
        """The picture at `part` (0 to 1) of the way; what leaps curves by the pairs `before` and `after`."""
        made = self._ground_at(part)
        others = [() if other is None else other.layers for other in (before, after)]
        for straight in self.layers:
            layer = curved(straight, *others)
            ends = [
                places(*made.shape[:2]) + self._enlarged(flow) / self._scale for flow in layer.sources(part)
            ]
            masks = self._enlarged(layer.mask), self._enlarged(layer.arrived)
            first, second = (_masked(mask, end) for mask, end in zip(masks, ends, strict=True))
            mask = np.where(_inside(ends[0]) > 0, first, second)[..., None]
            colours = [_taken(p, end, cv2.INTER_CUBIC) for p, end in zip(self._pictures, ends, strict=True)]
            seen = [
                weight * _inside(end)[..., None] + COVERED
                for weight, end in zip((1 - part, part), ends, strict=True)
            ]
            made += mask * ((seen[0] * colours[0] + seen[1] * colours[1]) / (seen[0] + seen[1]) - made)
        return np.asarray(made.round().clip(0, 255), np.uint8)

    def _enlarged(self, values: Array) -> Array:
        """From the working size to that of the pictures."""
        height, width = self._pictures[0].shape[:2]
        return _resized(values, (width, height))

    def _ground_at(self, part: float) -> Array:
        """Without what leaps."""
        height, width = self._pictures[0].shape[:2]
        flow = self._enlarged(self._flow_at(part)) / self._scale
        here = places(height, width)
        ends = here - part * flow, here + (1 - part) * flow
        colours = [_taken(p, end, cv2.INTER_CUBIC) for p, end in zip(self._pictures, ends, strict=True)]

        def at_ends(values: Sequence[Array]) -> list[Array]:
            enlarged = [self._enlarged(of_end) for of_end in values]
            return [_taken(of_end, end, cv2.INTER_LINEAR) for of_end, end in zip(enlarged, ends, strict=True)]

        # Whether what is here is seen in this end's picture and not in the other.
        only = at_ends([way.covered for way in self._ways])
        shown = [_inside(end) * (1 - over) for end, over in zip(ends, at_ends(self._hidden), strict=True)]
        before = (1 - part) * (COVERED + shown[0] * (1 - only[1]))
        after = part * (COVERED + shown[1] * (1 - only[0]))
        share = (after / (before + after))[..., None]
        return np.asarray((1 - share) * colours[0] + share * colours[1], np.float32)

    def _flow_at(self, part: float) -> Array:
        """(h, w, 2): where what is in each place at that moment goes from the first picture to the second."""
        there, back = self._ways
        total = there.carried(part, 1.0) + back.carried(1 - part, -1.0)
        count, flow = total[..., 0], total[..., 1:] / np.maximum(total[..., :1], 1e-12)
        reached = count > 1e-9
        if not reached.all():  # a hole takes the nearest flow
            _, label = cv2.distanceTransformWithLabels(
                (~reached).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
            )
            of_label = np.zeros(label.max() + 1, np.int64)
            of_label[label[reached]] = np.flatnonzero(reached)
            flow = flow.reshape(-1, 2)[of_label[label]]
        return np.asarray(flow, np.float32)


def _hidden(masks: Sequence[Array], shape: tuple[int, int]) -> Array:
    """(h, w): 1 where a layer lies over the rest, with its soft edge, else 0."""
    hidden = np.zeros(shape, np.float32)
    for mask in masks:
        hidden = np.maximum(hidden, mask > 0.01)
    edge = 2 * round(min(shape) / SIDES[0]) + 1
    return np.asarray(cv2.dilate(hidden, np.ones((edge, edge))), np.float32)


def _masked(mask: Array, where: Array) -> Array:
    """A mask's values at places (h, w, 2); beyond its edge nothing is covered."""
    x, y = np.moveaxis(where, 2, 0)
    return np.asarray(cv2.remap(mask, x, y, cv2.INTER_LINEAR, borderValue=0), np.float32)


class _Way:
    """Flow from one picture to another, and what of it is to be believed: nothing under layers."""

    def __init__(
        self,
        flow: Array,
        reverse: Array,
        one: Array,
        other: Array,
        returns: float,
        hidden: Array,
        hides: Array,
    ) -> None:
        self._flow = flow
        ends = places(*flow.shape[:2]) + flow
        missed = np.linalg.norm(flow + _taken(reverse, ends, cv2.INTER_LINEAR), axis=2)
        seen = (missed < returns) * _inside(ends) * (_taken(hides, ends, cv2.INTER_LINEAR) < 0.5)
        # (h, w): 1, or 0 where the other shows it; what is hidden here says nothing.
        self.covered: Array = np.where(hidden > 0, 0, 1 - seen).astype(np.float32)
        differs = np.abs(one - _taken(other, ends, cv2.INTER_LINEAR)).mean(axis=2)
        self._weight = np.exp(-SHARP * differs) * np.where((self.covered > 0) | (hidden > 0), COVERED, 1.0)

    def carried(self, part: float, sign: float) -> npt.NDArray[np.float64]:
        """(h, w, 3): weights, and `sign` times the flow by weight, as they arrive after `part` of the way."""
        height, width = self._flow.shape[:2]
        ends = places(height, width) + part * self._flow
        corner = np.floor(ends)
        share = ends - corner
        values = self._weight[..., None] * np.concatenate(
            [np.ones_like(self._weight)[..., None], sign * self._flow], axis=2
        )
        total = np.zeros((height * width, 3))
        for across, down in ((0, 0), (0, 1), (1, 0), (1, 1)):  # each flow falls upon four pixels
            x, y = (corner[..., 0] + across).astype(int), (corner[..., 1] + down).astype(int)
            falls = np.abs(1 - across - share[..., 0]) * np.abs(1 - down - share[..., 1])
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            where, what = (y * width + x)[inside], (falls[..., None] * values)[inside]
            total += np.stack([np.bincount(where, v, height * width) for v in what.T], axis=1)
        return total.reshape(height, width, 3)


def _inside(places: Array) -> Array:
    """(h, w) of (h, w, 2): 1 for a place in the picture, else 0."""
    limit = places.shape[1] - 1, places.shape[0] - 1
    return np.asarray(((places >= 0) & (places <= limit)).all(axis=2), np.float32)


def _taken(picture: Array, places: Array, method: int) -> Array:
    """The picture's values at places (h, w, 2); beyond its edge, those of the edge."""
    x, y = places[..., 0].astype(np.float32), places[..., 1].astype(np.float32)
    return np.asarray(cv2.remap(picture, x, y, method, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _resized(values: Array, size: tuple[int, int]) -> Array:
    shrinks = size[0] < values.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, size, interpolation=method), np.float32)
