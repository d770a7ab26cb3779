"""Absorbers made elsewhere: a spatial LoRA, a textual inversion, or what a motion kept of its looks."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from backend.api.presets import FILE
from backend.api.protocol import Motion
from backend.diffusion.adapters import Lora
from backend.diffusion.tensors import read_tensors
from backend.diffusion.tokens import NO_TOKENS
from backend.errors import UserError
from backend.families.base import Family
from backend.families.lora_files import PICKLED, read_lora_file
from backend.methods.customize_a_video import WORD
from backend.tasks.bases import load_motion


@dataclass(frozen=True)
class Given:
    lora: Lora | None = None
    vectors: Mapping[str, Tensor] = field(default_factory=dict)  # word → (n, D)
    hash: str = ""  # of the files' content


NOTHING = Given()


def read_given(place: str, family: Family) -> Given:
    """A looks folder or a safetensors file. Raises UserError for one that does not fit the base."""
    path = Path(place).expanduser()
    if (path / FILE).is_file():
        kept = load_motion(Motion(path=str(path)), family)
        vectors = {WORD: next(iter(kept.tokens.values()))} if kept.tokens else NO_TOKENS
        return Given(kept.lora if kept.lora.state else None, vectors, kept.hash)
    try:
        tensors = {} if path.suffix.lower() in PICKLED else read_tensors(path)[0]
    except (OSError, ValueError) as error:
        raise UserError(
            f"The absorber {place} cannot be read.",
            "Give a .safetensors file with a LoRA or a textual inversion, or a looks folder.",
        ) from error
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    if not tensors or any("lora" in key for key in tensors):
        lora = read_lora_file(path, family).lora
        modules = {key.rsplit(".lora_", 1)[0] for key in lora.state}
        if any(family.frame_layer(module) != module for module in modules):
            raise UserError(
                f"The LoRA {path.name} changes motion, not looks alone.",
                f"Give one that was made for the image model that {family.profile.name} grew out of.",
            )
        return Given(lora, hash=digest)
    width = family.token_vectors("a").shape[1]
    found = [t.view(-1, t.shape[-1]).float() for t in tensors.values() if t.ndim in (1, 2)]
    if len(found) != 1 or found[0].shape[1] != width:
        raise UserError(
            f"{path.name} is neither a LoRA nor a textual inversion for this base.",
            f"Give a textual inversion whose vectors are {width} wide, or a LoRA.",
        )
    return Given(vectors={WORD: found[0]}, hash=digest)
