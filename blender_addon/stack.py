"""The rows of motions and looks that act on new clips → what requests say of them, and back."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import bpy

from . import over_time, strips
from .backend.api.acting import Whose
from .backend.api.presets import Preset, read_preset, write_preset
from .backend.api.protocol import Edit, Generate, Looks, Motion
from .backend.errors import UserError
from .facts import Base, is_lora
from .over_time import FRAMES, Span

ROWS = ("motions", "looks")


def parts(scene: Any, base: Base) -> dict[str, Any]:
    """The fields `motions` and `looks` of a request. Looks that were learned here are presets, as motions
    are. Raises UserError where the length of the clip, for a strength over time, is not known.
    """
    settings = scene.restage
    rows = [*settings.motions, *settings.looks]
    span = over_time.span_of(scene, base) if any(row.over_time for row in rows) else Span(0, 1, 2)
    said = [(row, over_time.said(row, span)) for row in rows]
    return {
        "motions": tuple(_motion(row, s) for row, s in said if not is_lora(Path(row.path))),
        "looks": tuple(Looks(path=row.path, **s) for row, s in said if is_lora(Path(row.path))),
    }


def _motion(row: Any, strengths: dict[str, Any]) -> Motion:
    """Whose it is goes with the request: a result is made again the same, whoever gets the motion later."""
    preset = _preset(Path(row.path))
    kind = (row.kind or preset.moves) if preset and preset.moves else None
    return Motion(path=row.path, step=row.step, kind=kind, **strengths)


def restore(request: Generate | Edit, scene: Any, base: Base) -> None:
    """The rows as they were when `request` was made, over the time that the active strip takes."""
    for name in ROWS:
        rows = getattr(scene.restage, name)
        for index in reversed(range(len(rows))):
            remove(scene, name, index)
    span = _span(request, scene, base)
    acting: tuple[Motion | Looks, ...] = (*request.motions, *request.looks)
    for one in acting:
        rows = scene.restage.motions if is_motion(one) else scene.restage.looks
        row = add(rows, Path(one.path), one.strength)
        if isinstance(one, Motion):
            row.step, row.kind = one.step, one.kind or ""
        over_time.lay(row, one.curve, span)


def _span(request: Generate | Edit, scene: Any, base: Base) -> Span:
    """As the same button will sample it: a result may have been trimmed since."""
    try:
        return over_time.span_of(scene, base)
    except UserError:
        strip, frames = strips.active_strip(scene), request.sampling.frames or FRAMES
        return Span(getattr(strip, strips.START), getattr(strip, strips.DURATION), frames)


def add_learned(scene: Any, folder: Path) -> Any:
    """A preset's row on the list it belongs to."""
    moves = is_motion(Motion(path=str(folder)))
    return add(scene.restage.motions if moves else scene.restage.looks, folder)


def is_motion(one: Motion | Looks) -> bool:
    """Whether it moves: looks that were learned are presets too. One that is gone counts as what it was."""
    preset = _preset(Path(one.path))
    return isinstance(one, Motion) and (preset is None or preset.moves is not None)


def _preset(path: Path) -> Preset | None:
    """None when it is gone."""
    try:
        return read_preset(path)
    except UserError:
        return None


def add(rows: Any, path: Path, strength: float | None = None) -> Any:
    """A row for a preset folder or a LoRA's file; None is the strength that the preset recommends."""
    row = rows.add()
    row.path, row.title, row.strength = str(path), path.stem, 1.0 if strength is None else strength
    if is_lora(path):
        return row
    preset = _preset(path)
    if preset is None:  # it is gone, and the panel says so
        return row
    row.title = preset.title or preset.motion or preset.looks
    row.strength = preset.strength if strength is None else strength
    return row


def add_file(rows: Any, name: str) -> None:
    """Raises UserError for what cannot be a LoRA."""
    path = Path(bpy.path.abspath(name)).resolve()
    if not path.is_file() or not is_lora(path):
        raise UserError(f"{path.name} is not a file with a LoRA.", "Choose one that ends in .safetensors.")
    add(rows, path)


def remove(scene: Any, name: str, index: int) -> None:
    over_time.forget(scene, name, index)
    getattr(scene.restage, name).remove(index)


def give_to(kind: Whose, folder: Path) -> None:
    """A motion becomes the "camera" 's or the "subject" 's. Raises UserError when it cannot be changed."""
    preset = read_preset(folder)
    if preset.kind == "style":
        raise UserError(f"{preset.title!r} holds looks and no motion.", "Choose a motion.")
    try:
        write_preset(folder, replace(preset, kind=kind))
    except OSError as error:
        raise UserError(
            f"The motion {preset.title!r} cannot be changed: {error.strerror}.",
            "See who may write its folder.",
        ) from error
    for scene in bpy.data.scenes:
        for row in scene.restage.motions:
            row.kind = "" if Path(row.path) == folder else row.kind
