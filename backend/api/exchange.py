"""Motions from and for other programs, as messages; `protocol` counts them among what may be asked for."""

from typing import Literal

from .values import described, limited, value

Format = Literal["comfyui", "diffusers"]


@value
class Import:
    """Make a motion from another program's file: a LoRA, or MotionDirector's .pt."""

    job: str
    path: str
    words: str  # how it moves: "moving in a circle"
    out: str  # where the motion's folder goes, such as the library's presets
    title: str = ""  # the words unless given
    base: str = "starter"  # that the file was made for


@value
class Export:
    """Write a learned motion or looks (a preset folder) as one .safetensors file at `out`; learned words
    go beside it."""

    job: str
    motion: str
    out: str
    format: Format = described("comfyui", "The program whose names the file's layers get")
    base: str = ""  # which, of a motion learned on several
    step: int = limited(0, 0, 100_000, "The checkpoint after so many learning steps; 0 is the end")
