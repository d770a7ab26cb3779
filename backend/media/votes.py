"""The steps that things may have taken between two pictures, by vote.

Each place that nothing explains asks for every step that leads to its like, and the step with the most votes
is one thing's (as in Hough, US patent 3069654, 1962). What voted for it is taken out, and the rest votes
again.

Shapes: h×w pixels; pictures (h, w, 3) float32 of 0 to 255; a flow (h, w, 2), x before y, in pixels.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

SMALL = 64  # pixels: the shorter side of what votes
LONGEST = 25  # pixels of what votes, each way: no step is longer
MOST = 3  # layers between two pictures
ALIKE = 30.0  # levels of 255: what differs by more is not the same
DIFFERS = 20.0  # … and what is unexplained differs by more
EDGE = 5.0  # levels from pixel to pixel: even places look alike wherever they go, and do not vote
VOTES = 0.12  # of all that there could be: fewer are chance
VOTERS = 300  # at most
NEAR = 3  # pixels of what votes: a step that short the dense search finds


def likely_steps(one: Array, other: Array, left: Array, right: Array, ground: Array) -> Iterator[Array]:
    """(2,) each, in pixels: the steps with the most votes, the strongest first. `left` and `right` (h, w) are
    what is unexplained in either picture, `ground` the ground's flow."""
    scale = SMALL / min(one.shape[:2])
    size = round(one.shape[1] * scale), round(one.shape[0] * scale)
    small = [
        np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
        for values in (one, other, left, right, ground * scale)
    ]
    ballot = _Ballot(*small)
    for _ in range(MOST):
        step = ballot.elected()
        if step is None:
            return
        yield step / np.float32(scale)


class _Ballot:
    """What nothing explains in two small pictures, and the steps that it votes for."""

    def __init__(self, one: Array, other: Array, left: Array, right: Array, ground: Array) -> None:
        self._other, self._lands = other, _grown(right > DIFFERS)
        weights = _edges(one) * _grown(left > DIFFERS)
        y, x = np.nonzero(weights)
        some = np.linspace(0, len(y) - 1, min(len(y), VOTERS)).round().astype(int)
        self._y, self._x = y[some], x[some]
        self._colours, self._weights = one[self._y, self._x], weights[self._y, self._x]
        self._ground = ground[self._y, self._x]
        self._all = float(self._weights.sum())

    def elected(self) -> Array | None:
        """(2,) in pixels, x before y; what votes for it is then taken out. None when nothing has VOTES."""
        if not self._all:
            return None
        votes = self._votes()
        own = self._ground.mean(axis=0).round().astype(int) + LONGEST
        low, high = np.maximum(0, own - NEAR + 1), np.maximum(0, own + NEAR)
        votes[low[1] : high[1], low[0] : high[0]] = 0
        down, across = (int(i) - LONGEST for i in np.unravel_index(votes.argmax(), votes.shape))
        if votes.max() <= VOTES * self._all:
            return None
        self._take_out(down, across)
        return np.array([across, down], np.float32)

    def _take_out(self, down: int, across: int) -> None:
        """Who finds its like by that step, and where."""
        height, width = self._lands.shape
        y, x = self._y + down, self._x + across
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        like = self._other[y.clip(0, height - 1), x.clip(0, width - 1)]
        hit = inside & (np.abs(self._colours - like).mean(axis=1) < ALIKE)
        voted = _marked((height, width), self._y[hit], self._x[hit])[self._y, self._x]
        self._weights = np.where(voted, 0, self._weights)
        self._lands &= ~_marked((height, width), y[hit], x[hit])

    def _votes(self) -> Array:
        """(2 LONGEST + 1,) * 2, down before across: the weight of all that finds its like by that step."""
        y, x = np.nonzero(self._lands)
        side = 2 * LONGEST + 1
        pairs = zip(self._colours.T, self._other[y, x].T, strict=True)
        apart = sum(np.abs(own[:, None] - seen) for own, seen in pairs)
        weights = self._weights[:, None] * np.maximum(0, 1 - apart / (3 * ALIKE))
        down, across = y - self._y[:, None] + LONGEST, x - self._x[:, None] + LONGEST
        near = (down >= 0) & (down < side) & (across >= 0) & (across < side)
        votes = np.bincount((down * side + across)[near], weights[near], side**2).reshape(side, side)
        return np.asarray(cv2.GaussianBlur(votes.astype(np.float32), (0, 0), 0.7), np.float32)


def _edges(picture: Array) -> Array:
    slopes = [np.abs(np.gradient(picture, axis=axis)).mean(axis=2) for axis in (0, 1)]
    edges = np.minimum(slopes[0] + slopes[1], 60)
    return np.where(edges > EDGE, edges, 0).astype(np.float32)


def _marked(shape: tuple[int, ...], y: Places, x: Places) -> Mask:
    """(h, w): these places and what is next to them."""
    marked = np.zeros(shape, np.uint8)
    marked[y, x] = 1
    return np.asarray(cv2.dilate(marked, np.ones((5, 5))) > 0)


def _grown(mask: Mask) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) > 0)
