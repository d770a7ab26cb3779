"""What was learned → a preset folder that other programs can load too."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from backend.api.library import write_whole
from backend.api.presets import FILE, REFERENCE, BaseWeights, Preset, replace_folder, write_preset
from backend.api.protocol import Clip, Learn, Rate
from backend.diffusion.adapters import Lora, State
from backend.errors import UserError
from backend.families.base import Family
from backend.families.lora_files import diffusers_file, model_spec
from backend.media import clips
from backend.media.pictures import png
from backend.methods.base import Adapter, Method
from backend.tasks.checkpoints import VECTORS
from backend.tasks.prepare import read_source

REFERENCE_SIDE = 512  # pixels of the reference clip's longer side at most


def preset_place(out: Path) -> Path:
    """Where the preset goes, checked before any work: nothing but an older motion is ever replaced."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / FILE).is_file()):
        raise UserError(
            f"{out} is there already and is not a motion.", "Choose another place for the motion."
        )
    return out


@dataclass(frozen=True)
class Holding:
    """What one preset folder holds."""

    preset: Preset  # all but its weights
    clip: Clip  # the one that stands for it
    lora: tuple[Adapter, State] | None = None
    word: tuple[str, Tensor] | None = None  # a new word and its vectors (n, D)


def places(method: Method, out: Path) -> list[Path]:
    """Where the motion goes, and what is kept beside it; checked before any work."""
    beside = [out.with_name(f"{out.name}-looks{f'-{i}' if i > 1 else ''}")
              for i in range(1, len(method.beside) + 1)]  # fmt: skip
    return [preset_place(place) for place in (out, *beside)]


def keep_learned(
    request: Learn, family: Family, method: Method, learned: Mapping[str, State], out: Path
) -> tuple[str, ...]:
    """Write every preset folder; → their paths, the motion's first."""
    made = places(method, out)
    for place, holding in zip(made, _holdings(request, family, method, learned), strict=True):
        _write(request, family, holding, place)
    return tuple(str(place) for place in made)


def _holdings(
    request: Learn, family: Family, method: Method, learned: Mapping[str, State]
) -> Iterator[Holding]:
    p, shown = family.profile, (*request.clips, *request.stills)
    adapters = {a.name: (a, learned[a.name]) for a in method.adapters}
    words = {w.name: (w.word, learned[w.name][VECTORS]) for w in method.words}
    motion = Preset(
        title=request.title,
        motion=request.motion if method.kind != "style" else "",
        looks=shown[0].looks,
        kind=method.kind,
        method=request.method,
        steps=request.steps or 1,
        seed=request.seed,
        follow=method.follow,
        frames=p.frames,
        rate=Rate(num=p.fps.numerator, den=p.fps.denominator),
    )
    yield Holding(motion, shown[0], adapters[method.kept], words.get(method.kept_word))
    for beside in method.beside:
        title = f"Looks: {beside.looks}" if beside.looks else f"Looks of {request.title}"
        looks = replace(motion, title=title, motion="", looks=beside.looks, kind="style", follow=0.0)
        lora, word = adapters.get(beside.adapter), words.get(beside.word)
        yield Holding(looks, shown[beside.clip], lora, word)


def _write(request: Learn, family: Family, holding: Holding, out: Path) -> None:
    """Write the preset folder beside `out` and move it into place when it is whole."""
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        (part / "weights").mkdir(parents=True)
        preset = replace(holding.preset, weights=(_write_weights(family, holding, part / "weights"),))
        _write_reference(holding.clip, family, preset, part)
        write_preset(part, preset)
        replace_folder(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_weights(family: Family, holding: Holding, folder: Path) -> BaseWeights:
    name = re.sub(r"[^\w.-]+", "-", family.profile.name).strip("-") or "base"
    file, words = "", ""
    if holding.lora:
        file = f"{name}.safetensors"
        adapter, state = holding.lora
        preset = holding.preset
        header = model_spec(family, preset.title, preset.motion or preset.looks)
        write_whole(folder / file, diffusers_file(Lora(state, adapter.scale), header))
    if holding.word:
        words = f"{name}-words.safetensors"
        write_whole(folder / words, save({holding.word[0]: holding.word[1].contiguous()}))
    base = family.fingerprint
    return BaseWeights(
        base=family.profile.name,
        architecture=base.architecture,
        fingerprint=base.weights,
        file=file,
        words=words,
    )


def _write_reference(clip: Clip, family: Family, preset: Preset, part: Path) -> None:
    """The clip as it was learned from: its range and direction, sampled at the base's rate."""
    p = family.profile
    scale = max(1.0, REFERENCE_SIDE / max(p.width, p.height) / 2)
    size = (round(p.width * scale / 2) * 2, round(p.height * scale / 2) * 2)
    frames = read_source(clip, family, size, p.frames)
    clips.write(part / REFERENCE, frames, p.fps, {"schema": 1, "motion": preset.motion})
    write_whole(part / "thumbnail.png", png(frames[len(frames) // 2]))
