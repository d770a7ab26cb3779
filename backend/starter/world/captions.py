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
    "spin": ("spinning", "turning around", "rotating"),
    "wander": ("moving around", "going around"),  # no new words: the shipped tokenizer knows these
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
CAMERA_PHRASES: dict[str, tuple[str, ...]] = {
    "locked": ("",),
    "pan left": ("while the camera pans left", "while the camera turns left"),
    "pan right": ("while the camera pans right", "while the camera turns right"),
    "tilt up": ("while the camera tilts up", "while the camera turns up"),
    "tilt down": ("while the camera tilts down", "while the camera turns down"),
    "zoom in": ("while the camera zooms in",),
    "zoom out": ("while the camera zooms out",),
    "wander": ("while the camera turns around",),
    "roll": ("while the camera rolls",),
    "whip pan": ("while the camera whips around",),
    "handheld": ("filmed with a handheld camera",),
    "dolly zoom": ("in a dolly zoom",),
    "orbit": ("while the camera orbits",),
    "crane": ("while the camera cranes up",),
}
NUMBERS = {1: "one", 2: "two", 3: "three"}
PLURALS = {"box": "boxes", "cross": "crosses", "fish": "fish"}
"""All others take an s."""


@dataclass(frozen=True)
class Caption:
    """The caption of one shot; `full` holds every word of `looks` and of `motion`."""

    full: str
    looks: str
    motion: str


def who(shot: Shot, article: str = "a") -> str:
    """The shot's subjects: a red ball, an orange box, two blue fish."""
    if shot.count > 1:
        return f"{NUMBERS[shot.count]} {shot.colour} {PLURALS.get(shot.subject, shot.subject + 's')}"
    return f"{'an' if article == 'a' and shot.colour[0] in 'aeiou' else article} {shot.colour} {shot.subject}"


def _motion(shot: Shot, rng: random.Random | None) -> str:
    phrases, camera = PHRASES[shot.motion], CAMERA_PHRASES[shot.camera]
    usual = rng is None or rng.random() < 0.6
    words = phrases[0] if usual or rng is None else rng.choice(phrases)
    with_camera = camera[0] if usual or rng is None else rng.choice(camera)
    return " ".join(part for part in (words, shot.speed, with_camera) if part)


def caption(shot: Shot, rng: random.Random | None = None) -> Caption:
    """The shot's caption: the usual words without `rng`, otherwise with synonyms and in either order."""
    motion, before, first, second, looks_first = _motion(shot, rng), "over", "a", "a", True
    if rng is not None:
        before = rng.choice(("over", "over", "on", "against"))
        first, second = "a" if rng.random() < 0.8 else "the", "a" if rng.random() < 0.75 else "the"
        looks_first = rng.random() < 0.65
    subjects, where = who(shot, first), f"{before} {second} {shot.background}"
    looks = f"{subjects} {where}"
    return Caption(f"{looks} {motion}" if looks_first else f"{subjects} {motion} {where}", looks, motion)
