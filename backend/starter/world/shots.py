"""What a shot is, and how shots are drawn at random."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .backgrounds import PAINTERS
from .motions import MOTIONS_INSIDE
from .subjects import SHAPES

SUBJECTS = tuple(SHAPES)
BACKGROUNDS = tuple(PAINTERS)
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.90, 0.10, 0.10),
    "orange": (1.00, 0.55, 0.05),
    "yellow": (1.00, 0.92, 0.15),
    "green": (0.10, 0.80, 0.20),
    "blue": (0.15, 0.30, 0.95),
    "purple": (0.62, 0.15, 0.80),
    "white": (0.97, 0.97, 0.97),
    "black": (0.04, 0.04, 0.04),
}


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One second of one subject before one background. Lengths are fractions of the frame, x right, y down.

    `x`, `y` is the middle of the path, `travel` its extent, `phase` where a periodic motion starts (in
    turns), `size` the subject's radius, `texture` (0 to 1) where the background's pattern starts.
    """

    subject: str
    colour: str
    background: str
    motion: str = "still"
    x: float = 0.5
    y: float = 0.5
    travel: float = 0.45
    phase: float = 0.0
    size: float = 0.2
    texture: float = 0.0


def sample_shot(
    rng: int | random.Random,
    *,
    subject: str | None = None,
    colour: str | None = None,
    background: str | None = None,
    motion: str | None = None,
) -> Shot:
    """A random shot, whatever is given held fast. The same seed gives the same shot.

    Only motions inside the vocabulary are drawn; one outside it has to be asked for. A background's pattern
    always starts in the same place: wandering patterns drown what a motion word does, and slow its learning.
    """
    rng = random.Random(rng) if isinstance(rng, int) else rng
    subject = subject or rng.choice(SUBJECTS)
    colour = colour or rng.choice(tuple(COLOURS))
    background = background or rng.choice(BACKGROUNDS)
    motion = motion or rng.choice(MOTIONS_INSIDE)
    travel = rng.uniform(0.42, 0.56)
    along, across = rng.uniform(-0.08, 0.08), rng.uniform(-0.2, 0.2)
    free = rng.uniform(-0.2, 0.2)
    x, y = {
        "left": (along, across),
        "right": (along, across),
        "up": (across, along),
        "down": (across, along),
        "still": (across, free),
    }.get(motion, (along, across / 2))
    return Shot(
        subject=subject,
        colour=colour,
        background=background,
        motion=motion,
        x=0.5 + x,
        y=0.5 + y,
        travel=travel,
        phase=rng.random(),
        size=rng.uniform(0.17, 0.24),
    )
