"""What a shot is, and how shots are drawn at random."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass, replace
from typing import TypedDict

from .backgrounds import shows
from .vocabulary import FULL, ROUND, Vocabulary

_PAIRS = (
    ("left", "right"), ("up", "down"), ("toward", "away"),
    ("pan left", "pan right"), ("tilt up", "tilt down"), ("zoom in", "zoom out"),
)  # fmt: skip
OPPOSITES = dict(_PAIRS) | {after: before for before, after in _PAIRS}
AHEAD = 0.09
"""How far the middle of a straight path lies ahead of the frame's."""
SIZES, TURNING_SIZES = (0.17, 0.24), {1: (0.25, 0.28), 2: (0.21, 0.24), 3: (0.21, 0.24)}
"""Radii of one subject; by their number of those that spin: large enough that the latents hold at which angle
they stand. Two and three are smaller by `SHRUNK`."""
SHRUNK = {1: 1.0, 2: 0.75, 3: 0.66}
HELD_OUT_SHARE = 8
"""One in so many combinations of subject, colour and background is never trained on."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One second of one to three like subjects before one background. Lengths are fractions of the frame.

    `x`, `y` (right, down) is the middle of the path, `travel` its extent, `phase` where a periodic motion
    starts (in turns), `size` the subject's radius, `texture` (0 to 1) where the background's pattern starts.
    """

    subject: str
    colour: str
    background: str
    count: int = 1
    motion: str = "still"
    speed: str = ""
    camera: str = "locked"
    camera_amount: float = 1.0
    x: float = 0.5
    y: float = 0.5
    travel: float = 0.45
    phase: float = 0.0
    size: float = 0.2
    texture: float = 0.0


def held_out(subject: str, colour: str, background: str) -> bool:
    """Whether a combination is kept from training, to be asked for in tests; the same on every machine."""
    return zlib.crc32(f"{colour} {subject} {background}".encode()) % HELD_OUT_SHARE == 0


Words = tuple[str | int, ...]


def words_of(shot: Shot) -> Words:
    """All of a shot that words say: two shots alike in this have the same captions."""
    looks = (shot.subject, shot.colour, shot.background, shot.count)
    return (*looks, shot.motion, shot.speed, shot.camera)


def backwards(shot: Shot) -> Shot:
    """The shot as its clip played backwards shows it.

    In words at least: a spin has none for it, and a named camera is elsewhere on its way (`camera.AHEAD`).
    """
    return replace(
        shot,
        motion=OPPOSITES.get(shot.motion, shot.motion),
        camera=OPPOSITES.get(shot.camera, shot.camera),
    )


def opposed(shot: Shot) -> Shot:
    """What the shot stands beside in training, so that its words for motion alone tell the two apart.

    Its clip played backwards; a spin, which has no word for that, stands beside what does not turn.
    """
    return replace(shot, motion="still", speed="") if shot.motion == "spin" else backwards(shot)


def _looks(rng: random.Random, vocabulary: Vocabulary, unseen: bool) -> tuple[str, str, str]:
    while True:
        subject, colour = rng.choice(vocabulary.subjects), rng.choice(vocabulary.colours)
        background = rng.choice(vocabulary.backgrounds)
        if held_out(subject, colour, background) == unseen:
            return subject, colour, background


def _camera(rng: random.Random, vocabulary: Vocabulary, background: str) -> str:
    moves = [m for m in vocabulary.cameras[1:] if shows(m, background)]
    return rng.choice(moves) if moves and rng.random() < vocabulary.camera_share else "locked"


def _motion(rng: random.Random, vocabulary: Vocabulary, subject: str, camera: str) -> str:
    if camera != "locked" and rng.random() < 0.6:
        return "still"
    return rng.choice([m for m in vocabulary.motions if m != "spin" or subject not in ROUND])


def _place(rng: random.Random, motion: str, count: int) -> tuple[float, float]:
    """The middle of the path: where there is room for the motion and for all subjects.

    What moves left is mostly seen on the left: it starts near the middle. Were all paths centred, opposite
    words would mean the same but for the order of frames, and a model finds no hold to tell them apart by.
    What spins stands in the middle: each angle is another shape to learn, and at each place it would be anew.
    """
    along, across = rng.uniform(-0.05, 0.05), rng.uniform(-0.2, 0.2)
    free = rng.uniform(-0.2, 0.2)
    x, y = {
        "left": (along - AHEAD, across),
        "right": (along + AHEAD, across),
        "up": (across, along - AHEAD),
        "down": (across, along + AHEAD),
        "still": (across, free),
        "spin": (0.0, 0.0),
    }.get(motion, (along, across / 2))
    return 0.5 + x / count, 0.5 + y / count


def sample_shot(
    rng: int | random.Random,
    *,
    vocabulary: Vocabulary = FULL,
    unseen: bool = False,
    subject: str | None = None,
    colour: str | None = None,
    background: str | None = None,
    motion: str | None = None,
    camera: str | None = None,
) -> Shot:
    """A random shot, whatever is given held fast. The same seed gives the same shot.

    Only what `vocabulary` holds is drawn, `unseen` or never unseen combinations of looks; what lies outside
    has to be asked for. A background's pattern always starts in the same place: wandering patterns drown what
    a motion word does, and slow its learning.
    """
    rng = random.Random(rng) if isinstance(rng, int) else rng
    looks = _looks(rng, vocabulary, unseen)
    subject, colour, background = subject or looks[0], colour or looks[1], background or looks[2]
    camera = camera or _camera(rng, vocabulary, background)
    motion = motion or _motion(rng, vocabulary, subject, camera)
    count = rng.choice(vocabulary.counts)
    x, y = _place(rng, motion, count)
    return Shot(
        subject=subject,
        colour=colour,
        background=background,
        count=count,
        motion=motion,
        speed="" if motion == "still" else rng.choice(vocabulary.speeds),
        camera=camera,
        x=x,
        y=y,
        **_amounts(rng, motion, count),
    )


def another(rng: random.Random, shot: Shot, as_if: str | None = None) -> Shot:
    """A shot that the same words describe: elsewhere, of another size and extent; both drawn as those of the
    motion `as_if` are, where that is given."""
    motion = as_if or shot.motion
    x, y = _place(rng, motion, shot.count)
    return replace(shot, x=x, y=y, **_amounts(rng, motion, shot.count))


class _Amounts(TypedDict):
    camera_amount: float
    travel: float
    phase: float
    size: float


def _amounts(rng: random.Random, motion: str, count: int) -> _Amounts:
    sizes = TURNING_SIZES[count] if motion == "spin" else SIZES
    return {
        "camera_amount": rng.uniform(0.85, 1.15),
        "travel": rng.uniform(0.42, 0.56),
        "phase": rng.random(),
        "size": rng.uniform(*sizes) * SHRUNK[count],
    }
