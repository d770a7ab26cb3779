"""What the camera did to the picture: exact projections, no tracking.

Points are (N, 3) in metres of Blender's world, screen places (N, 2) fractions of a square frame, x right, y
down. A camera is its world matrix (4, 4) and its lens in mm on a sensor 36 mm wide.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

SENSOR = 36.0
GRID = 24  # places along each side of the screen
FAR = 150.0  # metres: what lies farther away counts as sky
NEAR = 0.1  # metres before the camera at which points still count


def projected(points: Array, matrix: Array, lens: float) -> Array:
    """Where points are on the screen (N, 2)."""
    local = (np.c_[points, np.ones(len(points))] @ np.linalg.inv(matrix).T)[:, :3]
    depth = np.maximum(-local[:, 2:], NEAR)
    places: Array = 0.5 + local[:, :2] * (1, -1) / depth * lens / SENSOR
    return places


def picture_moves(plane: Array, cameras: list[tuple[Array, float]]) -> dict[str, list[float]]:
    """Pan, tilt, zoom and roll of the background since the first frame, as `media.motion.CameraPath` has.

    `plane` (3, 3): three points of the background. From frame to frame it is the similarity (least squares)
    nearest to where the camera takes what the frame shows of the plane; steps are put one after the other.
    """
    factor, shift = complex(1), complex(0)  # where a place of the first frame, seen from its middle, has gone
    turned, moves = 0.0, {"pan": [-0.0], "tilt": [-0.0], "zoom": [1.0], "roll": [0.0]}
    for before, after in pairwise(cameras):
        places, points = _looked_at(plane, *before)
        a, b = (p[:, 0] + 1j * p[:, 1] for p in (places - 0.5, projected(points, *after) - 0.5))
        step = ((b - b.mean()) * np.conj(a - a.mean())).sum() / (np.abs(a - a.mean()) ** 2).sum()
        factor, shift = step * factor, step * shift + b.mean() - step * a.mean()
        turned += float(np.degrees(np.angle(step)))
        for name, value in zip(moves, (-shift.real, -shift.imag, abs(factor), turned), strict=True):
            moves[name].append(float(value))
    return moves


def _looked_at(plane: Array, matrix: Array, lens: float) -> tuple[Array, Array]:
    """Places all over the screen (N, 2) where a camera sees the plane, and the points there (N, 3)."""
    across, down = np.meshgrid(*[(np.arange(GRID) + 0.5) / GRID] * 2)
    places = np.stack([across.ravel(), down.ravel()], axis=1)
    local = np.c_[(places - 0.5) * (1, -1) * SENSOR / lens, -np.ones(len(places))]
    rays, place = local @ matrix[:3, :3].T, matrix[:3, 3]
    normal = np.cross(plane[1] - plane[0], plane[2] - plane[0])
    away = ((plane[0] - place) @ normal) / (rays @ normal)
    seen = (away > NEAR) & (away < FAR)
    return places[seen], place + away[seen, None] * rays[seen]


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
