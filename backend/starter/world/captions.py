"""What a shot is called: a looks part and a motion part that can be cut apart.

looks   a red ball over a green field
motion  moving left
full    a red ball over a green field moving left      (the order in which Restage composes prompts)
        a red ball moving left over a green field
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .shots import Shot

PHRASES: dict[str, tuple[str, ...]] = {
    "still": ("standing still", "not moving", "staying still"),
    "left": ("moving left", "going left", "moving to the left"),
    "right": ("moving right", "going right", "moving to the right"),
    "up": ("moving up", "going up", "rising up"),
    "down": ("moving down", "going down", "falling down"),
    "toward": ("coming closer", "moving toward us", "coming toward us"),
    "away": ("moving away", "going away", "moving far away"),
    "circle": ("moving in a circle",),
    "figure eight": ("moving in a figure eight",),
    "zigzag": ("moving in a zigzag",),
    "bounce": ("bouncing",),
    "pendulum": ("swinging like a pendulum",),
    "spiral": ("moving in a spiral",),
    "shake": ("shaking",),
    "jump": ("jumping and landing",),
}
"""The first phrase of each motion is the usual one."""


@dataclass(frozen=True)
class Caption:
    """The caption of one shot; `full` holds every word of `looks` and of `motion`."""

    full: str
    looks: str
    motion: str


def caption(shot: Shot, rng: random.Random | None = None) -> Caption:
    """The shot's caption: the usual words without `rng`, otherwise with synonyms and in either order."""
    phrases = PHRASES[shot.motion]
    motion, before, first, second, looks_first = phrases[0], "over", "a", "a", True
    if rng is not None:
        motion = phrases[0] if rng.random() < 0.6 else rng.choice(phrases)
        before = rng.choice(("over", "over", "on", "against"))
        first, second = "a" if rng.random() < 0.8 else "the", "a" if rng.random() < 0.75 else "the"
        looks_first = rng.random() < 0.65
    article = "an" if first == "a" and shot.colour[0] in "aeiou" else first
    who, where = f"{article} {shot.colour} {shot.subject}", f"{before} {second} {shot.background}"
    looks = f"{who} {where}"
    return Caption(f"{looks} {motion}" if looks_first else f"{who} {motion} {where}", looks, motion)
