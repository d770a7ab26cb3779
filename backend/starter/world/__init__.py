"""Procedural shots with known captions and known motion: everything that the starter has ever seen."""

from .captions import Caption, caption
from .motions import MOTIONS_INSIDE, MOTIONS_OUTSIDE, path
from .render import Rendered, render
from .shots import BACKGROUNDS, COLOURS, SUBJECTS, Shot, sample_shot

__all__ = [
    "BACKGROUNDS",
    "COLOURS",
    "MOTIONS_INSIDE",
    "MOTIONS_OUTSIDE",
    "SUBJECTS",
    "Caption",
    "Rendered",
    "Shot",
    "caption",
    "path",
    "render",
    "sample_shot",
]
