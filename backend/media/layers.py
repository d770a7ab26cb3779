"""What goes so far between two pictures that a dense search loses it: found, and moved as one piece.

A dense search starts from coarse pictures, in which a small subject drowns in the ground that it crosses. So
what the ground's own move leaves unexplained in both pictures is matched as a whole: each of its places asks
for every step that leads to its like (a vote, as in Hough's transform), and the step with the most votes is
one subject's. What goes along with it is a layer, which moves by a similarity and lies over the rest (Wang
and Adelson, "Representing Moving Images with Layers", 1994). What is explained is taken out, and the rest
votes again.

Shapes: h×w pixels of the pictures, (h, w, 3) float32 of 0 to 255; a flow is (h, w, 2), x before y, in pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

SMALL = 64  # pixels: the shorter side of what votes
REACH = 0.4  # of the shorter side: the longest step
MOST = 3  # layers between two pictures
ALIKE = 30.0  # levels of 255: what differs by more is not the same
DIFFERS = 20.0  # … and what the ground does not explain differs by more
EDGE = 5.0  # levels from pixel to pixel: even places look alike wherever they go, and do not vote
VOTES = 0.12  # of all that there could be: fewer are chance
VOTERS = 300  # at most
KNOWN = 0.5  # of the picture that the ground must explain: else it is not the ground
NEAR = 3  # pixels of what votes: a step that short the dense search finds
MATCHES = 14.0  # levels: what fits a layer's move differs by less
BETTER = 3.0  # levels, and
RATIO = 0.8  # of what the ground leaves unexplained: a layer's places leave less
MUCH = 0.7  # of what the dense flow leaves unexplained: a layer that leaves more is none
BOUNCES = -0.8  # cosine of a turn: a sharper one is no curve
SAME = 0.5  # of what either of two masks covers: both must, to be of one subject
ROUND = 18  # the shorter side holds so many of the dents that are closed
SMALLEST = 0.001  # of the picture: less is a speck


@dataclass(frozen=True)
class Layer:
    """`mask` (h, w), 0 to 1: where it is in the first picture; `move` (2, 3): from there to the second;
    `bends` (2, 2), in pixels: by how much its speed at either end differs from the straight way's."""

    mask: Array
    move: npt.NDArray[np.float64]
    bends: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 2)))

    @property
    def step(self) -> npt.NDArray[np.float64]:
        """(2,): how far its middle goes."""
        here = places(*self.mask.shape)
        middle = (self.mask[..., None] * here).sum(axis=(0, 1)) / self.mask.sum()
        return np.asarray(moved(middle, self.move) - middle, np.float64)

    def sources(self, part: float) -> tuple[Array, Array]:
        """Flows from each place at `part` (0 to 1) of the way to what is seen there: in the first picture,
        and in the second."""
        still = np.eye(2, 3)
        way = still + part * (self.move - still)
        way[:, 2] += part * (1 - part) * ((1 - part) * self.bends[0] - part * self.bends[1])
        here = places(*self.mask.shape)
        first = moved(here, cv2.invertAffineTransform(way))
        return first - here, moved(first, self.move) - here

    def arrived(self) -> Array:
        """(h, w): its mask in the second picture."""
        height, width = self.mask.shape
        return np.asarray(cv2.warpAffine(self.mask, self.move, (width, height)), np.float32)


def curved(layer: Layer, before: Sequence[Layer], after: Sequence[Layer]) -> Layer:
    """The layer on the curve through where it was one picture `before` and will be one `after` (Catmull and
    Rom, "A Class of Local Interpolating Splines", 1974); straight on where no layer there is the same, or it
    bounces off."""
    came = _same(layer.mask, before, [one.arrived() for one in before])
    goes = _same(layer.arrived(), after, [one.mask for one in after])
    return replace(layer, bends=np.stack([_bend(layer.step, one) for one in (came, goes)]))


def _bend(step: npt.NDArray[np.float64], other: Layer | None) -> npt.NDArray[np.float64]:
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


