"""What goes so far between two pictures that a dense search loses it: found, and moved as one piece.

A dense search starts from coarse pictures, in which a small subject drowns in the ground that it crosses. So
what neither it nor the ground's own move explains votes for the step that it takes (`media/votes.py`). What
goes along with a step is a layer, which moves by a similarity and lies over the rest (Wang and Adelson,
"Representing Moving Images with Layers", 1994).

Shapes: h×w pixels of the pictures, (h, w, 3) float32 of 0 to 255; a flow is (h, w, 2), x before y, in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.flow import Array, Move, dense_flow, moved, places
from backend.media.votes import DIFFERS, likely_steps

Mask = npt.NDArray[np.bool_]
Vector = npt.NDArray[np.float64]  # (2,)

CLIP = 60.0  # levels: by how much more does not count
KNOWN = 0.5  # of the picture that the ground must explain: else it is not the ground
MATCHES = 14.0  # levels: what fits a layer's move differs by less
BETTER = 3.0  # levels, and
RATIO = 0.8  # of what the ground leaves unexplained: a layer's places leave less
MUCH = 0.4  # of what neither ground nor dense flow explains: a layer that leaves more is none
LITTLE = 1.0  # levels: a dense flow that explains by less more than the ground's move is no better
DRAGS = 16  # the shorter side holds so often the way on which a layer drags a dense search along
GROWS = (0.7, 1.4)  # times, from picture to picture: what grows by more is another thing
BOUNCES = -0.8  # cosine of a turn: a sharper one is no curve
SAME = 0.5  # of what either of two masks covers: both must, to be of one subject
ROUND = 18  # the shorter side holds so many of the dents that are closed
SMALLEST = 0.001  # of the picture: less is a speck


@dataclass(frozen=True)
class Layer:
    """`mask` and `arrived` (h, w), 0 to 1: where it is in the first picture and in the second; `move` (2, 3):
    from the one to the other; `bends` (2, 2), in pixels: by how much its speed at either end differs from the
    straight way's."""

    mask: Array
    arrived: Array
    move: Move
    bends: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2)))

    @cached_property
    def middle(self) -> Vector:
        here = places(*self.mask.shape)
        return np.asarray((self.mask[..., None] * here).sum(axis=(0, 1)) / self.mask.sum(), np.float64)

    @property
    def step(self) -> Vector:
        """How far its middle goes."""
        return np.asarray(moved(self.middle, self.move) - self.middle, np.float64)

    def sources(self, part: float) -> tuple[Array, Array]:
        """Flows from each place at `part` (0 to 1) of the way to what is seen there: in the first picture,
        and in the second. It turns and grows evenly about its middle."""
        turned = complex(self.move[0, 0], self.move[1, 0]) ** part
        way = np.array([[turned.real, -turned.imag, 0], [turned.imag, turned.real, 0]])
        bend = part * (1 - part) * ((1 - part) * self.bends[0] - part * self.bends[1])
        way[:, 2] = self.middle + part * self.step + bend - way[:, :2] @ self.middle
        here = places(*self.mask.shape)
        first = moved(here, cv2.invertAffineTransform(way))
        return first - here, moved(first, self.move) - here


def curved(layer: Layer, before: Sequence[Layer], after: Sequence[Layer]) -> Layer:
    """The layer on the curve through where it was one picture `before` and will be one `after` (Catmull and
    Rom, "A Class of Local Interpolating Splines", 1974); straight on where no layer there is the same, or it
    bounces off."""
    came = _same(layer.mask, before, [one.arrived for one in before])
    goes = _same(layer.arrived, after, [one.mask for one in after])
    return replace(layer, bends=np.stack([_bend(layer.step, one) for one in (came, goes)]))


def _bend(step: Vector, other: Layer | None) -> Vector:
    """Of a layer that goes by `step`, towards what it does in the `other` pair."""
    if other is None or other.step @ step < BOUNCES * np.linalg.norm(other.step) * np.linalg.norm(step):
        return np.zeros(2)
    return np.asarray((other.step - step) / 2)


def _same(mask: Array, layers: Sequence[Layer], masks: Sequence[Array]) -> Layer | None:
    """The one that covers the same places."""
    for layer, its in zip(layers, masks, strict=True):
        if np.minimum(mask, its).sum() > SAME * np.maximum(mask, its).sum():
            return layer
    return None


