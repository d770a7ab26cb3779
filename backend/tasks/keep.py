"""What was learned → a preset folder that other programs can load too."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from backend.api.library import write_whole
from backend.api.presets import (
    FILE,
    REFERENCE,
    BaseWeights,
    Kind,
    Preset,
    preview_of,
    replace_folder,
    write_preset,
)
from backend.api.protocol import Clip, Learn, Rate
from backend.diffusion.adapters import Lora, State
from backend.errors import UserError
from backend.families.base import Family
from backend.families.lora_files import diffusers_file, model_spec
from backend.media import clips
from backend.media.camera_words import camera_alone
from backend.media.motion import movement
from backend.media.pictures import png
from backend.methods.base import Adapter, Method
from backend.tasks.checkpoints import VECTORS, Learned, States
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
class Weights:
    lora: tuple[Adapter, State] | None
    word: tuple[str, Tensor] | None  # a new word and its vectors (n, D)
    step: int = 0  # of a checkpoint; 0 is the end


@dataclass(frozen=True)
class Holding:
    """What one preset folder holds."""

    preset: Preset  # all but its weights
    clip: Clip  # the one that stands for it
    weights: tuple[Weights, ...]  # as it was at the end, then at checkpoints
    previews: Mapping[int, Path] = field(default_factory=dict)  # pictures of what it made, by step


def places(method: Method, out: Path) -> list[Path]:
    """Where the motion goes, and what is kept beside it; checked before any work."""
    beside = [out.with_name(f"{out.name}-looks{f'-{i}' if i > 1 else ''}")
              for i in range(1, len(method.beside) + 1)]  # fmt: skip
    return [preset_place(place) for place in (out, *beside)]


def keep_learned(
    request: Learn, family: Family, method: Method, learned: Learned, out: Path
) -> tuple[str, ...]:
    """Write every preset folder; → their paths, the motion's first."""
    made = places(method, out)
    for place, holding in zip(made, _holdings(request, family, method, learned), strict=True):
        _write(request, family, holding, place)
    return tuple(str(place) for place in made)


def moved_by(clip: Clip, family: Family) -> Kind:
    """Whose motion a clip shows: the camera's, where that is all that moves."""
    p = family.profile
    frames = read_source(clip, family, (p.width, p.height), p.frames)
    return "camera" if camera_alone(movement(frames), frames) else "subject"


def _holdings(request: Learn, family: Family, method: Method, learned: Learned) -> Iterator[Holding]:
    p, shown = family.profile, (*request.clips, *request.stills)
    adapters, words = {a.name: a for a in method.adapters}, {w.name: w.word for w in method.words}

    def weights(state: States, adapter: str, word: str, step: int = 0) -> Weights:
        lora = (adapters[adapter], state[adapter]) if adapter in adapters else None
        return Weights(lora, (words[word], state[word][VECTORS]) if word in state else None, step)

    motion = Preset(
        title=request.title,
        motion=request.motion if method.kind != "style" else "",
        looks=shown[0].looks,
        kind="style" if method.kind == "style" else moved_by(shown[0], family),
        method=request.method,
        steps=request.steps or 1,
        seed=request.seed,
        follow=method.follow,
        frames=p.frames,
        rate=Rate(num=p.fps.numerator, den=p.fps.denominator),
    )
    stages = {0: learned.end, **learned.checkpoints}
    kept = tuple(weights(state, method.kept, method.kept_word, step) for step, state in stages.items())
    yield Holding(motion, shown[0], kept, learned.previews)
    for beside in method.beside:
        title = f"Looks: {beside.looks}" if beside.looks else f"Looks of {request.title}"
        said = beside.say or beside.looks
        looks = replace(motion, title=title, motion="", looks=said, kind="style", follow=0.0)
        yield Holding(looks, shown[beside.clip], (weights(learned.end, beside.adapter, beside.word),))


def _write(request: Learn, family: Family, holding: Holding, out: Path) -> None:
    """Write the preset folder beside `out` and move it into place when it is whole."""
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        (part / "weights").mkdir(parents=True)
        written = (_write_weights(family, holding.preset, w, part / "weights") for w in holding.weights)
        preset = replace(holding.preset, weights=tuple(written))
        _write_reference(holding.clip, family, preset, part)
        for step, picture in holding.previews.items():
            write_whole(preview_of(part, step), picture.read_bytes())
        write_preset(part, preset)
        replace_folder(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_weights(family: Family, preset: Preset, weights: Weights, folder: Path) -> BaseWeights:
    name = re.sub(r"[^\w.-]+", "-", family.profile.name).strip("-") or "base"
    name += f"-{weights.step:06d}" if weights.step else ""
    file, words = "", ""
    if weights.lora:
        file = f"{name}.safetensors"
        adapter, state = weights.lora
        header = model_spec(family, preset.title, preset.motion or preset.looks)
        write_whole(folder / file, diffusers_file(Lora(state, adapter.scale), header))
    if weights.word:
        words = f"{name}-words.safetensors"
        write_whole(folder / words, save({weights.word[0]: weights.word[1].contiguous()}))
    base = family.fingerprint
    return BaseWeights(
        base=family.profile.name,
        architecture=base.architecture,
        fingerprint=base.weights,
        file=file,
        words=words,
        step=weights.step,
    )


def _write_reference(clip: Clip, family: Family, preset: Preset, part: Path) -> None:
    """The clip as it was learned from: its range and direction, sampled at the base's rate."""
    p = family.profile
    scale = max(1.0, REFERENCE_SIDE / max(p.width, p.height) / 2)
    size = (round(p.width * scale / 2) * 2, round(p.height * scale / 2) * 2)
    frames = read_source(clip, family, size, p.frames)
    clips.write(part / REFERENCE, frames, p.fps, {"schema": 1, "motion": preset.motion})
    write_whole(part / "thumbnail.png", png(frames[len(frames) // 2]))
