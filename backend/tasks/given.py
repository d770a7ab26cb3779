"""Absorbers made elsewhere: a spatial LoRA, a textual inversion, a UNet, or looks that a motion kept."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from backend.api.library import expand_user
from backend.api.presets import FILE
from backend.api.protocol import Motion
from backend.diffusion.adapters import Lora
from backend.diffusion.tensors import read_pickled, read_tensors
from backend.diffusion.tokens import NO_TOKENS
from backend.errors import UserError
from backend.families.base import Family
from backend.families.lora_files import PICKLED, read_lora_file
from backend.families.whole_unet import read_looks, unet_folder
from backend.methods.absorber import WORD
from backend.tasks.bases import load_motion


@dataclass(frozen=True)
class Given:
    lora: Lora | None = None
    vectors: Mapping[str, Tensor] = field(default_factory=dict)  # word → (n, D)
    weights: Mapping[str, Tensor] = field(default_factory=dict)  # that stand in for the base's, by name
    hash: str = ""  # of the files' content
    note: str = ""  # what of them is not used


NOTHING = Given()


def read_given(place: str, family: Family) -> Given:
    """A looks folder, a UNet's or a pipeline's folder, a LoRA in diffusers' or ComfyUI's keys, or a textual
    inversion.

    Raises UserError for one that does not fit the base, and for a LoRA that changes how frames follow.
    """
    path = expand_user(place)
    if (path / FILE).is_file():
        kept = load_motion(Motion(path=str(path)), family)
        vectors = {WORD: next(iter(kept.tokens.values()))} if kept.tokens else NO_TOKENS
        return Given(_spatial(kept.lora, path, family), vectors, hash=kept.hash)
    if folder := unet_folder(path):
        weights = read_looks(folder, family)
        return Given(weights=weights, hash=_hash_of(weights))
    if not path.is_file():
        raise UserError(
            f"There is no absorber {place}.",
            "Give a LoRA, a textual inversion, a UNet folder, or the looks folder that a motion kept.",
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    if (vectors_found := _textual_inversion(path)) is None:
        found = read_lora_file(path, family)
        note = found.note and f"{path.name}: {found.note}"
        return Given(_spatial(found.lora, path, family), hash=digest, note=note)
    width = family.token_vectors("a").shape[1]
    if vectors_found.shape[1] != width:
        raise UserError(
            f"The textual inversion {path.name} is {vectors_found.shape[1]} wide, not {width}.",
            f"Give one that was made for the text model of {family.profile.name}.",
        )
    return Given(vectors={WORD: vectors_found}, hash=digest)


def _hash_of(weights: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()[:16]


def _spatial(lora: Lora, path: Path, family: Family) -> Lora | None:
    modules = {key.rsplit(".lora_", 1)[0] for key in lora.state}
    if any(family.frame_layer(module) != module for module in modules):
        raise UserError(
            f"The absorber {path.name} holds motion too, not only looks.",
            "Give a LoRA that was made for images, or the looks folder that a motion kept.",
        )
    return lora if lora.state else None


def _textual_inversion(path: Path) -> Tensor | None:
    """(n, D), when the file holds one tensor of embeddings and nothing else."""
    try:
        content = read_pickled(path) if path.suffix.lower() in PICKLED else read_tensors(path)[0]
    except (OSError, ValueError):
        return None
    tensors = list(content.values()) if isinstance(content, Mapping) else list(content)
    if len(tensors) != 1 or tensors[0].ndim not in (1, 2):
        return None
    return tensors[0].reshape(-1, tensors[0].shape[-1]).float()
