"""Things with parts, made of plain shapes: an outline, and the parts of it that are darker.

Signed distances in units of the subject's radius, x right, y up, like `shapes.py`.
"""

from __future__ import annotations

import torch

from .shapes import Distance, ball, polygon, rectangle


def _any(*distances: torch.Tensor) -> torch.Tensor:
    return torch.stack(distances).amin(0)


def _ellipse(x: torch.Tensor, y: torch.Tensor, half_width: float, half_height: float) -> torch.Tensor:
    """Close to the distance near the edge, which is all that drawing needs."""
    return ball(x / half_width, y / half_height) * min(half_width, half_height)


def _arrow(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return _any(rectangle(x + 0.4, y, 0.75, 0.26), polygon(x, y, [(0.15, 0.85), (1.2, 0.0), (0.15, -0.85)]))


def _wheels(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ball(x.abs() - 0.6, y + 0.5) - (0.32 - 1)


def _car(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    cabin = polygon(x, y, [(-0.75, 0.1), (-0.45, 0.65), (0.35, 0.65), (0.75, 0.1)])
    return _any(rectangle(x, y + 0.15, 1.2, 0.32), cabin, _wheels(x, y))


def _car_parts(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return _any(rectangle(x + 0.05, y - 0.34, 0.34, 0.17), _wheels(x, y) + 0.05)


def _fish(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    tail = polygon(x, y, [(-0.45, 0.0), (-1.2, 0.62), (-1.0, 0.0), (-1.2, -0.62)])
    return _any(_ellipse(x - 0.25, y, 0.95, 0.58), tail)


def _fish_parts(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return ball(x - 0.7, y - 0.14) - (0.14 - 1)


def _bird(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    wing = polygon(
        x.abs(), y, [(-0.2, -0.25), (0.1, 0.25), (0.7, 0.75), (1.3, 0.55), (0.75, 0.3), (0.3, -0.3)]
    )
    return _any(_ellipse(x, y + 0.15, 0.3, 0.62), wing)


def _tree(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    crown = _any(ball(x, y - 0.45) - (0.72 - 1), ball(x.abs() - 0.42, y - 0.05) - (0.45 - 1))
    return _any(crown, rectangle(x, y + 0.7, 0.17, 0.5))


def _tree_parts(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return rectangle(x, y + 0.75, 0.17, 0.42)


def _house(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return _any(rectangle(x, y + 0.45, 0.72, 0.55), polygon(x, y, [(-1.1, 0.05), (0.0, 1.1), (1.1, 0.05)]))


def _house_parts(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return _any(rectangle(x - 0.28, y + 0.66, 0.17, 0.32), rectangle(x + 0.3, y + 0.4, 0.18, 0.18))


def _figure(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    legs = polygon(x.abs(), y, [(0.0, -0.25), (0.28, -0.25), (0.5, -1.15), (0.2, -1.15), (0.0, -0.55)])
    arms = polygon(
        x.abs(), y, [(0.0, 0.42), (0.3, 0.42), (0.78, -0.1), (0.6, -0.26), (0.25, 0.05), (0.0, 0.05)]
    )
    return _any(ball(x, y - 0.78) - (0.36 - 1), rectangle(x, y - 0.05, 0.27, 0.45), legs, arms)


def _figure_parts(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return polygon(x.abs(), y, [(0.0, -0.3), (0.22, -0.3), (0.42, -1.1), (0.26, -1.1), (0.0, -0.62)])


THINGS: dict[str, Distance] = {
    "arrow": _arrow,
    "car": _car,
    "fish": _fish,
    "bird": _bird,
    "tree": _tree,
    "house": _house,
    "figure": _figure,
}
PARTS: dict[str, Distance] = {
    "car": _car_parts,
    "fish": _fish_parts,
    "tree": _tree_parts,
    "house": _house_parts,
    "figure": _figure_parts,
}
"""Where a thing is darker than the rest of it."""
