"""From what a request says of a base and of motions to the model and the LoRAs that act on it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load

from backend.api.presets import Preset, read_preset
from backend.api.protocol import Compute, Motion
from backend.api.settings import resolved
from backend.diffusion.adapters import Lora, fits
from backend.errors import UserError
from backend.families.base import Family
from backend.families.unet3d import UNet3D
from backend.families.weights import find_base
from backend.tasks.run import Run


def open_base(name: str, compute: Compute, run: Run) -> Family:
    """Raises UserError when the base is not there or of no known kind."""
    folder = find_base(name, run.library, report=lambda what: run.step(what, 0, 1))
    return UNet3D(folder, name, device=compute.device, precision=compute.precision, memory=compute.memory)


@dataclass(frozen=True)
class LoadedMotion:
    preset: Preset
    lora: Lora
    hash: str  # of the weights file
    note: str = ""


def load_motions(motions: Sequence[Motion], family: Family) -> list[LoadedMotion]:
    """The motions that act (strength not 0), checked against the base."""
    return [load_motion(m, family) for m in motions if m.strength != 0]


def load_motion(motion: Motion, family: Family) -> LoadedMotion:
    """Raises UserError for a motion learned on another architecture, or whose weights are damaged."""
    folder = Path(motion.path)
    preset = read_preset(folder)
    base = family.fingerprint
    same = [w for w in preset.weights if w.architecture == base.architecture]
    exact = [w for w in same if w.fingerprint == base.weights]
    if not same:
        learned_on = ", ".join(w.base for w in preset.weights) or "no base"
        raise UserError(
            f"The motion {preset.title!r} was learned on {learned_on}, and cannot act on {family.profile.name}.",
            f"Learn it again on {family.profile.name}, or generate with the base that it was learned on.",
        )
    note = (
        ""
        if exact
        else f"{preset.title!r} was learned on other weights of this base and may act differently."
    )
    data, state = _read_weights(folder / "weights" / (exact or same)[0].file)
    if not fits(family.denoiser, state):
        raise UserError(
            f"The weights of the motion {preset.title!r} do not fit the base.",
            "Restore them from a copy, or learn it again.",
        )
    lora = Lora(state, motion.strength * resolved(preset.method, {}).alpha)
    return LoadedMotion(preset, lora, hashlib.sha256(data).hexdigest()[:16], note)


def _read_weights(path: Path) -> tuple[bytes, dict]:
    """Whole at once: a file cut short while it is mapped would end the process."""
    try:
        data = path.read_bytes()
        state = {key.removeprefix("unet."): tensor for key, tensor in load(data).items()}
    except Exception as error:  # safetensors raises its own Rust error types for damaged files
        raise UserError(
            f"The weights {path} cannot be read.", "Restore them from a copy, or learn the motion again."
        ) from error
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise UserError(f"The weights {path} hold values that are not numbers.", "Learn the motion again.")
    return data, state


def with_motion_words(prompt: str, motions: Sequence[LoadedMotion]) -> str:
    """The prompt, followed by the words of each motion that it does not say yet.

    A motion was learned under its words; a prompt without them would leave the base guessing.
    """
    for motion in motions:
        words = motion.preset.motion.strip()
        if words and words.casefold() not in prompt.casefold():
            prompt = f"{prompt} {words}"
    return prompt
