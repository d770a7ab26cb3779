"""Where a subject is, and how large, at each moment of a one-second motion.

A motion is a function of times in seconds and of a phase. It gives offsets from the shot's middle in units of
its travel (x right, y down) and the subject's scale. Motions *inside* the vocabulary are what the starter is
trained on; those *outside* it are never seen in training and serve as references to learn. What wanders takes
any smooth way: a model that has seen subjects go anywhere holds together where a learned motion takes them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from .shots import Shot


class Path(NamedTuple):
    """Where a subject is: centres (F, 2) and radii (F,) in frames, angles (F,) in radians clockwise."""

    centres: torch.Tensor
    radii: torch.Tensor
    angles: torch.Tensor


Curve = Callable[[torch.Tensor, float], tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
"""(times (F,), phase in turns) → offsets x (F,), y (F,) in units of travel, and scales (F,)."""

TAU = 2 * math.pi
MIDDLE = 7 / 16
"""The mean time of eight frames at 8 fps: straight motions are at the shot's middle then."""
SPIN = 0.25
"""Turns a second of a spinning subject, clockwise: slow, since every angle is another shape to learn. It
begins upright, so that nearly every frame shows it turned: were it upright in the middle, the word would say
little that a single frame shows (`shots.AHEAD`)."""


def _straight(across: float, down: float) -> Curve:
    def curve(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return (t - MIDDLE) * across, (t - MIDDLE) * down, torch.ones_like(t)

    return curve


def _zoom(sign: float) -> Curve:
    def curve(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        nothing = torch.zeros_like(t)
        return nothing, nothing, torch.exp(sign * 1.25 * (t - MIDDLE))

    return curve


def _circle(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    angle = TAU * (t + phase)
    return torch.cos(angle) / 2, torch.sin(angle) / 2, torch.ones_like(t)


def _figure_eight(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    angle = TAU * (t + phase)
    return 0.55 * torch.sin(angle), 0.35 * torch.sin(2 * angle), torch.ones_like(t)


def _zigzag(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    wave = (2 * t + phase + 0.25) % 1.0
    return 1.1 * (t - MIDDLE), 1.4 * (wave - 0.5).abs() - 0.35, torch.ones_like(t)


def _bounce(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.zeros_like(t), 0.5 - torch.sin(TAU * (t + phase)).abs(), torch.ones_like(t)


def _pendulum(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    angle = 0.9 * torch.sin(TAU * (t + phase))
    return 0.75 * torch.sin(angle), 0.75 * torch.cos(angle) - 0.6, torch.ones_like(t)


def _spiral(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    angle, radius = TAU * (1.25 * t + phase), 0.1 + 0.55 * t
    return radius * torch.cos(angle), radius * torch.sin(angle), torch.ones_like(t)


def _shake(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return 0.35 * torch.sin(2 * TAU * (t + phase)), torch.zeros_like(t), torch.ones_like(t)


def _jump(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    air = ((t - 0.125 - 0.1 * phase) / 0.625).clamp(0, 1)
    return torch.zeros_like(t), 0.5 - 4 * air * (1 - air), torch.ones_like(t)


def _wander(t: torch.Tensor, phase: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A random smooth way, another for each phase; 0.6 to 1.3 travels wide, and sometimes growing."""
    rng = random.Random(phase)
    waves = [random_waves(rng) for _ in "xys"]
    second = torch.linspace(0, 1, 33, dtype=t.dtype)
    shown, whole = ([summed(w, at) for w in waves] for at in (t, second))
    (low_x, high_x), (low_y, high_y), (low_s, high_s) = ((w.min(), w.max()) for w in whole)
    wide = rng.uniform(0.6, 1.3) / torch.maximum(high_x - low_x, high_y - low_y)
    growing = rng.choice((0.0, rng.uniform(0.0, 0.5))) / (high_s - low_s)
    x, y = (shown[0] - (low_x + high_x) / 2) * wide, (shown[1] - (low_y + high_y) / 2) * wide
    return x, y, torch.exp((shown[2] - (low_s + high_s) / 2) * growing)


Wave = tuple[float, float, float]
"""Turns a second, amplitude, start in turns."""


def random_waves(rng: random.Random) -> list[Wave]:
    """The sines of one direction of what wanders."""
    return [(rng.uniform(0.3, 2.0), rng.uniform(0.3, 1.0), rng.random()) for _ in range(WAVES)]


def summed(waves: list[Wave], t: torch.Tensor) -> torch.Tensor:
    """The sum of these sines at times `t` (F,), slow ones the larger."""
    return torch.stack([a / f * torch.sin(TAU * (f * t + start)) for f, a, start in waves]).sum(0)


INSIDE: dict[str, Curve] = {
    "still": _straight(0, 0),
    "left": _straight(-1, 0),
    "right": _straight(1, 0),
    "up": _straight(0, -1),
    "down": _straight(0, 1),
    "toward": _zoom(1),
    "away": _zoom(-1),
    "spin": _straight(0, 0),
}
OUTSIDE: dict[str, Curve] = {
    "circle": _circle,
    "figure eight": _figure_eight,
    "zigzag": _zigzag,
    "bounce": _bounce,
    "pendulum": _pendulum,
    "spiral": _spiral,
    "shake": _shake,
    "jump": _jump,
}
WANDER = "wander"
MOTIONS_INSIDE = tuple(INSIDE)
MOTIONS_OUTSIDE = tuple(OUTSIDE)
WAVES = 3
"""Sines in each direction of what wanders."""
SPEEDS = {"": 1.0, "slowly": 0.5, "fast": 1.6}
"""Words for speed and how much sooner everything happens, counted from the shot's middle."""


def path(shot: Shot, times: torch.Tensor) -> Path:
    """The subject's way through the scene at `times` (F,) in seconds."""
    seconds, times = times, MIDDLE + (times - MIDDLE) * SPEEDS[shot.speed]
    x, y, scale = (INSIDE | OUTSIDE | {WANDER: _wander})[shot.motion](times, shot.phase)
    middle = torch.tensor([shot.x, shot.y], dtype=times.dtype)
    turned = SPIN * SPEEDS[shot.speed] * seconds if shot.motion == "spin" else torch.zeros_like(times)
    return Path(middle + shot.travel * torch.stack((x, y), dim=-1), shot.size * scale, TAU * turned)
