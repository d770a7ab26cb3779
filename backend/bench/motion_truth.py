"""`restage bench motion`: what is measured of motion against what is known of it.

Each measure is held to known shots (`known_motion.py`): within 2 % of the frame, 3 % of zoom, 1° of roll at
every frame that it claims to know. Where it says that the clip does not tell, it is not asked; how often that
is so stands beside it. Its ceiling is the mean cosine of the true motion and of what is measured in the
shot's own render, its floor the same with the render's frames in a random order; for words, the share right.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.api.library import write_whole
from backend.bench.known_motion import WORDS, Known, blender_shots, world_shots
from backend.media.motion import (
    CameraPath,
    Movement,
    Subject,
    camera_moves,
    common_steps,
    movement,
    path_signal,
    signal_fidelity,
)

PLACE, ZOOM, ROLL = 0.02, 0.03, 1.0  # of the frame, as a share, degrees: how far a measure may be wrong
MOVES = 0.03  # heights of the frame a step: less is not a motion whose direction could be compared

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Answer:
    """What one measure says of one shot: how wrong, in units of its bound; None where it does not claim to know."""

    error: float | None
    ceiling: float | None  # None where the truth does not move
    floor: float | None


@dataclass(frozen=True)
class Row:
    """A line of the table. `told`: in how many of `shots` the measure claims to know."""

    measure: str
    shots: int
    told: int
    right: int
    largest: float
    ceiling: float
    floor: float
