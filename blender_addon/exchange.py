"""Motions from and for other programs' files: what the artist chose → the protocol's messages."""

import json
import uuid
from pathlib import Path
from typing import Any

import bpy

from . import facts, strips
from .backend.api.exchange import Export, Format, Import
from .backend.api.presets import read_preset
from .backend.errors import UserError
from .requests_from_scene import library

HEADER = 10_000_000  # bytes of a safetensors file's header at most: what is larger is none


def import_motion(context: Any, file: str, words: str, title: str) -> Import:
    """For the base that the scene names. Raises UserError for what cannot be a motion's file."""
    path = Path(bpy.path.abspath(file)).resolve()
    if not path.is_file() or path.suffix.lower() not in facts.LORAS:
        raise UserError(
            f"{path.name} is not a file with a motion.", "Choose a .safetensors, or MotionDirector's .pt."
        )
    if not words.strip():
        raise UserError("The motion has no words.", "Say how it moves, such as: moving in a circle.")
    return Import(
        job=uuid.uuid4().hex,
        path=str(path),
        words=words.strip(),
        title=title.strip() or words.strip()[:1].upper() + words.strip()[1:],
        out=str(library(context) / "presets"),
        base=strips.shown_scene(context).restage.base,
    )


def export_motion(context: Any, folder: str, file: str, kind: Format, step: int) -> Export:
    """As after that step; of a motion learned on several bases the one that the scene names. Raises
    UserError when it is gone.
    """
    preset = read_preset(Path(folder))
    base = facts.base_of(strips.shown_scene(context).restage.base, library(context)).name
    out = Path(bpy.path.abspath(file)).resolve()
    return Export(
        job=uuid.uuid4().hex,
        motion=folder,
        out=str(out if out.suffix.lower() == ".safetensors" else out.with_name(f"{out.name}.safetensors")),
        format=kind,
        base=base if base in {weights.base for weights in preset.weights} else "",
        step=step,
    )


def words_in(path: Path) -> str:
    """The words that a .safetensors file says it answers to (ModelSpec's trigger phrase), or none."""
    try:
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size)) if size < HEADER else {}
        return str(header["__metadata__"]["modelspec.trigger_phrase"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
