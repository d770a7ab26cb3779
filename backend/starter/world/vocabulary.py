"""The words of the world, and how many of them a model is taught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from .backgrounds import LAYERS
from .camera import CAMERAS_INSIDE
from .motions import MOTIONS_INSIDE, SPEEDS, WANDER
from .shapes import SHAPES
from .things import THINGS

if TYPE_CHECKING:
    from .shots import Shot

T = TypeVar("T")
SUBJECTS = tuple(SHAPES | THINGS)
BACKGROUNDS = tuple(LAYERS)
COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.90, 0.10, 0.10),
    "orange": (1.00, 0.55, 0.05),
    "yellow": (1.00, 0.92, 0.15),
    "green": (0.10, 0.80, 0.20),
    "blue": (0.15, 0.30, 0.95),
    "purple": (0.62, 0.15, 0.80),
    "white": (0.97, 0.97, 0.97),
    "black": (0.04, 0.04, 0.04),
    "cyan": (0.10, 0.88, 0.92),
    "pink": (1.00, 0.52, 0.72),
}
ROUND = ("ball", "ring")
"""Subjects that nobody sees turn."""


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What shots are drawn from; `cameras` begins with the locked one, others share `camera_share`."""

    subjects: tuple[str, ...] = SUBJECTS
    colours: tuple[str, ...] = tuple(COLOURS)
    backgrounds: tuple[str, ...] = BACKGROUNDS
    counts: tuple[int, ...] = (1, 1, 2, 3)
    motions: tuple[str, ...] = MOTIONS_INSIDE
    speeds: tuple[str, ...] = ("", "", *SPEEDS)
    cameras: tuple[str, ...] = tuple(CAMERAS_INSIDE)
    camera_share: float = 0.4

    def says(self, shot: Shot) -> bool:
        """Whether there are words for all of a shot."""
        looks = shot.subject in self.subjects and shot.colour in self.colours
        looks = looks and shot.background in self.backgrounds and shot.count in self.counts
        moves = shot.motion in (*self.motions, WANDER) and shot.speed in ("", *self.speeds)
        cameras = (*self.cameras, WANDER) if len(self.cameras) > 1 else self.cameras
        return looks and moves and shot.camera in cameras

    def check(self, words: Sequence[str]) -> None:
        """Raises ValueError for a word that is no subject, motion or number of subjects."""
        known = {*self.subjects, *self.motions, *map(str, self.counts)}
        if unknown := [word for word in words if word not in known]:
            raise ValueError(f"{unknown[0]!r} is no subject, motion or number of subjects that is taught.")

    def stressing(self, words: Sequence[str]) -> Vocabulary:
        """Each word (subject, motion, number of subjects) is drawn twice as often; given twice, thrice.

        Raises ValueError for a word that is none of these.
        """
        self.check(words)

        def more(values: tuple[T, ...]) -> tuple[T, ...]:
            return values + tuple(v for word in words for v in dict.fromkeys(values) if str(v) == word)

        return replace(
            self, subjects=more(self.subjects), motions=more(self.motions), counts=more(self.counts)
        )


FULL = Vocabulary()
FIRST = Vocabulary(
    subjects=SUBJECTS[:8],
    colours=tuple(COLOURS)[:8],
    backgrounds=BACKGROUNDS[:8],
    counts=(1,),
    motions=("still", "left", "right", "up", "down", "toward", "away"),
    speeds=("",),
    cameras=("locked",),
)
"""What two CPU cores can teach in an hour or two."""
VOCABULARIES = {
    "full": FULL,
    "first": FIRST,
    "camera": replace(FIRST, cameras=tuple(CAMERAS_INSIDE), camera_share=0.35),
}
"""By name: how much of the world is taught."""
