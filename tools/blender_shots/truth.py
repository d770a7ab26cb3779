"""What the camera did to the picture: exact projections, no tracking.

Points are (N, 3) in metres of Blender's world, screen places (N, 2) fractions of a square frame, x right, y
down. A camera is its world matrix (4, 4) and its lens in mm on a sensor 36 mm wide.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SENSOR = 36.0
NEAR = 0.1  # metres before the camera at which points still count


def projected(points: Array, matrix: Array, lens: float) -> Array:
    """Where points are on the screen (N, 2)."""
    local = (np.c_[points, np.ones(len(points))] @ np.linalg.inv(matrix).T)[:, :3]
    depth = np.maximum(-local[:, 2:], NEAR)
    return 0.5 + local[:, :2] * (1, -1) / depth * lens / SENSOR


def picture_moves(points: Array, cameras: list[tuple[Array, float]]) -> dict[str, list[float]]:
    """The similarity (least squares) that takes the first frame's background to each frame's.

    `points` are of the background; those that the first frame shows decide, wherever they go.
    """
    first = projected(points, *cameras[0])
    seen = ((first > 0) & (first < 1)).all(axis=1)
    start = first[seen] - 0.5
    moves: dict[str, list[float]] = {"pan": [], "tilt": [], "zoom": [], "roll": []}
    for camera in cameras:
        end = projected(points[seen], *camera) - 0.5
        a, b = start - start.mean(axis=0), end - end.mean(axis=0)
        turned = (a * b).sum() + 1j * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()
        factor = turned / (a * a).sum()
        middle = complex(*start.mean(axis=0))
        shift = complex(*end.mean(axis=0)) - factor * middle  # where the first frame's middle has gone
        moves["pan"].append(-shift.real)
        moves["tilt"].append(-shift.imag)
        moves["zoom"].append(abs(factor))
        moves["roll"].append(float(np.degrees(np.angle(factor))))
    moves["roll"] = np.degrees(np.unwrap(np.radians(moves["roll"]))).tolist()
    return moves


def outline_facts(places: Array) -> tuple[list[float], float]:
    """Centre (x, y) and root of the area of the convex outline around screen places (N, 2)."""
    hull = _hull(places)
    ahead = np.roll(hull, -1, axis=0)
    cross = hull[:, 0] * ahead[:, 1] - hull[:, 1] * ahead[:, 0]
    area = cross.sum() / 2
    centre = ((hull + ahead) * cross[:, None]).sum(axis=0) / (6 * area)
    return centre.tolist(), float(np.sqrt(abs(area)))


def _hull(places: Array) -> Array:
    """The corners of the convex outline in order (Andrew's monotone chain)."""
    ordered: list[Any] = sorted({(float(x), float(y)) for x, y in places})
    sides = []
    for points in (ordered, ordered[::-1]):
        side: list[Any] = []
        for x, y in points:
            while len(side) > 1 and _left(side[-2], side[-1], (x, y)) <= 0:
                side.pop()
            side.append((x, y))
        sides += side[:-1]
    return np.array(sides)


def _left(a: Any, b: Any, c: Any) -> float:
    """Above 0 where c lies to the left of the way from a to b."""
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
