"""How one clip is made from noise, with whatever acts on it.

Previews while learning are made by the same `make_clip`.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fractions import Fraction

import torch
from torch import Tensor

from backend.api.protocol import Edit, Generate, Rate, Sampling, Stacking
from backend.diffusion.sampling import Predict, ddim_sample
from backend.errors import UserError
from backend.families.base import Family
from backend.tasks.bases import LoadedLooks, LoadedMotion, most_present
from backend.tasks.compositing import Frames, Make, composite, held
from backend.tasks.prepare import latent_noise
from backend.tasks.run import Run
from backend.tasks.stacking import Stack


@dataclass(frozen=True)
class Native:
    """A protocol.Sampling with nothing left open."""

    frames: int
    width: int  # pixels
    height: int
    steps: int
    guidance: float
    stacking: Stacking
    rate: Fraction  # of the written file
    length: int | None  # frames of the written file; None keeps the base's tempo

    def sampling(self) -> Sampling:
        rate = Rate(num=self.rate.numerator, den=self.rate.denominator)
        return Sampling(**{**vars(self), "rate": rate})


def native(sampling: Sampling, family: Family, motions: Sequence[LoadedMotion] = ()) -> Native:
    """With the base's own values in place of None, for clips on which `motions` act. Raises UserError for a
    size that the base cannot make."""
    p, multiple = family.profile, family.size_multiple
    width, height = sampling.width or p.width, sampling.height or p.height
    for name, pixels in (("width", width), ("height", height)):
        if pixels % multiple:
            nearest = max(1, round(pixels / multiple)) * multiple
            raise UserError(
                f"The {name} {pixels} is not a multiple of {multiple}.", f"Choose {nearest} instead."
            )
    frames, guidance = sampling.frames or p.frames, sampling.guidance
    return Native(
        frames=frames,
        width=width,
        height=height,
        steps=sampling.steps or p.sampling_steps,
        guidance=round(p.guidance_at(most_present(motions, frames)), 6) if guidance is None else guidance,
        stacking=sampling.stacking or p.stacking,
        rate=sampling.rate.fraction() if sampling.rate else p.fps,
        length=sampling.length,
    )


def clip_noise(family: Family, s: Native, seed: int) -> Tensor:
    """(1, C, F, h, w) on the device, the same on every device for the same seed."""
    return latent_noise(family, s.frames, s.height, s.width, seed)


def make_clip(family: Family, predict: Predict, noise: Tensor, s: Native, run: Run, note: str = "") -> Frames:
    """Noise (1, C, F, h, w) → (F, H, W, 3) uint8 RGB, with whatever adapters act at the moment."""
    with torch.no_grad():
        latents = ddim_sample(
            predict,
            noise,
            family.schedule(s.steps),
            family.path,
            lambda done, total: run.step("Making the clip", done, total, note),
        )
        frames: Frames = family.decode(latents)
    return frames


def which(index: int, count: int) -> str:
    """What a clip is called in progress and notes: nothing where it is the only one."""
    return f"clip {index + 1} of {count}" if count > 1 else ""


@dataclass(frozen=True)
class Making:
    """Clips under one prompt. Notes on how they were made come as they are made."""

    ready: AbstractContextManager[Make]
    notes: list[str] = field(default_factory=list)


def making(
    request: Generate | Edit,
    s: Native,
    family: Family,
    motions: Sequence[LoadedMotion],
    looks: Sequence[LoadedLooks],
    run: Run,
    lead: LoadedMotion | None = None,
) -> Making:
    """Reads the prompt at once. Apart only where motions of a camera and of a subject act; filmed there,
    where several of one of them do, and where one of a camera's does alone; all else is added up. `lead` is
    the motion whose clip is followed."""
    stack = Stack(family, request.prompt, s.guidance, s.frames, request.balance, motions, looks)

    def clip(predict: Predict, noise: Tensor, note: str) -> Frames:
        return make_clip(family, predict, noise, s, run, note)

    layers, notes = stack.layers(lead) if s.stacking == "filmed" else (None, [])
    if layers is None:
        return Making(held(stack.together(keep_apart=s.stacking != "added")(), clip), notes)
    second_pass = bool(request.finish.base.strip())
    return Making(composite(layers, clip, notes, second_pass=second_pass), notes)
