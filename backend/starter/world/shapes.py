"""Plain shapes as signed distance functions: negative inside, in units of the subject's radius.

Each takes points x, y (any shape; x right, y up) and returns distances of that shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Points x, y → distances."""


def ball(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.hypot(x, y) - 1


def rectangle(x: torch.Tensor, y: torch.Tensor, half_width: float, half_height: float) -> torch.Tensor:
    dx, dy = x.abs() - half_width, y.abs() - half_height
    return torch.hypot(dx.clamp(min=0), dy.clamp(min=0)) + torch.maximum(dx, dy).clamp(max=0)


def _box(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return rectangle(x, y, 0.86, 0.86)


def _ring(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (torch.hypot(x, y) - 0.7).abs() - 0.36


def _cross(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.minimum(rectangle(x, y, 1.05, 0.36), rectangle(x, y, 0.36, 1.05))


def polygon(x: torch.Tensor, y: torch.Tensor, corners: list[tuple[float, float]]) -> torch.Tensor:
    """Distance to a closed polygon: nearest edge, signed by counting crossings."""
    distance = torch.full_like(x, math.inf)
    inside = torch.zeros_like(x, dtype=torch.bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        ex, ey, px, py = bx - ax, by - ay, x - ax, y - ay
        along = ((px * ex + py * ey) / (ex * ex + ey * ey)).clamp(0, 1)
        distance = torch.minimum(distance, torch.hypot(px - along * ex, py - along * ey))
        if ey != 0:
            inside ^= ((y >= ay) != (y >= by)) & (px < py * ex / ey)
    return torch.where(inside, -distance, distance)


def _corners(turns: list[float], radii: list[float]) -> list[tuple[float, float]]:
    """Points at angles measured in turns from straight up."""
    return [
        (r * math.sin(2 * math.pi * t), r * math.cos(2 * math.pi * t))
        for t, r in zip(turns, radii, strict=True)
    ]


def _star(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return polygon(x, y, _corners([i / 10 for i in range(10)], [1.2, 0.52] * 5))


def _triangle(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return polygon(x, y + 0.15, _corners([0, 1 / 3, 2 / 3], [1.25] * 3))


def _heart(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x, y = x.abs(), y
    lobe = torch.hypot(x - 0.5, y - 0.35) - 0.58
    return torch.minimum(lobe, polygon(x, y, [(0, 0.65), (0.5, 0.65), (0.96, 0.0), (0, -1.1), (-0.3, 0)]))


def _moon(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.maximum(torch.hypot(x, y) - 1.1, 0.8 - torch.hypot(x - 0.7, y - 0.2))


SHAPES: dict[str, Distance] = {
    "ball": ball,
    "box": _box,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "triangle": _triangle,
    "heart": _heart,
    "moon": _moon,
}
