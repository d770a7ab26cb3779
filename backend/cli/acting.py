"""Motions and looks on the command line, and how strongly each acts."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from backend.api.acting import BALANCE_HELP, Key, Looks, Motion, Whose
from backend.api.presets import FILE, read_preset
from backend.cli import options as o
from backend.errors import UserError

S = TypeVar("S", Motion, Looks)
LONGEST_STEP = 10  # digits

Motions = Annotated[
    list[str],
    o.option(
        "--motion",
        metavar="DIR[#STEP][:STRENGTH]",
        help="A learned motion; give several to mix them. A strength may change over the clip, from 0, its"
        " first frame, to 1, its last: dance:0@0,1@0.5 grows to 1 until half way. dance#150 is the motion"
        " as it was after 150 steps, where a checkpoint was kept then.",
    ),
]
Cameras = Annotated[
    list[str],
    o.option(
        "--camera",
        metavar="DIR[#STEP][:STRENGTH]",
        help="As --motion, of one that acts as the camera's, whatever was measured when it was learned.",
    ),
]
Subjects = Annotated[
    list[str],
    o.option(
        "--subject", metavar="DIR[#STEP][:STRENGTH]", help="As --camera, of one that acts as a subject's."
    ),
]
Balance = Annotated[float, o.option("--balance", metavar="0..1", help=BALANCE_HELP)]
Loras = Annotated[
    list[str],
    o.option(
        "--lora",
        metavar="FILE|DIR[:STRENGTH]",
        help="A LoRA for looks, or looks that were learned: a folder, or a name in the library; strengths as "
        "of --motion.",
    ),
]


def acting(
    motions: Sequence[str],
    cameras: Sequence[str],
    subjects: Sequence[str],
    loras: Sequence[str],
    library: Path,
) -> dict[str, Any]:
    """The fields of a request that say what acts."""
    given: tuple[tuple[Whose | None, Sequence[str]], ...]
    given = ((None, motions), ("camera", cameras), ("subject", subjects))
    moving = (
        dataclasses.replace(motion_of(text, library), kind=kind) for kind, texts in given for text in texts
    )
    looks = [learned_looks(text, library) or looks_of(text) for text in loras]
    return {
        "motions": (*moving, *(one for one in looks if isinstance(one, Motion))),
        "looks": tuple(one for one in looks if isinstance(one, Looks)),
    }


def learned_looks(text: str, library: Path) -> Motion | None:
    """Looks that were learned are presets, as motions are; None for a file. Raises UserError for a motion."""
    chosen = motion_of(text, library)
    if not (Path(chosen.path) / FILE).is_file():
        return None
    preset = read_preset(Path(chosen.path))
    if preset.moves is not None:
        raise UserError(f"{preset.title!r} is a motion and holds no looks.", "Give it with --motion.")
    return chosen


def motion_of(text: str, library: Path) -> Motion:
    """DIR, DIR:STRENGTH or DIR:STRENGTH@MOMENT,… where DIR may be the name of a motion in the library.

    DIR#STEP is one of its checkpoints. Strengths come after the last colon: C:\\motions\\dance is a path.
    """
    chosen = with_strength(Motion, text)
    whole = chosen.path
    name, _, step = whole.rpartition("#")
    is_step = name and step.isdecimal() and len(step) <= LONGEST_STEP
    named = [(whole, 0), (name, int(step))] if is_step else [(whole, 0)]
    for path, steps in named:
        for place in (o.expanded(path), library / "presets" / path):
            if path and os.path.exists(place):  # False too where no file can have that name
                return dataclasses.replace(chosen, path=o.absolute(place), step=steps)
    return dataclasses.replace(chosen, path=o.absolute(whole))


def looks_of(text: str) -> Looks:
    """FILE, with strengths as of a motion."""
    chosen = with_strength(Looks, text)
    return dataclasses.replace(chosen, path=o.absolute(chosen.path))


def with_strength(kind: type[S], text: str) -> S:
    path, _, words = text.rpartition(":")
    try:
        return kind(path=path, **strength(words)) if path else kind(path=text)
    except ValueError:
        return kind(path=text)


def strength(words: str) -> dict[str, Any]:
    """ "0.5" or "0@0,1@0.5" → the fields of a Motion that say so. Raises ValueError for other words."""
    if "@" not in words:
        return {"strength": float(words)}
    keys = [key.split("@") for key in words.split(",")]
    return {"curve": tuple(Key(at=float(at), strength=float(value)) for value, at in keys)}
