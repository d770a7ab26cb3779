"""Shots → pixels, batched on any device. B shots, F frames, H = W = size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .backgrounds import PAINTERS
from .motions import path
from .shots import COLOURS, Shot
from .subjects import SHAPES

OUTLINE = 0.16
"""Width of a subject's outline, in units of its radius."""


@dataclass(frozen=True)
class Rendered:
    """Frames (B, F, 3, H, W) in [0, 1] and the truth about their subjects.

    Masks (B, F, H, W) in [0, 1]; centres (B, F, 2) and scales (B, F), the radii, as fractions of the frame.
    """

    frames: torch.Tensor
    masks: torch.Tensor
    centres: torch.Tensor
    scales: torch.Tensor


def _groups(names: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        found.setdefault(name, []).append(index)
    return found


def _grounds(shots: Sequence[Shot], size: int, grid: torch.Tensor) -> torch.Tensor:
    """The backgrounds (B, 3, H, W); `grid` (H,) holds the pixels' middles."""
    grounds = torch.empty(len(shots), 3, size, size, device=grid.device)
    start = torch.tensor([s.texture for s in shots], device=grid.device)
    x = (grid + start.view(-1, 1, 1)).expand(-1, size, size)
    y = (grid.unsqueeze(-1) + (start * 7 % 1).view(-1, 1, 1)).expand(-1, size, size)
    for name, rows in _groups([s.background for s in shots]).items():
        grounds[rows] = PAINTERS[name](x[rows], y[rows], 1 / size)
    return grounds


def _distances(shots: Sequence[Shot], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    distances = torch.empty_like(x)
    for name, rows in _groups([s.subject for s in shots]).items():
        distances[rows] = SHAPES[name](x[rows], y[rows])
    return distances


def _paint(shots: Sequence[Shot], x: torch.Tensor, y: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Subjects' colours (B, F, 3, H, W): lit from the top left, outlined dark (black ones light)."""
    colour = torch.tensor([COLOURS[s.colour] for s in shots], device=x.device).view(-1, 1, 3, 1, 1)
    rim = torch.where(colour.amax(2, keepdim=True) < 0.1, 0.5 * torch.ones_like(colour), 0.25 * colour)
    light = (0.88 + 0.12 * (y - x).clamp(-1, 1)).unsqueeze(2)
    return torch.where(distance.unsqueeze(2) > -OUTLINE, rim, colour * light)


def render(
    shots: Sequence[Shot], *, size: int, frames: int, fps: float = 8.0, device: torch.device | str = "cpu"
) -> Rendered:
    """Render `frames` frames of each shot at `fps`, `size` pixels wide and high.

    Subjects are signed distance functions with antialiased edges: another size or rate gives the same
    picture, sampled otherwise.
    """
    times = torch.arange(frames) / fps
    paths = [path(shot, times) for shot in shots]
    centres = torch.stack([c for c, _ in paths]).to(device)
    radii = torch.stack([r for _, r in paths]).to(device)
    grid = (torch.arange(size, device=device) + 0.5) / size
    radius = radii.view(*radii.shape, 1, 1)
    x = ((grid - centres[..., 0:1]).unsqueeze(-2) / radius).expand(-1, -1, size, size)
    y = ((centres[..., 1:2] - grid).unsqueeze(-1) / radius).expand(-1, -1, size, size)
    distance = _distances(shots, x, y)
    cover = (0.5 - distance * radius * size).clamp(0, 1)
    ground = _grounds(shots, size, grid).unsqueeze(1)
    pictures = ground + cover.unsqueeze(2) * (_paint(shots, x, y, distance) - ground)
    return Rendered(pictures.clamp(0, 1), cover, centres, radii)
