"""What a clip shows, measured against the world's own renders: no learned judge, no eyes.

The subject is what differs from the background's palette; its colour, silhouette, number, path, growth and
turn are compared with those that the world would have drawn, and the background with how the world would have
shown it under each camera move. Shapes: F frames of (3, H, W) in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import torch
import torch.nn.functional as nn_f

from .world import BACKGROUNDS, CAMERAS_INSIDE, COLOURS, FULL, Shot, Vocabulary, camera_path, render, shows
from .world.camera import CameraPath, looked_at, magnification, rotated

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
    "spin": (0, 0, 0),
}
"""Slopes of x, y and log radius that a motion has, in units of those in the world's own shots."""
UNIT_SLOPES = (0.49, 0.49, 1.25)
MOVES, SPINS = 0.3, 0.1
"""From which slope, and how many turns a second, a subject counts as moving: half of "slowly" and a bit."""
DARK = 0.5
"""Grey of a black subject's outline: it counts as black."""
AMOUNTS = (0.5, 0.85, 1.15, 1.5)
"""How much of a camera move is tried."""


@dataclass(frozen=True)
class Verdict:
    """What a clip was found to show; on the screen `centres` (F, 2), `radii` (F,) of discs of equal area."""

    background: str
    colour: str
    subject: str
    count: int
    motion: str
    camera: str
    centres: torch.Tensor
    radii: torch.Tensor


@cache
def _camera_ground(
    background: str, camera: str, amount: float, size: int, frames: int, fps: float
) -> torch.Tensor:
    """The bare background (F, 3, H, W) as a camera move shows it."""
    shot = Shot(
        subject="ball", colour="red", background=background, camera=camera, camera_amount=amount, x=-9, y=-9
    )
    return render([shot], size=size, frames=frames, fps=fps).frames[0]


@cache
def _ground(name: str, size: int) -> torch.Tensor:
    """The bare background (24, 3, size, size) where the world's cameras look."""
    return torch.cat(
        [_camera_ground(name, move, 1.0, size, 8, 8.0) for move in ("pan left", "tilt up", "zoom out")]
    )


@cache
def _palette(name: str, size: int) -> torch.Tensor:
    """The background's colours (N, 3), without near doubles."""
    pixels = _ground(name, size).permute(0, 2, 3, 1).reshape(-1, 3)
    palette: torch.Tensor = torch.unique((pixels * 24).round() / 24, dim=0)
    return palette


