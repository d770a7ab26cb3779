"""Prompt and motions → clips. Previews while learning are made by the same `make_clip`."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.api.protocol import Edit, Generate, Motion, Rate, Sampling, Stacking
from backend.api.values import to_plain
from backend.diffusion.sampling import Predict, ddim_sample, follow_source
from backend.errors import UserError
from backend.families.base import Family
from backend.media import clips
from backend.media.finishing import smoothed
from backend.tasks.bases import (
    Acting,
    LoadedLooks,
    LoadedMotion,
    load_looks,
    load_motions,
    most_present,
    open_base,
    parts_of,
)
from backend.tasks.finish import finished, second_base
from backend.tasks.following import followed, inverted_latent
from backend.tasks.prepare import latent_noise
from backend.tasks.prompted import read_apart, read_prompt, unsaid
from backend.tasks.run import Result, Run
from backend.tasks.stacking import added, apart, by_kind


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


def generate(request: Generate, run: Run) -> Result:
    """Raises UserError for an empty prompt, sizes the base cannot make, and motions of another base."""
    check_output(request.out, request.prompt)
    family = open_base(request.base, request.compute, run)
    motions, looks = load_motions(request.motions, family), load_looks(request.looks, family)
    s = native(request.sampling, family, motions)
    start = followed(request, motions, s.frames)
    size = (s.width, s.height)
    second = second_base(request, size, family, run)
    acts = acting_on(request, s, family, motions, looks)
    inverted = inverted_latent(family, start.clip, s.frames, size, s.steps, run) if start else None
    acted: list[Acting] = [*motions, *looks]

    def made() -> Generator[np.ndarray[Any, Any]]:
        with acts as predict:
            for i in range(request.count):
                which = f"clip {i + 1} of {request.count}" if request.count > 1 else ""
                noise = clip_noise(family, s, request.seed + i)
                if start and inverted is not None:
                    noise = follow_source(inverted, noise, start.shares.to(noise))
                yield make_clip(family, predict, noise, s, run, which)

    request = replace(request, follow=start.follow if start else 0.0)
    outputs = write_results(request, made(), s, family, second, acted, run)
    notes = tuple(one.note for one in acted if one.note)
    return Result(outputs, notes + unsaid(request.prompt, motions))


def acting_on(
    request: Generate | Edit,
    s: Native,
    family: Family,
    motions: Sequence[LoadedMotion],
    looks: Sequence[LoadedLooks],
) -> AbstractContextManager[Predict]:
    """Reads the prompt at once. Inside the block → what is predicted under it with all that acts.

    Apart only where motions of a camera and of a subject act; all else is added up.
    """
    parts = parts_of([*motions, *looks], s.frames, request.balance)
    strengths = [part.strengths for part in parts[: len(motions)]]
    if s.stacking == "apart" and {"camera", "subject"} <= {motion.preset.kind for motion in motions}:
        said = read_apart(family, request.prompt, s.guidance, motions, strengths)
        return apart(family, said, by_kind(motions, parts))
    return added(family, read_prompt(family, request.prompt, s.guidance, motions, strengths=strengths), parts)


def check_output(out: str, prompt: str) -> None:
    """What is seen and where the clip goes, checked before any work is done."""
    if not prompt.strip():
        raise UserError(
            "The prompt is empty.", "Write what should be seen, such as: a blue star over a brown ground."
        )
    name = Path(out).name
    if Path(name).suffix.lower() != ".mp4":
        raise UserError(f"The result {name!r} is not an .mp4 file.", "End the name of the result in .mp4.")


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


def make_clip(
    family: Family, predict: Predict, noise: Tensor, s: Native, run: Run, note: str = ""
) -> np.ndarray[Any, Any]:
    """Noise (1, C, F, h, w) → (F, H, W, 3) uint8 RGB, with whatever adapters act at the moment."""
    with torch.no_grad():
        latents = ddim_sample(
            predict,
            noise,
            family.schedule(s.steps),
            family.path,
            lambda done, total: run.step("Making the clip", done, total, note),
        )
        frames: np.ndarray[Any, Any] = family.decode(latents)
    return frames


def numbered(out: Path, index: int) -> Path:
    """a.mp4, a-2.mp4, a-3.mp4 …"""
    return out if index == 0 else out.with_name(f"{out.stem}-{index + 1}{out.suffix}")


def write_results(
    request: Generate | Edit,
    made: Generator[np.ndarray[Any, Any]],
    s: Native,
    family: Family,
    second: Family | None,
    acted: Sequence[Acting],
    run: Run,
) -> tuple[str, ...]:
    """The clips, finished, at the asked-for rate, each with all that it takes to make it alone inside and
    beside it. Both bases are as they were when this ends, however it does.
    """
    request = replace(request, motions=_whose(request.motions, acted), sampling=s.sampling())
    in_time = smoothed if request.finish.between == "interpolate" else clips.resample
    written = []
    with closing(made), closing(finished(request, made, family, second, acted, run)) as done:
        for i, frames in enumerate(done):
            path = numbered(Path(request.out), i)
            one = replace(request, seed=request.seed + i, count=1, out=str(path))
            shown = in_time(frames, family.profile.fps, s.rate, s.length)
            clips.write(path, shown, s.rate, _metadata(one, family, acted))
            written.append(str(path))
    return tuple(written)


def _whose(motions: Sequence[Motion], acted: Sequence[Acting]) -> tuple[Motion, ...]:
    """The motions, each with whose it was: its preset may say otherwise later."""
    whose = {one.asked: one.preset.moves for one in acted if isinstance(one, LoadedMotion)}
    return tuple(replace(motion, kind=whose.get(motion, motion.kind)) for motion in motions)


def _metadata(request: Generate | Edit, family: Family, acted: Sequence[Acting]) -> dict[str, Any]:
    return {
        "schema": 1,
        "request": to_plain(request),
        "base": vars(family.fingerprint) | {"name": family.profile.name, "version": family.profile.version},
        "motions": {_named(m): m.hash for m in acted if isinstance(m, LoadedMotion)},
        "looks": {Path(x.asked.path).name: x.hash for x in acted if not isinstance(x, LoadedMotion)},
    }


def _named(motion: LoadedMotion) -> str:
    step = motion.asked.step
    return f"{motion.preset.title}, after {step} steps" if step else motion.preset.title
