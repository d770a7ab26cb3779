"""The clip that the demo and the bench learn from: a red ball that circles over a green field."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backend.media import clips
from backend.starter.world import Shot, caption, render

SHOT = Shot(subject="ball", colour="red", background="green field", motion="circle", travel=0.5)
LOOKS, MOTION = caption(SHOT).looks, caption(SHOT).motion
SIZE, RATE, FRAMES = 256, Fraction(24), 24


def write_reference(path: Path) -> npt.NDArray[np.uint8]:
    """Write one second of it as a movie file; return its frames (F, H, W, 3) RGB."""
    return film(path, SHOT)


def film(path: Path, shot: Shot) -> npt.NDArray[np.uint8]:
    """Write one second of a shot of the world as a movie file; return its frames (F, H, W, 3) RGB."""
    frames = render([shot], size=SIZE, frames=FRAMES, fps=float(RATE)).frames[0]
    pixels = (frames.movedim(1, -1) * 255).round().byte().numpy()
    clips.write(path, pixels, RATE, {"schema": 1, "caption": caption(shot).full})
    return pixels