def ground_move(flow: Array) -> Move:
    """(2, 3): the one affine move that explains most of a flow; none at all where that would fold it up."""
    height, width = flow.shape[:2]
    some = np.s_[:: max(1, height // 32), :: max(1, width // 32)]
    start = places(height, width)[some].reshape(-1, 2)
    near = _unit(height, width)
    move, _ = cv2.estimateAffine2D(start, start + flow[some].reshape(-1, 2), ransacReprojThreshold=near)
    folds = move is None or not 0.2 < np.linalg.det(move[:, :2]) < 5
    return np.eye(2, 3) if folds else np.asarray(move, np.float64)


def _unit(height: int, width: int) -> float:
    """How many pixels are as much as one is of the smallest pictures that are worked on, of 128."""
    return min(height, width) / 128


def difference(one: Array, other: Array, flow: Array) -> Array:
    """(h, w): how much each pixel differs from what `flow` leads to, in levels; what leads out, by 255."""
    height, width = one.shape[:2]
    ends = places(height, width) + flow
    seen = cv2.remap(other, ends[..., 0], ends[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = ((ends >= -0.5) & (ends <= (width - 0.5, height - 0.5))).all(axis=2)
    return np.where(inside, np.abs(one - seen).mean(axis=2), 255).astype(np.float32)


class Leaps(NamedTuple):
    """The layers between two pictures, and the flows there and back of what lies under them."""

    layers: list[Layer]
    there: Array
    back: Array


def leaping(one: Array, other: Array, there: Array, back: Array) -> Leaps:
    """What the dense flows `there` and `back` do not follow. They stay as they are but near a layer, which
    drags a dense search along: there the ground's own move counts, wherever the flow explains no more."""
    here = places(*there.shape[:2])
    move = ground_move(there)
    ground = moved(here, move) - here, moved(here, cv2.invertAffineTransform(move)) - here
    by_ground = _soft(difference(one, other, ground[0])), _soft(difference(other, one, ground[1]))
    if (by_ground[0] > DIFFERS).mean() > 1 - KNOWN:
        return Leaps([], there, back)
    dense = _soft(difference(one, other, there)), _soft(difference(other, one, back))
    nothing = [np.minimum(*ways) for ways in zip(by_ground, dense, strict=True)]  # explains that
    found: list[Layer] = []
    left, right = by_ground
    for step in likely_steps(one, other, nothing[0], nothing[1], ground[0]):
        layer = _layer(one, other, step, left, right)
        if layer is not None and _leaps(layer, one, other, nothing[0]):
            found.append(layer)
            left, right = left * (layer.mask < 0.5), right * (layer.arrived < 0.5)
    if not found:
        return Leaps([], there, back)
    near = _around(found, one.shape[:2])
    flows = [
        np.where((near & (plain <= way + LITTLE))[..., None], ground_flow, flow)
        for plain, way, ground_flow, flow in zip(by_ground, dense, ground, (there, back), strict=True)
    ]
    return Leaps(found, *flows)


def _around(layers: Sequence[Layer], shape: tuple[int, int]) -> Mask:
    """(h, w): where a dense search feels a layer, in either picture."""
    reach = 2 * (min(shape) // DRAGS) + 1
    covered = np.maximum.reduce([np.maximum(layer.mask, layer.arrived) for layer in layers])
    return np.asarray(cv2.dilate((covered > 0).astype(np.uint8), np.ones((reach, reach))) > 0)


def _leaps(layer: Layer, one: Array, other: Array, unexplained: Array) -> bool:
    """Whether a layer leaves next to nothing of what neither ground nor dense flow explains."""
    here = places(*unexplained.shape)
    own = difference(one, other, moved(here, layer.move) - here).clip(max=CLIP)
    return bool((layer.mask * own).sum() < MUCH * (layer.mask * unexplained).sum())


def _soft(values: Array) -> Array:
    return np.asarray(cv2.GaussianBlur(values.clip(max=CLIP), (0, 0), _unit(*values.shape)), np.float32)


def _layer(one: Array, other: Array, step: Array, left: Array, right: Array) -> Layer | None:
    """What goes by about `step` (2,), explained by it and, in both pictures, not by the ground (`left` and
    `right`, differences); None where that is next to nothing."""
    here = places(*left.shape)
    move = np.eye(2, 3)
    move[:, 2] = step
    move = min((move, _refined(one, other, move, left)), key=lambda m: _unexplained(one, other, m, left))
    flow = moved(here, move) - here
    matched = _soft(difference(one, other, flow))
    x, y = np.moveaxis(here + flow, 2, 0)
    lands = np.minimum(left, cv2.remap(right, x, y, cv2.INTER_LINEAR, borderValue=CLIP))
    mask = _whole(matched + BETTER < RATIO * lands, matched < lands + BETTER)
    return Layer(mask, _arrived(mask, move, right), move) if mask.mean() > SMALLEST else None


def _arrived(mask: Array, move: Move, right: Array) -> Array:
    """(h, w): where a layer is in the second picture, with what the first one's frame cut off and nothing
    else explains."""
    height, width = mask.shape
    came = np.asarray(cv2.warpAffine(mask, move, (width, height)), np.float32)
    whole = cv2.warpAffine(np.ones_like(mask), move, (width, height))
    new = ((whole < 1) & (right > DIFFERS)).astype(np.uint8)
    _, labels = cv2.connectedComponents(new | (came > 0.5).astype(np.uint8))
    touching = np.isin(labels, np.unique(labels[came > 0.5])) & (new > 0)
    return np.asarray(np.maximum(came, touching), np.float32)


def _refined(one: Array, other: Array, move: Move, left: Array) -> Move:
    """The similarity that what goes by about `move` follows: dense flow from there on, where it matches."""
    height, width = left.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    near = cv2.warpAffine(other, move, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    here = places(height, width)
    flow = moved(here, move) - here + dense_flow(one, near)
    matched = _soft(difference(one, other, flow))
    own = (matched < MATCHES) & (matched + BETTER < left)
    start = here[own]
    if len(start) < 12:
        return move
    threshold = _unit(height, width)
    fitted, inliers = cv2.estimateAffinePartial2D(start, start + flow[own], ransacReprojThreshold=threshold)
    if fitted is None or inliers.mean() < 0.5 or not GROWS[0] < np.hypot(*fitted[:, 0]) < GROWS[1]:
        return move
    return np.asarray(fitted, np.float64)


def _unexplained(one: Array, other: Array, move: Move, left: Array) -> float:
    here = places(*left.shape)
    cost = difference(one, other, moved(here, move) - here).clip(max=CLIP)
    return float(cost[left > DIFFERS].sum())


def _whole(own: Mask, possible: Mask) -> Array:
    """Its specks gone and its dents closed where that is `possible`, with a soft edge. Dents are where a
    subject lies over itself in both pictures, so that the ground's move explains it too."""
    size = 2 * (min(own.shape) // (2 * ROUND)) + 1
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(own.astype(np.uint8), cv2.MORPH_CLOSE, around) * (own | possible)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed.astype(np.uint8))
    large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] > SMALLEST * own.size]
    mask = np.isin(labels, large).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.7 * _unit(*own.shape)), np.float32)
