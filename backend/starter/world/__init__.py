"""Procedural shots with known captions and known motion: everything that the starter has ever seen."""

from .backgrounds import shows
from .camera import CAMERAS_INSIDE, CAMERAS_OUTSIDE, CameraPath, camera_path, looked_at, seen_at
from .captions import Caption, caption
from .motions import MOTIONS_INSIDE, MOTIONS_OUTSIDE, SPEEDS, path
from .render import Rendered, render
from .shots import Shot, another, backwards, held_out, opposed, sample_shot, words_of
from .vocabulary import BACKGROUNDS, COLOURS, FIRST, FULL, SUBJECTS, VOCABULARIES, Vocabulary

__all__ = [
    "BACKGROUNDS",
    "CAMERAS_INSIDE",
    "CAMERAS_OUTSIDE",
    "COLOURS",
    "FIRST",
    "FULL",
    "MOTIONS_INSIDE",
    "MOTIONS_OUTSIDE",
    "SPEEDS",
    "SUBJECTS",
    "VOCABULARIES",
    "CameraPath",
    "Caption",
    "Rendered",
    "Shot",
    "Vocabulary",
    "another",
    "backwards",
    "camera_path",
    "caption",
    "held_out",
    "looked_at",
    "opposed",
    "path",
    "render",
    "sample_shot",
    "seen_at",
    "shows",
    "words_of",
]
