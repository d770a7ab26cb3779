"""The lists of what is learned from besides the active strip: its rows, and what a request says of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from . import strips
from .backend.api.protocol import Clip
from .backend.api.sense import taken
from .backend.errors import UserError
from .properties import METHODS, SOURCES, set_values, values_of

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
MOVIES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".gif")
HEADINGS = {
    "clips": "More clips of the same motion",
    "stills": "Pictures whose looks are learned",
    "regular": "Related motions that the model is to keep",
}


def used(settings: Any) -> tuple[str, ...]:
    """The lists that the chosen method learns from, as it is set."""
    takes = taken(values_of(METHODS[settings.method], getattr(settings, settings.method)))
    return tuple(name for name in SOURCES if name in takes)


def only_looks(settings: Any) -> bool:
    """Whether looks are learned and no motion, for which neither a strip nor its words are needed."""
    return bool(settings.method == "MotionDirector" and settings.MotionDirector.learns == "looks")


def listed(settings: Any) -> bool:
    """Whether there is anything to learn looks from without a strip."""
    return any(len(getattr(settings, name)) for name in used(settings))


def why_not(settings: Any) -> str:
    """Why the lists cannot be learned from, in a sentence; nothing when they can. For `poll`."""
    mute = [row.title for row in settings.regular if not row.looks.strip()]
    return f"Say in words what {mute[0]} shows" if mute and "regular" in used(settings) else ""


def given(settings: Any, active: Clip | None) -> dict[str, tuple[Clip, ...]]:
    """The fields clips, stills and regular of a Learn. Raises UserError for a file that is gone."""
    found = {name: () for name in SOURCES} | {name: tuple(clips(settings, name)) for name in used(settings)}
    others = [clip for clip in found["clips"] if active is None or not same_frames(clip, active)]
    return {**found, "clips": (*([active] if active else []), *others)}


def same_frames(one: Clip, other: Clip) -> bool:
    """Whether the active strip has been put on the list too."""
    return replace(one, looks=other.looks) == other


def clips(settings: Any, name: str) -> Iterator[Clip]:
    for row in getattr(settings, name):
        clip: Clip = values_of(Clip, row)
        if not Path(clip.path).is_file():
            raise UserError(f"The file {clip.path} is missing.", "Take it off the list, or put it back.")
        yield clip


# ------------------------------------------------------------------ adding to them


def add_strips(scene: Any, name: str) -> None:
    """Every selected strip. Raises UserError for one that the list cannot have; then nothing is added."""
    chosen = [strip for strip in strips.selected(scene) if strip.type != "SOUND"]  # a movie's own comes along
    if not chosen:
        raise UserError("No strip is selected.", "Select movie or image strips in the sequencer.")
    found = [(strip.name, of_strip(strip, scene)) for strip in chosen]
    for _, clip in found:
        check(name, Path(clip.path))
    for title, clip in found:
        add(getattr(scene.restage, name), title, clip)


def of_strip(strip: Any, scene: Any) -> Clip:
    """An image strip's first picture, or a movie strip's range."""
    if strip.type != "IMAGE":
        return strips.clip_of(strip, scene)
    path = Path(bpy.path.abspath(strip.directory)) / strip.elements[0].filename
    return Clip(path=str(path.resolve()), looks=strip.restage.looks.strip())


def add_files(scene: Any, name: str, paths: list[Path]) -> None:
    """Raises UserError for a file that the list cannot have; then none is added."""
    for path in paths:
        check(name, path)
    for path in paths:
        add(getattr(scene.restage, name), path.name, Clip(path=str(path)))


def is_picture(path: str) -> bool:
    return path.lower().endswith(PICTURES)


def check(name: str, path: Path) -> None:
    picture = is_picture(path.name)
    if not path.is_file():
        raise UserError(f"The file {path} is missing.", "Choose another one.")
    if picture and name != "stills":
        raise UserError(f"{path.name} is a picture, and this list is of clips.", "Choose a movie.")
    if not picture and path.suffix.lower() not in MOVIES:
        raise UserError(
            f"{path.name} is neither a movie nor a picture that can be read.",
            "Choose an MP4 or MOV, or a PNG or JPEG.",
        )


def add(rows: Any, title: str, clip: Clip) -> None:
    row = rows.add()
    row.title = title
    set_values(Clip, row, clip)
