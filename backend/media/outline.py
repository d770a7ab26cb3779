"""Convex outlines in masks: a picture's strongest region, and where a subject is that the frame cuts off.

Shapes: F frames, masks (F, H, W) bool, places (…, 2) in pixels from the masks' corner, x right, y down.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]

ANGLES = np.linspace(0, 2 * np.pi, 64, endpoint=False)
WAYS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)  # (64, 2)
STEADY_SIZE = 0.05  # by what share a size is expected to depart from going on as it did
EDGE = 2.0  # pixels by which one part of an outline may be wrong; neighbouring directions are wrong together
LEAST = 0.35  # of the usual size: what is smaller is something else
SURE = 0.008  # of the frame: a centre less certain than this (one standard deviation) is not told
GUESSED = 6.0  # … and one that is this much less certain is not even guessed


@dataclass(frozen=True)
class Placed:
    """Centres (F, 2) in pixels, sizes (F,) as roots of areas in pixels, and in which frames they are told."""

    centres: Array
    sizes: Array
    told: Mask


@dataclass(frozen=True)
class _Outline:
    """A convex outline by its support: how far it reaches in each of WAYS, from the frame's corner."""

    reach: Array  # (64,)
    inside: Mask  # (64,): where the frame does not cut it off
    centre: Array  # (2,)
    size: float


def placed(masks: Mask, margin: float) -> Placed | None:
    """Where a convex subject is in each frame, also where the frame cuts it off; None when never shown.

    Of a subject partly out of the frame the outline that is inside is compared with that of the nearest
    frame that shows it whole: how far it reaches in a direction u is size · reach(u) + u · centre, which is
    linear (a convex body is its support function). What lies within `margin` pixels of the frame's edge may
    be cut off. Its size is held near to where it was going. What the visible part leaves open, or a subject
    never seen whole, is not told: there the place is a guess, and where nothing is shown it lies between its
    neighbours'.
    """
    outlines, wholes = _outlines(masks, margin)
    if not outlines:
        return None
    centres, sizes, told = np.zeros((len(masks), 2)), np.zeros(len(masks)), np.zeros(len(masks), bool)
    for number, outline in (wholes or outlines).items():
        centres[number], sizes[number], told[number] = outline.centre, outline.size, bool(wholes)
    limit = SURE * max(masks.shape[1:])
    for number, whole in _outward(outlines, wholes):
        expected = _expected(number, sizes, told)
        centre, size, uncertain = _completed(outlines[number], wholes[whole], expected)
        if uncertain < GUESSED * limit:
            centres[number], sizes[number], told[number] = centre, size, uncertain < limit
    known = sizes > 0
    return Placed(_between(centres, known), _between(sizes[:, None], known)[:, 0], told)


def _outlines(masks: Mask, margin: float) -> tuple[dict[int, _Outline], dict[int, _Outline]]:
    """The subject's outlines by frame, and those of them that are whole."""
    outlines = {n: _outline(mask, margin) for n, mask in enumerate(masks) if mask.any()}
    sizes = [outline.size for outline in outlines.values() if outline.inside.all()]
    if sizes:  # much smaller ones are not the subject but what is left where it has gone
        outlines = {n: o for n, o in outlines.items() if o.size > LEAST * np.median(sizes)}
    return outlines, {n: outline for n, outline in outlines.items() if outline.inside.all()}


def _outward(outlines: dict[int, _Outline], wholes: dict[int, _Outline]) -> list[tuple[int, int]]:
    """Frames that show a part, each with the nearest that shows all, from the nearest to the farthest."""
    cut = [number for number in outlines if number not in wholes] if wholes else []
    pairs = [(number, min(wholes, key=lambda whole: abs(whole - number))) for number in cut]
    return sorted(pairs, key=lambda pair: abs(pair[0] - pair[1]))


def _completed(outline: _Outline, model: _Outline, expected: float) -> tuple[Array, float, float]:
    """Centre, size and the centre's uncertainty (pixels) of an outline that is cut off, like `model`."""
    inside = outline.inside
    if inside.sum() < 2:
        return model.centre, expected, np.inf
    share, of_model = expected / model.size, model.reach - WAYS @ model.centre
    prior = [[1 / (STEADY_SIZE * share), 0, 0]]
    rows = np.concatenate([np.c_[of_model, WAYS][inside] / EDGE, prior])
    values = np.append(outline.reach[inside] / EDGE, 1 / STEADY_SIZE)
    spread = np.linalg.inv(rows.T @ rows)
    found = spread @ rows.T @ values
    return found[1:], found[0] * model.size, float(np.sqrt(np.linalg.eigvalsh(spread[1:, 1:])[-1]))


def _expected(number: int, sizes: Array, told: Mask) -> float:
    """The size that a frame's nearest told neighbours lead to."""
    near = sorted(np.flatnonzero(told), key=lambda n: abs(int(n) - number))[:2]
    logs = np.log(sizes[near])
    slope = (logs[0] - logs[1]) / (near[0] - near[1]) if len(near) > 1 else 0.0
    return float(np.exp(logs[0] + slope * (number - near[0])))


def _between(values: Array, known: Mask) -> Array:
    """Values (F, N) with the unknown ones interpolated."""
    places = np.flatnonzero(known)
    columns = [np.interp(np.arange(len(values)), places, column[places]) for column in values.T]
    return np.stack(columns, axis=1)


def _outline(mask: Mask, margin: float) -> _Outline:
    points = np.argwhere(mask)[:, ::-1] + 0.5
    corners = cv2.convexHull(points.astype(np.float32))[:, 0]
    reach = corners @ WAYS.T  # (N, 64)
    farthest = corners[reach.argmax(axis=0)]
    size = np.array(mask.shape[::-1])
    inside = ((farthest > margin) & (farthest < size - margin)).all(axis=1)
    return _Outline(reach.max(axis=0), inside, points.mean(axis=0), float(np.sqrt(len(points))))


def strongest(masks: Mask, strength: Array) -> Mask:
    """The convex hull of each frame's strongest region and of what lies close to it."""
    return np.stack([_hull(m, s) for m, s in zip(masks, strength, strict=True)])


def _hull(mask: Mask, strength: Array) -> Mask:
    clean = _opened(mask.astype(np.uint8))
    clean = cv2.morphologyEx(clean, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5)))
    count, labels = cv2.connectedComponents(clean)
    hull = np.zeros(mask.shape, np.uint8)
    if count > 1:
        mass = np.bincount(labels.ravel(), weights=(strength * clean).ravel(), minlength=count)
        mass[0] = -1  # what is no region
        main = labels == mass.argmax()
        close = np.unique(labels[cv2.dilate(main.astype(np.uint8), np.ones((13, 13), np.uint8)) > 0])
        parts = np.isin(labels, close[(close > 0) & (mass[close] > 0.05 * mass.max())]) | main
        cv2.fillConvexPoly(hull, cv2.convexHull(cv2.findNonZero(parts.astype(np.uint8))), 1)
    filled: Mask = hull.astype(bool)
    return filled


def _opened(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """What squares of two pixels fit into. OpenCV's own opening by an even square moves all by a pixel."""
    square = np.ones((2, 2), np.uint8)
    opened: npt.NDArray[np.uint8] = cv2.dilate(
        cv2.erode(mask, square, anchor=(1, 1), borderValue=0), square, anchor=(0, 0)
    )
    return opened


def filled(mask: Mask) -> Mask:
    """A mask (H, W) with its holes: what never changes inside it may be the subject's middle."""
    whole = np.zeros(mask.shape, np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(whole, outlines, -1, 1, cv2.FILLED)
    return whole.astype(bool)