def _border_statistics(frames: torch.Tensor) -> torch.Tensor:
    """Mean and spread of the colours along the frames' edges → (6,)."""
    edge = max(2, frames.shape[-1] // 12)
    border = torch.ones(frames.shape[-2:], dtype=torch.bool)
    border[edge:-edge, edge:-edge] = False
    pixels = frames.permute(0, 2, 3, 1)[:, border].reshape(-1, 3)
    return torch.cat((pixels.mean(0), pixels.std(0)))


@cache
def _ground_statistics(backgrounds: tuple[str, ...]) -> torch.Tensor:
    return torch.stack([_border_statistics(_ground(name, 64)) for name in backgrounds])


def background_of(frames: torch.Tensor, backgrounds: tuple[str, ...] = BACKGROUNDS) -> str:
    """The nearest of the backgrounds by the colours along the frame's edge."""
    errors = (_ground_statistics(backgrounds) - _border_statistics(frames)).square().sum(1)
    return backgrounds[int(errors.argmin())]


def subject_mask(frames: torch.Tensor, background: str) -> torch.Tensor:
    """How much each pixel belongs to the subject (F, H, W), from its distance to the background's palette."""
    pixels = frames.permute(0, 2, 3, 1)
    distance = (
        torch.cdist(pixels.reshape(-1, 3), _palette(background, frames.shape[-1]))
        .amin(1)
        .view(pixels.shape[:3])
    )
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


def _upright(size: int = 64) -> dict[str, torch.Tensor]:
    """One silhouette (T, T) of each subject of the world."""
    shots = [Shot(subject=s, colour="red", background="gray wall", size=0.22) for s in FULL.subjects]
    frames = render(shots, size=size, frames=1).frames[:, 0]
    return dict(zip(FULL.subjects, _silhouettes(subject_mask(frames, "gray wall")), strict=True))


@cache
def _templates(subjects: tuple[str, ...]) -> torch.Tensor:
    upright = _upright()
    return torch.stack([upright[s] for s in subjects])


def _overlap(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Intersection over union of silhouettes (…, T, T)."""
    return torch.minimum(one, other).sum((-2, -1)) / torch.maximum(one, other).sum((-2, -1)).clamp(min=1e-6)


def subject_of(mask: torch.Tensor, subjects: tuple[str, ...], *, turned: bool) -> str:
    """The subject whose silhouette overlaps best over all frames, upright or however it is `turned`."""
    angles = torch.linspace(-torch.pi, torch.pi, 25)[1:] if turned else torch.zeros(1)
    templates = torch.stack([_turned(t, angles) for t in _templates(subjects)])  # (S, A, T, T)
    seen = _silhouettes(mask)
    overlap = torch.stack([_overlap(frame, templates).amax(1) for frame in seen])  # (F, S)
    return subjects[int(overlap.mean(0).argmax())]


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


def colour_of(frames: torch.Tensor, mask: torch.Tensor) -> str:
    """The nearest colour to most of the subject's inner pixels; black only if hardly any have another one."""
    inner = nn_f.avg_pool2d(mask.unsqueeze(1), 5, stride=1, padding=2).squeeze(1) > 0.95
    inner = inner if inner.sum() > 8 else mask > 0.5
    pixels = frames.permute(0, 2, 3, 1)[inner]
    if not len(pixels):
        return ""
    names = (*COLOURS, "black")
    lit = torch.cat((0.93 * torch.tensor(list(COLOURS.values())), torch.full((1, 3), DARK)))
    votes = torch.cdist(pixels, lit).argmin(1).bincount(minlength=len(names)) / len(pixels)
    for index, name in enumerate(names):
        if name == "black":  # outlines and parts are dark whatever the colour
            votes[index] *= 0.3
    return names[int(votes.argmax())]


def _turned(template: torch.Tensor, angles: torch.Tensor) -> torch.Tensor:
    """A silhouette (T, T) turned clockwise by angles (A,) → (A, T, T)."""
    steps = (torch.arange(TEMPLATE) + 0.5) / TEMPLATE * 2 - 1
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).expand(len(angles), -1, -1, -1)
    where = rotated(grid, -angles.view(-1, 1, 1).expand(grid.shape[:3]))
    return nn_f.grid_sample(
        template.expand(len(angles), 1, TEMPLATE, TEMPLATE), where, align_corners=False
    ).squeeze(1)


def turns_of(mask: torch.Tensor, seconds: float) -> float:
    """Turns a second, clockwise, of the subject in the mask (F, H, W): each frame against the one before."""
    silhouettes, angles = _silhouettes(mask), torch.linspace(-0.6, 0.6, 25)
    steps = [
        float(angles[int(_overlap(_turned(before, angles), after).argmax())])
        for before, after in pairwise(silhouettes)
    ]
    return float(np.sum(steps)) / (2 * np.pi * seconds)


def camera_of(frames: torch.Tensor, mask: torch.Tensor, background: str, fps: float) -> tuple[str, float]:
    """The camera move, and how much of it, under which the world's background looks most like the clip's.

    A plain background gives no evidence: moves that cannot be seen on it are never found.
    """
    free = (mask < 0.1).unsqueeze(1)
    moves = [m for m in CAMERAS_INSIDE if m != "locked" and shows(m, background)]
    tries = [("locked", 1.0), *((move, amount) for move in moves for amount in AMOUNTS)]
    size = frames.shape[-1], len(frames), fps
    errors = [float(((_camera_ground(background, *t, *size) - frames).abs() * free).sum()) for t in tries]
    return tries[int(np.argmin(errors))]


def motion_of(centres: torch.Tensor, radii: torch.Tensor, seconds: float, motions: tuple[str, ...]) -> str:
    """Which of the motions the slopes of x, y (F, 2) and of log radius (F,) point along."""
    t = torch.linspace(0, seconds, len(radii))
    t = t - t.mean()
    values = torch.cat((centres, radii.log().unsqueeze(1)), dim=1)  # (F, 3)
    slopes = (t.unsqueeze(1) * values).sum(0) / t.square().sum() / torch.tensor(UNIT_SLOPES)
    if slopes.norm() < MOVES:
        return "still"
    asked = [m for m in motions if any(PROTOTYPES[m])]
    along = torch.tensor([PROTOTYPES[m] for m in asked], dtype=slopes.dtype) @ slopes
    return asked[int(along.argmax())]


def _in_the_scene(
    camera: CameraPath, centres: torch.Tensor, radii: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres (F, 2) and radii (F,) freed of what the camera did."""
    return looked_at(camera, centres, 1.0), radii / magnification(camera)


def judge(frames: torch.Tensor, background: str, fps: float, vocabulary: Vocabulary = FULL) -> Verdict:
    """Judge a clip (F, 3, H, W) by what `vocabulary` can say.

    The subject is sought before the `background` that was asked for, and so is the camera's move.
    """
    mask = subject_mask(frames, background)
    centres, radii = centres_and_radii(mask)
    alone, count = largest_of(mask)
    seconds, camera, amount = (len(frames) - 1) / fps, "locked", 1.0
    if len(vocabulary.cameras) > 1 and len(frames) > 1:
        camera, amount = camera_of(frames, mask, background, fps)
    moved = Shot(subject="ball", colour="red", background=background, camera=camera, camera_amount=amount)
    path = camera_path(moved, torch.arange(len(frames)) / fps)
    motion = motion_of(*_in_the_scene(path, centres, radii), seconds, vocabulary.motions)
    if motion == "still" and "spin" in vocabulary.motions and abs(turns_of(alone, seconds)) > SPINS:
        motion = "spin"
    return Verdict(
        background=background_of(frames, vocabulary.backgrounds),
        colour=colour_of(frames, mask),
        subject=subject_of(alone, vocabulary.subjects, turned=motion == "spin"),
        count=count,
        motion=motion,
        camera=camera,
        centres=centres,
        radii=radii,
    )


def path_cosine(path: torch.Tensor, reference: torch.Tensor) -> float:
    """Cosine of two paths (F, 2), each about its own mean: 1 is the same motion, wherever it is."""
    a, b = path - path.mean(0), reference - reference.mean(0)
    return nn_f.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()
