"""Motions on disk: one folder each, with weights for every base that the motion was learned on.

preset.json     what this file reads and writes
reference.mp4   the clip that the motion was learned from
thumbnail.png
weights/<base>.safetensors          a LoRA
weights/<base>-words.safetensors    embeddings of new words (textual inversion)
weights/<base>-000150.safetensors   as it was after 150 steps, to choose instead
previews/000150.png                 what it made then
"""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from ..errors import UserError
from .acting import Whose
from .library import write_whole
from .protocol import Rate
from .settings import CustomizeAVideo, Method
from .values import ProtocolError, check, from_plain, limited, to_plain, value

SCHEMA = 6
FILE, REFERENCE = "preset.json", "reference.mp4"
# schema → what turns its content into that of the next; a released schema is never dropped.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda content: content,  # 2 only says more: motions made elsewhere
    2: lambda content: content,  # and 3: checkpoints
    3: lambda content: content,  # and 4: β of every method
    4: lambda content: content,  # and 5: the absorber of VMC
    5: lambda content: content,  # and 6: more layers to choose among
}

Kind = Literal[Whose, "style"]


@value
class BaseWeights:
    """Files under weights/ and the base that they belong to (families.base.Fingerprint)."""

    base: str
    architecture: str
    fingerprint: str
    file: str  # of the LoRA; empty when there are only new words
    words: str = ""  # of the new words; empty when there are none
    step: int = limited(0, 0, 100_000, "Learning steps after which it was so; 0 is the end")


@value
class Preset:
    title: str
    motion: str  # how it moves, in words; added to prompts that do not say it; empty for looks
    looks: str = ""  # what was seen in the reference
    kind: Kind = "subject"  # what moves, or only looks
    method: Method | None = CustomizeAVideo()  # None where the motion was learned elsewhere
    steps: int | None = limited(300, 1, 100_000, "Learning steps; None where nobody knows")
    seed: int = limited(0, 0, 2**31 - 1)
    strength: float = limited(1.0, -2.0, 2.0, "Recommended strength")
    follow: float = limited(0.0, 0.0, 1.0, "Recommended start: 1 is the reference's inverted latent, 0 noise")
    frames: int = limited(16, 2, 256, "Frames of the clip as learned")
    rate: Rate = Rate(num=8)
    licence: str = ""
    weights: tuple[BaseWeights, ...] = ()

    @property
    def moves(self) -> Whose | None:
        """Whose motion it is; None of looks."""
        return None if self.kind == "style" else self.kind


def read_preset(folder: Path) -> Preset:
    """Raise UserError when there is none, when it is damaged, or when it is newer than this Restage."""
    path = folder / FILE
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"There is no motion in {folder}.", f"Choose a folder that holds a {FILE}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"The motion {path} cannot be read.", "Restore it from a copy, or learn it again."
        ) from error
    preset = _migrated(path, data)
    check(preset)
    return preset


def _migrated(path: Path, data: Any) -> Preset:
    schema = data.get("schema") if isinstance(data, dict) else None
    if not isinstance(schema, int) or schema < 1:
        raise UserError(f"The file {path} is not a motion.", "Restore it from a copy, or learn it again.")
    if schema > SCHEMA:
        raise UserError(f"The motion {path} was made by a newer Restage.", "Update Restage to use it.")
    content = data.get("preset")
    for old in range(schema, SCHEMA):
        content = MIGRATIONS[old](content)
    try:
        preset: Preset = from_plain(Preset, content, "preset")
        for name in (name for w in preset.weights for name in (w.file, w.words)):
            if re.search(r"[/\\:]|^\.", name):
                raise ProtocolError(f"{name!r} is not a file of its own folder")
    except ProtocolError as error:
        raise UserError(
            f"The motion {path} is damaged ({error}).", "Restore it from a copy, or learn it again."
        ) from error
    return preset


def checkpoints_of(preset: Preset) -> list[int]:
    """The steps after which there is a checkpoint to choose instead of the end."""
    return sorted({w.step for w in preset.weights} - {0})


def of_step(preset: Preset, step: int) -> list[BaseWeights]:
    """The weights of a checkpoint, 0 being the end. Raises UserError where none was kept at that step."""
    found = [w for w in preset.weights if w.step == step]
    if step and not found:
        kept = ", ".join(map(str, checkpoints_of(preset))) or "none"
        raise UserError(
            f"The motion {preset.title!r} has no checkpoint after {step} steps.",
            f"It has its end, and after steps: {kept}.",
        )
    return found


def preview_of(folder: Path, step: int) -> Path:
    """Where the picture of what a motion made at a checkpoint lies, in its folder or its job's."""
    return folder / "previews" / f"{step:06d}.png"


def write_preset(folder: Path, preset: Preset) -> None:
    text = json.dumps({"schema": SCHEMA, "preset": to_plain(preset)}, indent=2, ensure_ascii=False)
    write_whole(folder / FILE, text.encode())


def list_presets(folder: Path) -> list[tuple[Path, Preset]]:
    """The readable motions directly in `folder`, by title; what cannot be read is not listed."""
    found = []
    for path in sorted(folder.glob(f"*/{FILE}")):
        try:
            found.append((path.parent, read_preset(path.parent)))
        except UserError:
            continue
    return sorted(found, key=lambda item: item[1].title.casefold())


def replace_folder(made: Path, final: Path) -> None:
    """Move a finished folder into place; an older one under that name goes only once the new one is whole."""
    final.parent.mkdir(parents=True, exist_ok=True)
    old = final.with_name(f".{final.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    made.rename(final)
    shutil.rmtree(old, ignore_errors=True)
