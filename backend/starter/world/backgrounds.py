"""Backgrounds: functions of place that give colours, the same picture at any size.

Each takes x, y (B, H, W) as fractions of the frame (x right, y down) and the width `px` of a pixel, and gives
(B, 3, H, W). Where the pattern starts is already part of x and y. A background is one layer or two, each at
a depth of its own (the subjects stand at 1), so that a camera that moves shows parallax.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

Colour = tuple[float, float, float]
TAU = 2 * math.pi


def _mix(weight: torch.Tensor, zero: Colour, one: Colour) -> torch.Tensor:
    """Colours between `zero` and `one` by `weight` (B, H, W) → (B, 3, H, W)."""
    a, b = (torch.tensor(c, dtype=weight.dtype, device=weight.device).view(1, 3, 1, 1) for c in (zero, one))
    return a + (b - a) * weight.unsqueeze(1)


def _square(u: torch.Tensor, px: float) -> torch.Tensor:
    """A square wave of period 1 in [-1, 1], its edges one pixel (`px`, in units of u) soft."""
    triangle = 4 * ((u - 0.25) % 1.0 - 0.5).abs() - 1
    return (triangle / (4 * px)).clamp(-1, 1)


def _green_field(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    tufts = torch.sin(TAU * 5 * x) * torch.sin(TAU * 6 * y + 2 * torch.sin(TAU * x))
    return _mix(0.5 + 0.5 * tufts, (0.26, 0.52, 0.20), (0.42, 0.70, 0.30))


def _night_sky(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    stars = torch.zeros_like(x)
    for i in range(14):
        dx = (x - 0.618 * i + 0.5) % 1.0 - 0.5
        dy = (y - 0.382 * i - 0.13 * (i % 3) + 0.5) % 1.0 - 0.5
        stars = torch.maximum(stars, torch.exp(-(dx * dx + dy * dy) / 0.018**2))
    return _mix(stars, (0.05, 0.06, 0.22), (0.95, 0.95, 0.80))


def _checkered_floor(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    checks = _square(2 * x, 2 * px) * _square(2 * y, 2 * px)
    return _mix(0.5 + 0.5 * checks, (0.45, 0.45, 0.48), (0.84, 0.84, 0.86))


def _striped_wall(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    return _mix(0.5 + 0.5 * _square(4 * x, 4 * px), (0.80, 0.58, 0.36), (0.96, 0.88, 0.66))


def _brown_ground(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    return _mix(torch.zeros_like(x), (0.40, 0.26, 0.15), (0, 0, 0))


def _gray_wall(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    return _mix(torch.zeros_like(x), (0.58, 0.58, 0.60), (0, 0, 0))


def _blue_sea(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    waves = torch.sin(TAU * (5 * y + 0.12 * torch.sin(TAU * 2 * x)))
    return _mix(0.5 + 0.5 * waves, (0.08, 0.34, 0.60), (0.22, 0.56, 0.78))


def _brick_wall(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    row = torch.floor(5 * y)
    across, down = (3 * x + 0.5 * (row % 2)) % 1.0, (5 * y) % 1.0
    edge = torch.minimum(torch.minimum(across, 1 - across) / 3, torch.minimum(down, 1 - down) / 5)
    return _mix(((edge - 0.014) / px + 0.5).clamp(0, 1), (0.80, 0.74, 0.68), (0.62, 0.25, 0.19))


def _tiled_floor(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    across, down = (4 * x) % 1.0, (4 * y) % 1.0
    edge = torch.minimum(torch.minimum(across, 1 - across), torch.minimum(down, 1 - down)) / 4
    return _mix(((edge - 0.016) / px + 0.5).clamp(0, 1), (0.90, 0.93, 0.93), (0.20, 0.55, 0.52))


def _sunset_sky(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    return _mix(y.clamp(0, 1), (0.45, 0.25, 0.55), (0.98, 0.62, 0.35))


def _sky(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    return _mix(y.clamp(0, 1), (0.35, 0.60, 0.92), (0.70, 0.84, 0.97))


def _clouds(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    return _mix(torch.zeros_like(x), (0.96, 0.97, 0.99), (0, 0, 0))


def _cloud_cover(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    cover = torch.zeros_like(x)
    for across, down, size in ((0.1, 0.2, 1.0), (0.6, 0.45, 0.8), (0.25, 0.75, 0.9), (0.85, 0.9, 0.7)):
        for puff, lift, radius in ((-0.09, 0.0, 0.06), (0.0, -0.025, 0.085), (0.09, 0.0, 0.06)):
            dx = (x - across - puff * size + 0.5) % 1.0 - 0.5
            dy = (y - down - lift * size + 0.5) % 1.0 - 0.5
            cover = torch.maximum(cover, ((radius * size - torch.hypot(dx, dy)) / px + 0.5).clamp(0, 1))
    return cover


def _dusk(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    ridge = 0.42 + 0.07 * torch.sin(TAU * x) + 0.03 * torch.sin(TAU * 3 * x + 1)
    return _mix(((y - ridge) / px + 0.5).clamp(0, 1), (0.72, 0.84, 0.80), (0.36, 0.52, 0.42))


def _firs(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    return _mix(y.clamp(0, 1), (0.06, 0.26, 0.16), (0.12, 0.36, 0.20))


def _fir_cover(x: torch.Tensor, y: torch.Tensor, px: float) -> torch.Tensor:
    column = 5 * x
    across = ((column % 1.0) - 0.5).abs() / 5
    top = 0.45 + 0.12 * torch.sin(2.4 * torch.floor(column) % TAU)
    steps = (y - top).clamp(min=0)
    half_width = 0.025 + 0.22 * (steps % 0.14) + 0.08 * steps
    return torch.minimum(((half_width - across) / px + 0.5).clamp(0, 1), ((y - top) / px + 0.5).clamp(0, 1))


Painter = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


@dataclass(frozen=True)
class Layer:
    """One layer of a background; `cover` gives how much it hides (B, H, W), everything when None."""

    paint: Painter
    depth: float = 2.5
    cover: Painter | None = None


LAYERS: dict[str, tuple[Layer, ...]] = {
    "green field": (Layer(_green_field),),
    "night sky": (Layer(_night_sky, depth=8.0),),
    "checkered floor": (Layer(_checkered_floor),),
    "striped wall": (Layer(_striped_wall),),
    "brown ground": (Layer(_brown_ground),),
    "gray wall": (Layer(_gray_wall),),
    "blue sea": (Layer(_blue_sea),),
    "brick wall": (Layer(_brick_wall),),
    "tiled floor": (Layer(_tiled_floor),),
    "sunset sky": (Layer(_sunset_sky, depth=8.0),),
    "cloudy sky": (Layer(_sky, depth=8.0), Layer(_clouds, depth=3.0, cover=_cloud_cover)),
    "forest": (Layer(_dusk, depth=6.0), Layer(_firs, depth=2.0, cover=_fir_cover)),
}
"""From far to near."""
_HIDES: dict[str, frozenset[str]] = {
    "brown ground": frozenset({"pan", "tilt", "zoom"}),
    "gray wall": frozenset({"pan", "tilt", "zoom"}),
    "sunset sky": frozenset({"pan", "zoom"}),
    "blue sea": frozenset({"pan"}),
    "striped wall": frozenset({"tilt"}),
}
"""Camera moves that cannot be seen before a background."""


def shows(camera: str, background: str) -> bool:
    """Whether a camera's move is seen before a background; a dolly is, by how near things grow."""
    return "dolly" in camera or _HIDES.get(background, frozenset()).isdisjoint(camera.split())
