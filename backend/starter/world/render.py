"""Shots → pixels and their truth, batched on any device. B shots, F frames, H = W = size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from .backgrounds import LAYERS
from .camera import CameraPath, camera_path, looked_at, magnification, rotated, seen_at
from .motions import path
from .shapes import SHAPES
from .shots import Shot
from .things import PARTS, THINGS
from .vocabulary import COLOURS

OUTLINE = 0.16
"""Width of a subject's outline, in units of its radius."""
PLACES = {
    1: ((0.0, 0.0),),
    2: ((-1.7, 0.0), (1.7, 0.0)),
    3: ((-1.65, 1.0), (1.65, 1.0), (0.0, -1.65)),
}
"""Where each of several subjects stands, in radii from the middle of all: a cell of the latents apart or more
for nearly all. Nearer ones melt together in what the starter makes."""
TOLERANCE = 1 / 255
"""By how much a pixel may differ from device to device, which round otherwise."""


@dataclass(frozen=True)
class Rendered:
    """Frames (B, F, 3, H, W) in [0, 1] and the truth about their subjects and cameras.

    Masks (B, F, H, W) in [0, 1]. As seen on the screen: centres (B, F, 2), the middle of all subjects; `each`
    shot's own subjects (F, N, 2); scales (B, F), the radii, all as fractions of the frame; angles (B, F) in
    radians clockwise. Besides, the cameras' paths.
    """

    frames: torch.Tensor
    masks: torch.Tensor
    centres: torch.Tensor
    each: tuple[torch.Tensor, ...]
    scales: torch.Tensor
    angles: torch.Tensor
    cameras: tuple[CameraPath, ...]


def _groups(names: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        found.setdefault(name, []).append(index)
    return found


def _ground(shot: Shot, camera: CameraPath, screen: torch.Tensor) -> torch.Tensor:
    """One shot's background (F, 3, H, W), F = 1 under a locked camera; `screen` (H, W, 2) in frames."""
    if shot.camera == "locked":
        camera = CameraPath(*(values[:1] for values in camera))
    below = torch.zeros(1, 3, 1, 1, device=screen.device)
    px = 1 / len(screen)
    for layer in LAYERS[shot.background]:
        where = looked_at(camera, screen.expand(len(camera.zoom), *screen.shape), layer.depth)
        x, y = where[..., 0] + shot.texture, where[..., 1] + shot.texture * 7 % 1
        cover = torch.ones_like(x) if layer.cover is None else layer.cover(x, y, px)
        below = below + cover.unsqueeze(1) * (layer.paint(x, y, px) - below)
    return below


def _grounds(shots: Sequence[Shot], cameras: Sequence[CameraPath], screen: torch.Tensor) -> torch.Tensor:
    """The backgrounds (B, F, 3, H, W)."""
    frames, size = len(cameras[0].zoom), len(screen)
    drawn = [_ground(s, c, screen) for s, c in zip(shots, cameras, strict=True)]
    return torch.stack([d.expand(frames, 3, size, size) for d in drawn])


def _distances(
    functions: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]],
    shots: Sequence[Shot],
    x: torch.Tensor,
    y: torch.Tensor,
) -> torch.Tensor:
    """Signed distances of the shots' subjects at x, y (B, F, H, W); where there is no function, far away."""
    distances = torch.full_like(x, 9.0)
    for name, rows in _groups([s.subject for s in shots]).items():
        if name in functions:
            distances[rows] = functions[name](x[rows], y[rows])
    return distances


def _paint(shots: Sequence[Shot], x: torch.Tensor, y: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """Subjects' colours (B, F, 3, H, W): lit from the top left, outlined dark (black ones light)."""
    colour = torch.tensor([COLOURS[s.colour] for s in shots], device=x.device).view(-1, 1, 3, 1, 1)
    rim = torch.where(colour.amax(2, keepdim=True) < 0.1, 0.5 * torch.ones_like(colour), 0.25 * colour)
    light = (0.88 + 0.12 * (y - x).clamp(-1, 1)).unsqueeze(2)
    parts = (_distances(PARTS, shots, x, y) < 0).unsqueeze(2)
    dark = parts | (distance.unsqueeze(2) > -OUTLINE)
    return torch.where(dark, rim, colour * light)


def _own(
    grid: torch.Tensor, centres: torch.Tensor, radii: torch.Tensor, angles: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The screen in subjects' units (B, F, H, W), x right, y up, from centres, radii and angles (B, F)."""
    radius, angle = radii[..., None, None], angles[..., None, None]
    across = (grid - centres[..., 0:1]).unsqueeze(-2) / radius
    up = (centres[..., 1:2] - grid).unsqueeze(-1) / radius
    cos, sin = angle.cos(), angle.sin()
    return cos * across - sin * up, sin * across + cos * up


def _truth(
    shots: Sequence[Shot], cameras: Sequence[CameraPath], times: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Centres (B, F, 2), radii (B, F) and angles (B, F) as seen through the cameras."""
    ways = [path(shot, times) for shot in shots]
    seen = [seen_at(c, w.centres) for c, w in zip(cameras, ways, strict=True)]
    radii = [magnification(c) * w.radii for c, w in zip(cameras, ways, strict=True)]
    angles = [c.roll + w.angles for c, w in zip(cameras, ways, strict=True)]
    return torch.stack(seen), torch.stack(radii), torch.stack(angles)


def _stands(shot: Shot, camera: CameraPath, centres: torch.Tensor, radii: torch.Tensor) -> torch.Tensor:
    """Each subject's own centre (F, N, 2) around the middle of all (F, 2)."""
    places = torch.tensor(PLACES[shot.count], device=radii.device) * radii.view(-1, 1, 1)
    return centres.unsqueeze(1) + rotated(places, camera.roll.unsqueeze(1).expand(places.shape[:2]))


def render(
    shots: Sequence[Shot], *, size: int, frames: int, fps: float = 8.0, device: torch.device | str = "cpu"
) -> Rendered:
    """Render `frames` frames of each shot at `fps`, `size` pixels wide and high.

    Subjects are signed distance functions with antialiased edges: another size or rate gives the same
    picture, sampled otherwise. Paths are computed on the CPU, so that truth is the same on every device;
    pictures differ by less than `TOLERANCE`.
    """
    times = torch.arange(frames) / fps
    on_cpu = [camera_path(shot, times) for shot in shots]
    centres, radii, angles = (values.to(device) for values in _truth(shots, on_cpu, times))
    cameras = [CameraPath(*(values.to(device) for values in camera)) for camera in on_cpu]
    each = tuple(_stands(*of_one) for of_one in zip(shots, cameras, centres, radii, strict=True))
    grid = (torch.arange(size, device=device) + 0.5) / size
    screen = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), dim=-1)
    pictures = _grounds(shots, cameras, screen)
    masks = torch.zeros(len(shots), frames, size, size, device=device)
    for number in range(max(s.count for s in shots)):
        rows = [i for i, s in enumerate(shots) if s.count > number]
        some = [shots[i] for i in rows]
        stands = torch.stack([each[i][:, number] for i in rows])
        x, y = _own(grid, stands, radii[rows], angles[rows])
        distance = _distances(SHAPES | THINGS, some, x, y)
        cover = (0.5 - distance * radii[rows][..., None, None] * size).clamp(0, 1)
        pictures[rows] += cover.unsqueeze(2) * (_paint(some, x, y, distance) - pictures[rows])
        masks[rows] = torch.maximum(masks[rows], cover)
    return Rendered(pictures.clamp(0, 1), masks, centres, each, radii, angles, tuple(cameras))