def places(height: int, width: int) -> Array:
    """(h, w, 2): each pixel's own place."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], axis=2)


def moved(where: Array, move: npt.NDArray[np.float64]) -> Array:
    """Places (..., 2) after a move (2, 3)."""
    return np.asarray(where @ move[:, :2].T + move[:, 2], np.float32)


def ground_flow(flow: Array) -> Array:
    """The one affine move that explains most of a flow, everywhere."""
    height, width = flow.shape[:2]
    here = places(height, width)
    some = np.s_[:: max(1, height // 32), :: max(1, width // 32)]
    start = here[some].reshape(-1, 2)
    move, _ = cv2.estimateAffine2D(start, start + flow[some].reshape(-1, 2), ransacReprojThreshold=1.0)
    return moved(here, np.eye(2, 3) if move is None else move) - here


def difference(one: Array, other: Array, flow: Array) -> Array:
    """(h, w): how much each pixel differs from what `flow` leads to, in levels; what leads out, by 255."""
    height, width = one.shape[:2]
    ends = places(height, width) + flow
    seen = cv2.remap(other, ends[..., 0], ends[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = ((ends >= -0.5) & (ends <= (width - 0.5, height - 0.5))).all(axis=2)
    return np.where(inside, np.abs(one - seen).mean(axis=2), 255).astype(np.float32)


def leaping(one: Array, other: Array, dense: Array, there: Array, back: Array) -> list[Layer]:
    """The layers between two pictures that `dense`, a flow from one to the other, does not follow; `there`
    and `back` are the ground's flows (`ground_flow`)."""
    left, right = _soft(difference(one, other, there)), _soft(difference(other, one, back))
    if (left > DIFFERS).mean() > 1 - KNOWN:
        return []
    followed = difference(one, other, dense)
    found = (_layer(one, other, step, left, right) for step in _steps(one, other, there, back))
    return [layer for layer in found if layer is not None and _leaps(layer, one, other, followed)]


def _leaps(layer: Layer, one: Array, other: Array, followed: Array) -> bool:
    """Whether a layer explains much more than the dense flow does, which differs by `followed`."""
    here = places(*followed.shape)
    own = difference(one, other, moved(here, layer.move) - here)
    return bool((layer.mask * own).sum() < MUCH * (layer.mask * followed).sum())


def _soft(values: Array) -> Array:
    return np.asarray(cv2.GaussianBlur(values.clip(max=60), (0, 0), 1.0), np.float32)


def _layer(one: Array, other: Array, step: Array, left: Array, right: Array) -> Layer | None:
    """What goes by about `step` (2,), explained by it and, in both pictures, not by the ground (`left` and
    `right`, differences); None where that is next to nothing."""
    height, width = left.shape
    here = places(height, width)
    move = np.eye(2, 3)
    move[:, 2] = step
    move = min((move, _refined(one, other, move, left)), key=lambda m: _unexplained(one, other, m, left))
    flow = moved(here, move) - here
    matched = _soft(difference(one, other, flow))
    x, y = np.moveaxis(here + flow, 2, 0)
    lands = cv2.remap(right, x, y, cv2.INTER_LINEAR, borderValue=255)
    own = matched + BETTER < RATIO * np.minimum(left, lands)
    mask = _without_specks(own)
    return Layer(mask, move) if mask.mean() > SMALLEST else None


def _refined(one: Array, other: Array, move: npt.NDArray[np.float64], left: Array) -> npt.NDArray[np.float64]:
    """The similarity that what goes by about `move` follows: dense flow from there on, where it matches."""
    height, width = left.shape
    near = cv2.warpAffine(
        other,
        move,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    flow = moved(places(height, width), move) - places(height, width) + dense_flow(one, near)
    matched = _soft(difference(one, other, flow))
    own = (matched < MATCHES) & (matched + BETTER < left)
    start = places(height, width)[own]
    if len(start) < 12:
        return move
    fitted, inliers = cv2.estimateAffinePartial2D(start, start + flow[own], ransacReprojThreshold=1.0)
    return move if fitted is None or inliers.mean() < 0.5 else fitted


def dense_flow(one: Array, other: Array) -> Array:
    """DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    greys = [cv2.cvtColor(picture.astype(np.uint8), cv2.COLOR_RGB2GRAY) for picture in (one, other)]
    return np.asarray(search.calc(greys[0], greys[1], None), np.float32)


def _unexplained(one: Array, other: Array, move: npt.NDArray[np.float64], left: Array) -> float:
    here = places(*left.shape)
    cost = difference(one, other, moved(here, move) - here).clip(max=60)
    return float(cost[left > DIFFERS].sum())


def _without_specks(own: Mask) -> Array:
    """Specks and dents gone, its edge softened. Dents are where a subject lies over itself in both pictures,
    so that the ground's move explains it too."""
    size = 2 * (min(own.shape) // (2 * ROUND)) + 1
    round_ = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    closed = cv2.morphologyEx(own.astype(np.uint8), cv2.MORPH_CLOSE, round_)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed)
    large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] > SMALLEST * own.size]
    return np.asarray(cv2.GaussianBlur(np.isin(labels, large).astype(np.float32), (0, 0), 0.7), np.float32)


