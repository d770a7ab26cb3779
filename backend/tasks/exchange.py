"""Motions from other programs' files into presets, and presets into files for other programs."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from backend.api.exchange import Format
from backend.api.library import write_whole
from backend.api.presets import BaseWeights, Preset, of_step, read_preset, replace_folder, write_preset
from backend.api.protocol import Compute, Export, Import, Rate
from backend.diffusion.adapters import Lora
from backend.diffusion.tensors import read_tensors
from backend.errors import UserError
from backend.families.base import Family
from backend.families.lora_files import comfyui_file, diffusers_file, model_spec, read_lora_file
from backend.tasks.bases import open_base, read_lora, read_words
from backend.tasks.run import Result, Run


def perform_import(request: Import, run: Run) -> Result:
    """Into a new folder in `request.out`. Raises UserError as `import_motion` does."""
    family = open_base(request.base, Compute(device="cpu"), run)  # only its layers' names are asked
    place = Path(request.out)
    folder, note = import_motion(Path(request.path), request.words, request.title, family, place)
    return Result((str(folder),), (note,) if note else ())


def perform_export(request: Export) -> Result:
    """Raises UserError as `export_motion` does."""
    out = Path(request.out)
    written = export_motion(Path(request.motion), request.format, request.base, out, request.step)
    return Result((request.out,), (f"Written: {' and '.join(map(str, written))}",))


def import_motion(path: Path, words: str, title: str, family: Family, presets: Path) -> tuple[Path, str]:
    """Somebody's motion → a new preset folder in `presets`, and a note on what of the file is not used.

    Raises UserError for a file that is no LoRA for this base, and for one that changes no temporal layer.
    """
    if not words.strip():
        raise UserError("The motion has no words.", "Say how it moves, such as: moving in a circle.")
    found = read_lora_file(path, family)
    modules = {key.rsplit(".lora_", 1)[0] for key in found.lora.state}
    if all(family.frame_layer(module) == module for module in modules):
        raise UserError(
            f"{path.name} changes looks, not motion: none of its layers sees several frames.",
            "Use it for the looks of new clips: under “Look like” in Blender, with --lora in a terminal.",
        )
    title = title.strip() or words.strip()
    folder = _free_place(presets, title)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        name = re.sub(r"[^\w.-]+", "-", family.profile.name).strip("-") or "base"
        header = model_spec(family, title, words.strip())
        write_whole(part / "weights" / f"{name}.safetensors", diffusers_file(found.lora, header))
        write_preset(part, _preset(title, words.strip(), family, f"{name}.safetensors"))
        replace_folder(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder, found.note


def _preset(title: str, words: str, family: Family, file: str) -> Preset:
    p, base = family.profile, family.fingerprint
    weights = BaseWeights(base=p.name, architecture=base.architecture, fingerprint=base.weights, file=file)
    return Preset(
        title=title,
        motion=words,
        method=None,
        steps=None,
        frames=p.frames,
        rate=Rate(num=p.fps.numerator, den=p.fps.denominator),
        weights=(weights,),
    )


def _free_place(presets: Path, title: str) -> Path:
    """A folder named after the title that is not there yet."""
    name = re.sub(r"[^\w]+", "-", title.casefold()).strip("-")[:40].strip("-") or "motion"
    places = (presets / f"{name}{f'-{number}' if number > 1 else ''}" for number in range(1, 10_000))
    return next(place for place in places if not place.exists())


def export_motion(folder: Path, kind: Format, base: str, out: Path, step: int = 0) -> list[Path]:
    """A motion's LoRA, as after so many steps (0: at the end), as one .safetensors file, and what it learned
    of words as a textual inversion beside it (in its place, of looks that are words alone); → what is
    written. `base` says which, for a motion learned on several.

    Raises UserError for a motion of no base, one that the other program has no names for, and where the
    words' file would replace a stranger's.
    """
    if out.suffix.lower() != ".safetensors":
        raise UserError(
            f"{out.name} is not a .safetensors file.", "End the name of the file in .safetensors."
        )
    preset = read_preset(folder)
    at_step = of_step(preset, step)
    learned = [w for w in at_step if (w.file or w.words) and base in ("", w.base)]
    if len(learned) != 1:
        on = ", ".join(w.base for w in at_step if w.file or w.words) or "no base"
        raise UserError(
            f"The motion {preset.title!r} was learned on {on}.",
            "Choose one of these: the base model in Blender, --base in a terminal.",
        )
    files = {}
    if learned[0].file:
        files[out] = _lora_file(folder / "weights" / learned[0].file, kind)
    if learned[0].words:
        words = folder / "weights" / learned[0].words
        read_words(words)  # which says whether the file is sound
        files[out.with_name(f"{out.stem}-words.safetensors") if files else out] = words.read_bytes()
    _check_kept(out, files)
    for path, content in files.items():
        write_whole(path, content)
    return list(files)


def _check_kept(out: Path, files: Mapping[Path, bytes]) -> None:
    """Raises UserError where a file beside `out` would be lost that nobody was asked about.

    `out` itself was named, and asked about, by whoever exports; where it is there already, learned words
    beside it are of the export before.
    """
    for path, content in files.items():
        ours = path == out or not path.exists() or path.read_bytes() == content
        if not ours and not (out.exists() and _holds_words(path)):
            raise UserError(
                f"There is another {path.name} beside it, which the export would replace.",
                "Choose another name or folder, or move that file away.",
            )


def _holds_words(path: Path) -> bool:
    try:
        return bool(read_words(path))
    except UserError:
        return False


def _lora_file(path: Path, kind: Format) -> bytes:
    """Presets hold diffusers' keys."""
    state, scale = read_lora(path)  # which also says whether the file is sound
    if kind == "diffusers":
        return path.read_bytes()
    header = {k: v for k, v in read_tensors(path)[1].items() if k.startswith("modelspec.")}
    return comfyui_file(Lora(state, scale), header)
