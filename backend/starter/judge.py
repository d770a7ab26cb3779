"""What a clip shows, measured against the world's own renders: no learned judge, no eyes.

The subject is what differs from the background's palette; its colour, silhouette, number, path, growth and
turn are compared with those that the world would have drawn, and the background with how the world would have
shown it under each camera move. Shapes: F frames of (3, H, W) in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as nn_f

from .silhouettes import centres_and_radii, largest_of, overlap_of, silhouettes, turned, turning, way
from .world import BACKGROUNDS, CAMERAS_INSIDE, COLOURS, FULL, Shot, Vocabulary, camera_path, render, shows
from .world.camera import CameraPath, looked_at, magnification
from .world.vocabulary import ROUND

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
MOVES = 0.3
"""From which slope a subject counts as moving: half of "slowly" and a bit."""
SPINS, ANGLES = 0.03, 24
"""How much more of it has to overlap with a silhouette that turns than with any that does not, for a subject
to spin: in 400 of the world's own clips 0.056 or more, in those of other motions 0.004 at most. And by how
many parts of a turn silhouettes are turned."""
LIT = 0.93
"""How bright a subject's own colour is seen, on average over its shading."""
DARK = 0.5
"""Grey of a black subject's outline: it counts as black."""
SIZES = (0.24, 0.2, 0.17, 0.14, 0.115)
"""Radii of the subjects that a clip's is compared with: the smaller, the more thin parts are lost."""
HIDDEN, PLAINER = 0.12, 0.05
"""How near a subject's colour may be to one of the ground's to be lost in it; how much better the outline of
what is lost has to fit than that of the colour that was found."""
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
    levels = (_ground(name, size).permute(0, 2, 3, 1).reshape(-1, 3) * 24).round().long()
    # As one number each: rows compared as rows take many times as long.
    found = torch.unique(levels @ torch.tensor([625, 25, 1]))
    return torch.stack((found // 625, found // 25 % 25, found % 25), dim=1) / 24


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


@cache
def _hidden(background: str, size: int) -> tuple[str, ...]:
    """Colours that the background has itself: of such a subject only its outline and parts are seen."""
    lit = LIT * torch.tensor(list(COLOURS.values()))
    nearest = torch.cdist(lit, _palette(background, size)).amin(1)
    return tuple(name for name, far in zip(COLOURS, nearest.tolist(), strict=True) if far < HIDDEN)


@lru_cache(maxsize=32)
def _ways(
    subjects: tuple[str, ...], colour: str, background: str, size: int
) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Silhouettes (N, A, T, T) of the subjects at each of SIZES, turned by ANGLES parts of a turn, and into
    how many pieces each falls.

    They are what is seen of the subject in this colour before this background: dark outlines are lost in a
    night sky, whites on a checkered floor.
    """
    shots = [
        Shot(subject=subject, colour=colour, background=background, size=radius)
        for subject in subjects
        for radius in SIZES
    ]
    drawn = render(shots, size=size, frames=1).frames[:, 0]
    alone, pieces = zip(*(largest_of(m.unsqueeze(0)) for m in subject_mask(drawn, background)), strict=True)
    angles = torch.arange(ANGLES) * 2 * torch.pi / ANGLES
    ways = torch.stack([turned(upright, angles) for upright in silhouettes(torch.cat(alone))])
    return ways, tuple(max(1, count) for count in pieces)


class Likeness(NamedTuple):
    """Whose outline a clip's is most like: the subject, its colour, into how many pieces it falls, whether it
    turns."""

    subject: str
    colour: str
    pieces: int
    turns: bool


def likeness(
    mask: torch.Tensor, colour: str, background: str, subjects: tuple[str, ...], seconds: float
) -> Likeness:
    """The subject whose silhouette overlaps best over all frames of its mask (F, H, W), upright or turning.

    `colour` is what most of its pixels have. Colours that the background hides are tried besides: of a white
    star before white and black checks nothing is seen but its dark outline. Within 0 seconds nothing turns.
    """
    seen, size, best, most = silhouettes(mask), mask.shape[-1], Likeness("", colour, 1, False), -1.0
    for name in dict.fromkeys((colour or "red", *_hidden(background, size))):
        ways, pieces = _ways(subjects, name, background, size)
        overlap = torch.stack([overlap_of(frame, ways[:, 0]) for frame in seen]).mean(0)
        which, score, spins = int(overlap.argmax()), float(overlap.max()), False
        found = turning(seen, ways, seconds) if seconds else None
        if found and found.gain > SPINS and subjects[found.which // len(SIZES)] not in ROUND:
            which, score, spins = found.which, found.overlap, True
        score -= 0.0 if name == colour else PLAINER
        if score > most:
            most = score
            best = Likeness(subjects[which // len(SIZES)], colour and name, pieces[which], spins)
    return best


def colour_of(frames: torch.Tensor, mask: torch.Tensor) -> str:
    """The nearest colour to most of the subject's inner pixels; black only if hardly any have another one."""
    inner = nn_f.avg_pool2d(mask.unsqueeze(1), 5, stride=1, padding=2).squeeze(1) > 0.95
    inner = inner if inner.sum() > 8 else mask > 0.5
    pixels = frames.permute(0, 2, 3, 1)[inner]
    if not len(pixels):
        return ""
    names = (*COLOURS, "black")
    lit = torch.cat((LIT * torch.tensor(list(COLOURS.values())), torch.full((1, 3), DARK)))
    votes = torch.cdist(pixels, lit).argmin(1).bincount(minlength=len(names)) / len(pixels)
    for index, name in enumerate(names):
        if name == "black":  # outlines and parts are dark whatever the colour
            votes[index] *= 0.3
    return names[int(votes.argmax())]


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
    """Which motion the slopes of x, y (F, 2) and of log radius (F,) point along; one frame is still."""
    if len(radii) < 2:
        return "still"
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
    alone, pieces = largest_of(mask)
    seconds, camera, amount = (len(frames) - 1) / fps, "locked", 1.0
    if len(vocabulary.cameras) > 1 and len(frames) > 1:
        camera, amount = camera_of(frames, mask, background, fps)
    moved = Shot(subject="ball", colour="red", background=background, camera=camera, camera_amount=amount)
    path = camera_path(moved, torch.arange(len(frames)) / fps)
    motion = motion_of(*_in_the_scene(path, *way(mask)), seconds, vocabulary.motions)
    may_spin = motion == "still" and "spin" in vocabulary.motions
    colour = colour_of(frames, mask)
    like = likeness(alone, colour, background, vocabulary.subjects, seconds if may_spin else 0.0)
    return Verdict(
        background=background_of(frames, vocabulary.backgrounds),
        colour=like.colour,
        subject=like.subject,
        count=max(1, round(pieces / like.pieces)) if pieces else 0,
        motion="spin" if like.turns else motion,
        camera=camera,
        centres=centres,
        radii=radii,
    )


def path_cosine(path: torch.Tensor, reference: torch.Tensor) -> float:
    """Cosine of two paths (F, 2), each about its own mean: 1 is the same motion, wherever it is."""
    a, b = path - path.mean(0), reference - reference.mean(0)
    return nn_f.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()