def _steps(one: Array, other: Array, there: Array, back: Array) -> Iterator[Array]:
    """(2,) each, in pixels: the steps with the most votes, the strongest first."""
    scale = SMALL / min(one.shape[:2])
    size = round(one.shape[1] * scale), round(one.shape[0] * scale)
    small = [
        np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
        for values in (one, other, there * scale, back * scale)
    ]
    ballot = _Ballot(*small)
    for _ in range(MOST):
        step = ballot.elected()
        if step is None:
            return
        yield step / np.float32(scale)


class _Ballot:
    """What the ground's move leaves unexplained in two small pictures, and the steps that it votes for."""

    def __init__(self, one: Array, other: Array, there: Array, back: Array) -> None:
        self._reach = int(REACH * SMALL)
        margin = (self._reach, self._reach)
        self._beyond = np.pad(other, (margin, margin, (0, 0)), constant_values=1e4)
        self._lands = np.pad(_unexplained_by(other, one, back), self._reach)
        weights = _edges(one) * _unexplained_by(one, other, there)
        y, x = np.nonzero(weights)
        some = np.linspace(0, len(y) - 1, min(len(y), VOTERS)).round().astype(int)
        self._y, self._x = y[some], x[some]
        self._colours, self._weights = one[self._y, self._x], weights[self._y, self._x]
        self._ground = there[self._y, self._x]
        self._all = float(self._weights.sum())

    def elected(self) -> Array | None:
        """(2,) in pixels, x before y; what votes for it is then taken out. None when nothing has VOTES."""
        if not self._all:
            return None
        votes = self._votes()
        own = self._ground.mean(axis=0).round().astype(int) + self._reach
        votes[max(0, own[1] - NEAR + 1) : own[1] + NEAR, max(0, own[0] - NEAR + 1) : own[0] + NEAR] = 0
        down, across = np.unravel_index(votes.argmax(), votes.shape)
        if votes[down, across] <= VOTES * self._all:
            return None
        y, x = self._y + down, self._x + across
        hit = np.abs(self._colours - self._beyond[y, x]).mean(axis=1) < ALIKE
        height, width = self._lands.shape
        self._weights = np.where(
            _around((height, width), self._y[hit], self._x[hit])[self._y, self._x], 0, self._weights
        )
        self._lands &= ~_around((height, width), y[hit], x[hit])
        return np.array([across, down], np.float32) - self._reach

    def _votes(self) -> Array:
        """(2 reach + 1,) * 2, down before across: the weight of all that finds its like by that step."""
        span = np.arange(2 * self._reach + 1)
        channels = list(zip(self._colours.T, np.moveaxis(self._beyond, 2, 0), strict=True))
        rows = []
        for down in span:
            to = (self._y + down)[:, None], self._x[:, None] + span
            apart = sum(np.abs(own[:, None] - seen[to]) for own, seen in channels)
            alike = np.maximum(0, 1 - apart / (3 * ALIKE)) * self._lands[to]
            rows.append(self._weights @ alike)
        return np.asarray(cv2.GaussianBlur(np.stack(rows), (0, 0), 0.7), np.float32)


def _unexplained_by(one: Array, other: Array, flow: Array) -> Mask:
    differs = (difference(one, other, flow) > DIFFERS).astype(np.uint8)
    return np.asarray(cv2.dilate(differs, np.ones((3, 3))) > 0)


def _edges(picture: Array) -> Array:
    slopes = [np.abs(np.gradient(picture, axis=axis)).mean(axis=2) for axis in (0, 1)]
    edges = np.minimum(slopes[0] + slopes[1], 60)
    return np.where(edges > EDGE, edges, 0).astype(np.float32)


def _around(shape: tuple[int, int], y: Places, x: Places) -> Mask:
    """(h, w): these places and what is next to them."""
    marked = np.zeros(shape, np.uint8)
    marked[y, x] = 1
    return np.asarray(cv2.dilate(marked, np.ones((5, 5))) > 0)
