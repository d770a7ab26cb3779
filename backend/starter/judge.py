"""What a clip shows, measured against the world's own renders: no learned judge, no eyes.

The subject is what differs from the background's palette; its colour, silhouette, path and growth are
compared with those that the world would have drawn. Shapes: F frames of (3, H, W) in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as nn_f

from .world import BACKGROUNDS, COLOURS, MOTIONS_INSIDE, SUBJECTS, Shot, render

TEMPLATE = 24
"""Pixels across a silhouette that was brought to common place and area."""
PROTOTYPES = {
    "still": (0, 0, 0),
    "left": (-1, 0, 0),
    "right": (1, 0, 0),
    "up": (0, -1, 0),
    "down": (0, 1, 0),
    "toward": (0, 0, 1),
    "away": (0, 0, -1),
}
"""Slopes of x, y and log radius that a motion has, in units of those in the world's own shots."""
UNIT_SLOPES = (0.49, 0.49, 1.25)


@dataclass(frozen=True)
class Verdict:
    """What a clip was found to show; `centres` (F, 2) and `radii` (F,) of discs of equal area, in frames."""

    background: str
    colour: str
    subject: str
    motion: str
    centres: torch.Tensor
    radii: torch.Tensor


@cache
def _ground(name: str, size: int) -> torch.Tensor:
    """The bare background at 16 texture offsets (16, 3, size, size)."""
    shots = [
        Shot(subject="ball", colour="red", background=name, x=-2, y=-2, texture=i / 16) for i in range(16)
    ]
    return render(shots, size=size, frames=1).frames[:, 0]


@cache
def _palette(name: str) -> torch.Tensor:
    """The background's colours (N, 3), without near doubles."""
    pixels = _ground(name, 32).permute(0, 2, 3, 1).reshape(-1, 3)
    palette: torch.Tensor = torch.unique((pixels * 24).round() / 24, dim=0)
    return palette


def _statistics(pixels: torch.Tensor) -> torch.Tensor:
    """Mean and spread of the colours of pixels (N, 3) → (6,)."""
    return torch.cat((pixels.mean(0), pixels.std(0)))


@cache
def _ground_statistics() -> torch.Tensor:
    return torch.stack([_statistics(_ground(n, 64).permute(0, 2, 3, 1).reshape(-1, 3)) for n in BACKGROUNDS])


def background_of(frames: torch.Tensor) -> str:
    """The nearest background by the colours along the frame's edge."""
    edge = max(2, frames.shape[-1] // 12)
    border = torch.ones(frames.shape[-2:], dtype=torch.bool)
    border[edge:-edge, edge:-edge] = False
    found = _statistics(frames.permute(0, 2, 3, 1)[:, border].reshape(-1, 3))
    return BACKGROUNDS[int((_ground_statistics() - found).square().sum(1).argmin())]


def subject_mask(frames: torch.Tensor, background: str) -> torch.Tensor:
    """How much each pixel belongs to the subject (F, H, W), from its distance to the background's palette."""
    pixels = frames.permute(0, 2, 3, 1)
    distance = torch.cdist(pixels.reshape(-1, 3), _palette(background)).amin(1).view(pixels.shape[:3])
    smooth = nn_f.avg_pool2d(distance.unsqueeze(1), 3, stride=1, padding=1).squeeze(1)
    return ((torch.minimum(distance, 1.5 * smooth) - 0.12) / 0.06).clamp(0, 1)


def centres_and_radii(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Centroids (F, 2) and radii (F,) of discs of the mask's area, as fractions of the frame."""
    size = mask.shape[-1]
    grid = (torch.arange(size) + 0.5) / size
    area = mask.sum((1, 2)).clamp(min=1e-3)
    x, y = (mask.sum(1) * grid).sum(1) / area, (mask.sum(2) * grid).sum(1) / area
    return torch.stack((x, y), dim=1), (area / torch.pi).sqrt() / size


def _silhouettes(mask: torch.Tensor) -> torch.Tensor:
    """The masks (F, H, W) brought to common place and area (F, T, T)."""
    centres, radii = centres_and_radii(mask)
    steps = (torch.arange(TEMPLATE) + 0.5) / TEMPLATE * 4 - 2
    spread = steps * radii.view(-1, 1)  # (F, T)
    x = (centres[:, 0:1] + spread).unsqueeze(1).expand(-1, TEMPLATE, -1)
    y = (centres[:, 1:2] + spread).unsqueeze(2).expand(-1, -1, TEMPLATE)
    where = torch.stack((x, y), dim=-1) * 2 - 1
    return nn_f.grid_sample(mask.unsqueeze(1), where, align_corners=False).squeeze(1)


@cache
def _templates() -> torch.Tensor:
    """One silhouette of each subject (S, T, T)."""
    shots = [Shot(subject=s, colour="red", background="gray wall", size=0.22) for s in SUBJECTS]
    frames = render(shots, size=64, frames=1).frames[:, 0]
    return _silhouettes(subject_mask(frames, "gray wall"))


def subject_of(mask: torch.Tensor) -> str:
    """The subject whose silhouette overlaps best, over all frames."""
    seen, templates = _silhouettes(mask).unsqueeze(1), _templates()
    overlap = torch.minimum(seen, templates).sum((2, 3)) / torch.maximum(seen, templates).sum((2, 3))
    return SUBJECTS[int(overlap.mean(0).argmax())]


def colour_of(frames: torch.Tensor, mask: torch.Tensor) -> str:
    """The nearest colour to most of the subject's inner pixels."""
    inner = nn_f.avg_pool2d(mask.unsqueeze(1), 5, stride=1, padding=2).squeeze(1) > 0.95
    inner = inner if inner.sum() > 8 else mask > 0.5
    pixels = frames.permute(0, 2, 3, 1)[inner]
    if not len(pixels):
        return ""
    lit = 0.93 * torch.tensor(list(COLOURS.values()))
    votes = torch.cdist(pixels, lit).argmin(1).bincount(minlength=len(COLOURS))
    return tuple(COLOURS)[int(votes.argmax())]


def motion_of(centres: torch.Tensor, radii: torch.Tensor, seconds: float) -> str:
    """The nearest motion inside the vocabulary by the slopes of x, y and log radius."""
    t = torch.linspace(0, seconds, len(radii))
    t = t - t.mean()
    values = torch.cat((centres, radii.log().unsqueeze(1)), dim=1)  # (F, 3)
    slopes = (t.unsqueeze(1) * values).sum(0) / t.square().sum() / torch.tensor(UNIT_SLOPES)
    prototypes = torch.tensor([PROTOTYPES[m] for m in MOTIONS_INSIDE], dtype=slopes.dtype)
    return MOTIONS_INSIDE[int((prototypes - slopes).square().sum(1).argmin())]


def judge(frames: torch.Tensor, background: str, fps: float) -> Verdict:
    """Judge a clip (F, 3, H, W); the subject is sought before the `background` that was asked for."""
    mask = subject_mask(frames, background)
    centres, radii = centres_and_radii(mask)
    seconds = (len(frames) - 1) / fps
    return Verdict(
        background=background_of(frames),
        colour=colour_of(frames, mask),
        subject=subject_of(mask),
        motion=motion_of(centres, radii, seconds),
        centres=centres,
        radii=radii,
    )


def path_cosine(path: torch.Tensor, reference: torch.Tensor) -> float:
    """Cosine of two paths (F, 2), each about its own mean: 1 is the same motion, wherever it is."""
    a, b = path - path.mean(0), reference - reference.mean(0)
    return nn_f.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()
