"""What is done to clips once they are made: larger, and once more through a base where one is named.

A second pass is SDEdit (Meng et al., arXiv 2108.01073) as diffusers' VideoToVideoSDPipeline has it: the
enlarged clip is noised to a strength and denoised from there. Differs from it: DDIM, and the posterior's mean
in place of a sample.
"""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backend.api.protocol import Edit, Generate, per_frame
from backend.diffusion.sampling import ddim_sample
from backend.diffusion.stacking import stacked
from backend.diffusion.tokens import NO_TOKENS
from backend.errors import UserError
from backend.families.base import Family
from backend.media.finishing import larger
from backend.tasks.bases import Acting, LoadedMotion, most_present, open_base, parts_of
from backend.tasks.making import which
from backend.tasks.prepare import latent_noise
from backend.tasks.prompted import Prompted, guided, read_prompt, with_token, without_words
from backend.tasks.run import Run

SECOND = 2**32  # between the seeds of a clip and of its second pass: the same noise would only bring it back
Frames = np.ndarray[Any, Any]  # (F, H, W, 3) uint8 RGB


def second_base(request: Generate | Edit, size: tuple[int, int], family: Family, run: Run) -> Family | None:
    """The base of the second pass over clips of size (width, height), checked before any work; or None.

    Raises UserError when it is not there, or cannot make clips of the enlarged size.
    """
    name = request.finish.base.strip()
    if not name:
        return None
    second = family if name == request.base else open_base(name, request.compute, run)
    for pixels in (request.finish.factor * side for side in size):
        if pixels % second.size_multiple:
            raise UserError(
                f"{second.profile.name} cannot go over a clip with a side of {pixels} pixels.",
                f"Choose a size that is a multiple of {second.size_multiple}.",
            )
    return second


def finished(
    request: Generate | Edit,
    made: Iterable[Frames],
    family: Family,
    second: Family | None,
    acted: Sequence[Acting],
    run: Run,
) -> Generator[Frames]:
    """The clips that `family` makes, of the seeds from the request's on, at their final size.

    Each as soon as it is made, or, where a second base is to go over them, once all are. What acted acts in
    the second pass too, added up, on a base of the same architecture.
    """
    if second is None:
        yield from (larger(frames, request.finish.factor) for frames in made)
        return
    made = list(made)
    if second is not family:
        family.release("denoiser")  # memory has room for one
    same = second.fingerprint.architecture == family.fingerprint.architecture
    motions = [one for one in acted if isinstance(one, LoadedMotion)]
    prompt = with_token(request.prompt, [motion.preset.method for motion in motions])
    if not same:  # ordinary words still say how it moves; it does not know the new ones
        new = [word for motion in motions for word in motion.tokens]
        acted, motions = [], [_in_ordinary_words(motion) for motion in motions]
        prompt = without_words(new, prompt)
    strengths = [per_frame(one.asked.strength, one.asked.curve, len(made[0])) for one in motions]
    guidance = second.profile.guidance_at(most_present(acted if same else (), len(made[0])))
    prompted = read_prompt(second, prompt, guidance, motions, strengths=strengths)
    with stacked(second.denoiser, parts_of(acted, len(made[0]), request.balance), second.frame_layer):
        for i, frames in enumerate(made):
            enlarged = larger(frames, request.finish.factor)
            count, height, width = enlarged.shape[:3]
            noise = latent_noise(second, count, height, width, request.seed + SECOND + i)
            yield second_pass(
                second, prompted, enlarged, noise, request.finish.strength, run, which(i, len(made))
            )


def _in_ordinary_words(motion: LoadedMotion) -> LoadedMotion:
    preset = replace(motion.preset, motion=without_words(motion.tokens, motion.preset.motion))
    return replace(motion, preset=preset, tokens=NO_TOKENS)


def second_pass(
    family: Family, prompted: Prompted, frames: Frames, noise: Tensor, strength: float, run: Run, note: str
) -> Frames:
    """(F, H, W, 3) uint8 → the same, denoised from that share of the base's own steps."""
    schedule = family.schedule(family.profile.sampling_steps)
    rest = schedule[len(schedule) - int(strength * len(schedule)) :]
    if not rest:
        return frames
    with torch.no_grad():
        latents = family.encode(frames)
        t = torch.tensor(rest[:1], device=latents.device)
        latents = ddim_sample(
            guided(family, prompted),
            family.path.noised(latents, noise, t).x_t,
            rest,
            family.path,
            lambda done, total: run.step("Going over the clip once more", done, total, note),
        )
        passed: Frames = family.decode(latents)
    return passed
