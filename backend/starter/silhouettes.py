"""Outlines of subjects: where they lie in a mask, how they turn, how alike two of them are.

Shapes: F frames, H×W masks in [0, 1], T×T silhouettes brought to common place and area.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_f

from .world.camera import rotated
from .world.motions import SPEEDS, SPIN

TEMPLATE = 24
"""Pixels across a silhouette that was brought to common place and area."""
RATES = torch.tensor(sorted({n / 10 for n in range(-6, 7)} | {SPIN * speed for speed in SPEEDS.values()}))
"""Turns a second that are tried: tenths, and those of the world's own spins."""


def centres_and_radii(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Centroids (F, 2) and radii (F,) of discs of the mask's area, as fractions of the frame."""
    size = mask.shape[-1]
    grid = (torch.arange(size) + 0.5) / size
    area = mask.sum((1, 2)).clamp(min=1e-3)
    x, y = (mask.sum(1) * grid).sum(1) / area, (mask.sum(2) * grid).sum(1) / area
    return torch.stack((x, y), dim=1), (area / torch.pi).sqrt() / size


def way(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Like `centres_and_radii`, but of several subjects that the frame cuts those that it leaves whole tell.

    What leaves the frame draws the middle of what is seen the other way: of two hearts one of which a pan
    takes out of sight, that of both stands still.
    """
    centres, radii = centres_and_radii(mask)
    pieces = [_pieces(frame) for frame in mask]
    if all(whole.all() for _, whole in pieces):
        return centres, radii
    seen = torch.cat((centres, radii.log().unsqueeze(1)), dim=1)  # (F, 3)
    steps = [_step(*pair) for pair in pairwise(pieces)]
    known = [step if step is not None else seen[i + 1] - seen[i] for i, step in enumerate(steps)]
    told = torch.stack((seen[0], *known)).cumsum(0)
    return told[:, :2], told[:, 2].exp()


def _pieces(frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The connected pieces of a mask (H, W): middles and logarithms of radii (N, 3), and which of them the
    frame does not cut (N,)."""
    number, labels, found, middles = cv2.connectedComponentsWithStats((frame > 0.5).byte().numpy())
    areas, size = found[:, cv2.CC_STAT_AREA], frame.shape[-1]
    large = [i for i in range(1, number) if areas[i] > 0.35 * areas[1:].max()]
    radii = np.log((areas[large] / np.pi) ** 0.5 / size)
    each = np.column_stack(((middles[large] + 0.5) / size, radii))
    edges = np.concatenate((labels[0], labels[-1], labels[:, 0], labels[:, -1]))
    return torch.from_numpy(each).float(), torch.tensor([i not in edges for i in large], dtype=torch.bool)


def _step(
    before: tuple[torch.Tensor, torch.Tensor], after: tuple[torch.Tensor, torch.Tensor]
) -> torch.Tensor | None:
    """How whole pieces go and grow from one frame to the next (3,); None where none is found again."""
    one, other = (pieces[whole] for pieces, whole in (before, after))
    if not len(one) or not len(other):
        return None
    far = torch.cdist(one[:, :2], other[:, :2])
    which = far.argmin(1)
    again = far[:, which].argmin(0) == torch.arange(len(one))  # each is the other's nearest
    changes = other[which] - one
    kept = again & (changes[:, 2].abs() < 0.3) & (far.amin(1) < one[:, 2].exp())
    return changes[kept].mean(0) if kept.any() else None


def silhouettes(mask: torch.Tensor) -> torch.Tensor:
    """The masks (F, H, W) brought to common place and area (F, T, T)."""
    centres, radii = centres_and_radii(mask)
    steps = (torch.arange(TEMPLATE) + 0.5) / TEMPLATE * 4 - 2
    spread = steps * radii.view(-1, 1)  # (F, T)
    x = (centres[:, 0:1] + spread).unsqueeze(1).expand(-1, TEMPLATE, -1)
    y = (centres[:, 1:2] + spread).unsqueeze(2).expand(-1, -1, TEMPLATE)
    where = torch.stack((x, y), dim=-1) * 2 - 1
    return nn_f.grid_sample(mask.unsqueeze(1), where, align_corners=False).squeeze(1)


def overlap_of(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Intersection over union of silhouettes (…, T, T)."""
    return torch.minimum(one, other).sum((-2, -1)) / torch.maximum(one, other).sum((-2, -1)).clamp(min=1e-6)


def turned(template: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """A silhouette (T, T) turned clockwise by angles (A,) → (A, T, T)."""
    steps = (torch.arange(TEMPLATE) + 0.5) / TEMPLATE * 2 - 1
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).expand(len(angles), -1, -1, -1)
    where = rotated(grid, -angles.view(-1, 1, 1).expand(grid.shape[:3]))
    return nn_f.grid_sample(
        template.expand(len(angles), 1, TEMPLATE, TEMPLATE), where, align_corners=False
    ).squeeze(1)


class Turning(NamedTuple):
    """Which of N silhouettes a clip's is as it turns, by how many turns a second (clockwise), how well they
    overlap, and how much better than the best of the N does at rest, however it is held."""

    which: int
    rate: float
    overlap: float
    gain: float


def turning(seen: torch.Tensor, ways: torch.Tensor, seconds: float) -> Turning:
    """What turns best as the silhouettes `seen` (F, T, T) do within so many seconds.

    `ways` (N, A, T, T) are N silhouettes turned by A even parts of a turn. Every rate is tried from every
    angle, all frames at once: from one frame to the next a ragged outline seems to turn this way and that.
    """
    frames, parts = len(seen), ways.shape[1]
    overlap = torch.stack([overlap_of(frame, ways) for frame in seen])  # (F, N, A)
    turns = RATES.view(-1, 1) * torch.linspace(0, seconds, frames)  # (R, F)
    angles = ((turns.unsqueeze(-1) * parts).round().long() + torch.arange(parts)) % parts  # (R, F, A)
    along = torch.stack([overlap[f][:, angles[:, f]] for f in range(frames)]).mean(0)  # (N, R, A)
    best = along.amax(2)
    which, rate = divmod(int(best.argmax()), len(RATES))
    most, at_rest = float(best.max()), float(best[:, RATES == 0].max())
    return Turning(which, float(RATES[rate]), most, most - at_rest)


def largest_of(mask: torch.Tensor) -> tuple[torch.Tensor, int]:
    """The mask (F, H, W) of the largest connected piece alone, and how many pieces there usually are."""
    alone, counts = torch.zeros_like(mask), []
    for index, frame in enumerate(mask):
        number, labels, found, _ = cv2.connectedComponentsWithStats((frame > 0.5).byte().numpy())
        if number < 2:
            continue
        areas = found[1:, cv2.CC_STAT_AREA]
        counts.append(int((areas > 0.35 * areas.max()).sum()))
        # One pixel around it, so that the soft edge stays.
        piece = cv2.dilate((labels == 1 + int(areas.argmax())).astype(np.uint8), np.ones((3, 3), np.uint8))
        alone[index] = frame * torch.from_numpy(piece)
    return alone, int(np.median(counts)) if counts else 0
