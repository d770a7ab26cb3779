"""What was learned → a preset folder that other programs can load too."""

import json
import re
import shutil
from fractions import Fraction
from pathlib import Path

from safetensors.torch import save

from backend.api.library import write_whole
from backend.api.presets import FILE, BaseWeights, Preset, replace_folder, write_preset
from backend.api.protocol import Learn, Rate
from backend.diffusion.adapters import State
from backend.errors import UserError
from backend.families.base import Family
from backend.media import clips
from backend.media.pictures import png
from backend.methods.base import Adapter

REFERENCE_SIDE = 512  # pixels of the reference clip's longer side at most


def preset_place(out: Path) -> Path:
    """Where the preset goes, checked before any work: nothing but an older motion is ever replaced."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / FILE).is_file()):
        raise UserError(
            f"{out} is there already and is not a motion.", "Choose another place for the motion."
        )
    return out


def keep_motion(request: Learn, family: Family, adapter: Adapter, state: State, out: Path) -> None:
    """Write the preset folder beside `out` and move it into place when it is whole."""
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        (part / "weights").mkdir(parents=True)
        name = re.sub(r"[^\w.-]+", "-", family.profile.name).strip("-") or "base"
        write_whole(part / "weights" / f"{name}.safetensors", lora_file(request, family, adapter, state))
        _write_reference(request, family, part)
        write_preset(part, _preset(request, family, f"{name}.safetensors"))
        replace_folder(part, out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def lora_file(request: Learn, family: Family, adapter: Adapter, state: State) -> bytes:
    """The LoRA as safetensors with diffusers keys, `lora_adapter_metadata` and ModelSpec headers.

    `lora_alpha` is α·r, as peft divides by the rank what this project multiplies by.
    """
    modules = sorted({key.rsplit(".lora_", 1)[0] for key in state})
    config = {
        "unet.r": adapter.rank,
        "unet.lora_alpha": adapter.scale * adapter.rank,
        "unet.target_modules": modules,
    }
    metadata = {
        "format": "pt",
        "lora_adapter_metadata": json.dumps(config),
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": "unet3d-text-to-video/lora",
        "modelspec.implementation": "https://github.com/huggingface/diffusers",
        "modelspec.title": request.title or request.motion,
        "modelspec.trigger_phrase": request.motion,
        "restage.base": json.dumps(vars(family.fingerprint)),
    }
    data: bytes = save(
        {f"unet.{key}": tensor.contiguous() for key, tensor in state.items()}, metadata=metadata
    )
    return data


def _write_reference(request: Learn, family: Family, part: Path) -> None:
    """The first clip as it was learned from: its range, sampled at the base's rate."""
    p = family.profile
    scale = max(1.0, REFERENCE_SIDE / max(p.width, p.height) / 2)
    size = (round(p.width * scale / 2) * 2, round(p.height * scale / 2) * 2)
    frames = clips.read(request.clips[0], frames=p.frames, fps=Fraction(p.fps), size=size)
    clips.write(part / "reference.mp4", frames, p.fps, {"schema": 1, "motion": request.motion})
    write_whole(part / "thumbnail.png", png(frames[len(frames) // 2]))


def _preset(request: Learn, family: Family, file: str) -> Preset:
    p, base = family.profile, family.fingerprint
    weights = BaseWeights(base=p.name, architecture=base.architecture, fingerprint=base.weights, file=file)
    return Preset(
        title=request.title or request.motion,
        motion=request.motion.strip(),
        looks=request.clips[0].looks,
        method=request.method,
        steps=request.steps or 1,
        seed=request.seed,
        frames=p.frames,
        rate=Rate(num=p.fps.numerator, den=p.fps.denominator),
        weights=(weights,),
    )
