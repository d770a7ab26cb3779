"""From what a request says of a base and of motions to the model and the LoRAs that act on it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from backend.api.library import expand_user
from backend.api.presets import Preset, of_step, read_preset
from backend.api.protocol import Compute, Looks, Motion, per_frame
from backend.diffusion.adapters import Lora, State, fits
from backend.diffusion.stacking import Part, balanced, presence
from backend.diffusion.tensors import read_tensors
from backend.diffusion.tokens import NO_TOKENS, whole
from backend.errors import UserError
from backend.families.base import Family
from backend.families.lora_files import read_lora_file
from backend.families.unet3d import UNet3D
from backend.families.weights import find_base
from backend.tasks.run import Run


def open_base(name: str, compute: Compute, run: Run) -> Family:
    """Raises UserError when the base is not there or of no known kind."""
    folder = find_base(name, run.library, report=lambda what: run.step(what, 0, 1))
    return UNet3D(folder, name, device=compute.device, precision=compute.precision, memory=compute.memory)


@dataclass(frozen=True)
class LoadedMotion:
    asked: Motion
    preset: Preset
    lora: Lora  # as learned
    hash: str  # of the weights files
    note: str = ""
    tokens: Mapping[str, Tensor] = field(
        default_factory=dict
    )  # new words that it brings: word → embeddings (n, D)

    @property
    def is_motion(self) -> bool:
        """Or looks that were kept beside one."""
        return self.preset.moves is not None


def load_motions(motions: Sequence[Motion], family: Family) -> list[LoadedMotion]:
    """The motions that act (not 0 all through), checked against the base."""
    return [load_motion(m, family) for m in motions if any(k.strength for k in m.curve or (m,))]


def load_motion(motion: Motion, family: Family) -> LoadedMotion:
    """Raises UserError for a motion learned on another architecture, or whose weights are damaged, and for
    looks that are said to be somebody's motion.
    """
    folder = Path(motion.path)
    preset = read_preset(folder)
    if motion.kind:
        if preset.moves is None:
            raise UserError(f"{preset.title!r} holds looks and no motion.", "Choose a motion.")
        preset = replace(preset, kind=motion.kind)
    base = family.fingerprint
    at_step = of_step(preset, motion.step)
    same = [w for w in at_step if w.architecture == base.architecture]
    exact = [w for w in same if w.fingerprint == base.weights]
    if not same:
        learned_on = ", ".join(w.base for w in at_step) or "no base"
        raise UserError(
            f"The motion {preset.title!r} was learned on {learned_on}, not on {family.profile.name}.",
            f"Learn it again on {family.profile.name}, or generate with the base that it was learned on.",
        )
    note = (
        ""
        if exact
        else f"{preset.title!r} was learned on other weights of this base and may act differently."
    )
    weights = (exact or same)[0]
    files = [folder / "weights" / name for name in (weights.file, weights.words) if name]
    state, scale = read_lora(files[0]) if weights.file else ({}, 1.0)
    tokens = read_words(files[-1]) if weights.words else NO_TOKENS
    if weights.file and not fits(family.denoiser, state):
        raise UserError(
            f"The weights of the motion {preset.title!r} do not fit the base.",
            "Restore them from a copy, or learn it again.",
        )
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    return LoadedMotion(motion, preset, Lora(state, scale), digest, note, tokens)


@dataclass(frozen=True)
class LoadedLooks:
    asked: Looks
    lora: Lora
    hash: str
    note: str
    is_motion: ClassVar[bool] = False


def load_looks(looks: Sequence[Looks], family: Family) -> list[LoadedLooks]:
    """The LoRA files that act. Raises UserError for one that is none or does not fit the base."""
    loaded = []
    for one in looks:
        if any(k.strength for k in one.curve or (one,)):
            path = expand_user(one.path)
            found = read_lora_file(path, family)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
            loaded.append(LoadedLooks(one, found.lora, digest, found.note and f"{path.name}: {found.note}"))
    return loaded


Acting = LoadedMotion | LoadedLooks


def parts_of(acted: Sequence[Acting], frames: int, balance: float) -> list[Part]:
    """What of each acts on clips of that many frames, motions balanced among themselves."""
    parts = [Part(x.lora, per_frame(x.asked.strength, x.asked.curve, frames)) for x in acted]
    motions = [i for i, one in enumerate(acted) if one.is_motion]
    for i, part in zip(motions, balanced([parts[i] for i in motions], balance), strict=True):
        parts[i] = part
    return parts


def most_present(acted: Sequence[Acting], frames: int) -> float:
    """How far the motion that is most present is there, in the frame where it is most (`presence`)."""
    motions = (x.asked for x in acted if x.is_motion)
    shares = (presence(per_frame(asked.strength, asked.curve, frames)).max() for asked in motions)
    return max((share.item() for share in shares), default=0.0)


def read_lora(path: Path) -> tuple[State, float]:
    """→ (tensors, without "unet." before their names; the factor on BA). Raises UserError if damaged."""
    try:
        tensors, metadata = read_tensors(path)
        config = json.loads(metadata["lora_adapter_metadata"])
        scale = config["unet.lora_alpha"] / config["unet.r"]
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise UserError(
            f"The weights {path} cannot be read.", "Restore them from a copy, or learn the motion again."
        ) from error
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise UserError(f"The weights {path} hold values that are not numbers.", "Learn the motion again.")
    return {key.removeprefix("unet."): tensor for key, tensor in tensors.items()}, scale


def read_words(path: Path) -> dict[str, Tensor]:
    """New words and their embeddings (n, D). Raises UserError if damaged."""
    try:
        tensors, _ = read_tensors(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"The words {path} cannot be read.", "Restore them from a copy, or learn the motion again."
        ) from error
    if not all(t.ndim == 2 and t.isfinite().all() for t in tensors.values()):
        raise UserError(f"The words {path} are no embeddings.", "Learn the motion again.")
    return tensors


def with_motion_words(prompt: str, motions: Iterable[str]) -> str:
    """The prompt, followed by the words of each motion that it does not say yet.

    A motion was learned under its words; a prompt without them would leave the base guessing.
    """
    for words in (motion.strip() for motion in motions):
        if words and not whole(words).search(prompt):
            prompt = f"{prompt} {words}"
    return prompt
