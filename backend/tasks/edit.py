"""A clip and a prompt → the clip again, from its DDIM-inverted latent."""

from dataclasses import replace
from fractions import Fraction

import torch
from torch import Tensor

from backend.api.protocol import Clip, Edit
from backend.diffusion.sampling import ddim_invert, follow_source
from backend.families.base import Family
from backend.media import clips
from backend.tasks.bases import acting, load_motions, open_base, with_motion_words
from backend.tasks.generate import (
    Native,
    Prompted,
    clip_noise,
    embed,
    guided,
    make_clip,
    native,
    numbered,
    output_path,
    write_result,
)
from backend.tasks.run import Result, Run

REFINEMENTS = 2  # fixed-point rounds a step; see ddim_invert


def edit(request: Edit, run: Run) -> Result:
    """Raises UserError as `generate` does, and for a clip that cannot be read."""
    out = output_path(request.out, request.prompt)
    family = open_base(request.base, request.compute, run)
    s = native(request.sampling, family)
    motions = load_motions(request.motions, family)
    # Sampled on the same timesteps as inverted: on others the latent is not the clip's.
    steps = request.inversion_steps or request.sampling.steps or family.profile.inversion_steps
    s = replace(s, steps=steps)
    inverted = inverted_latent(family, request.clip, s, steps, run)
    prompted = embed(family, with_motion_words(request.prompt, [m.preset.motion for m in motions]), s)
    outputs = []
    with acting(family, motions, s.frames, request.balance):
        for i in range(request.count):
            noise = follow_source(inverted, clip_noise(family, s, request.seed + i), request.follow)
            frames = make_clip(family, prompted, noise, s, run)
            one = replace(request, seed=request.seed + i, count=1, out=str(numbered(out, i)))
            outputs.append(write_result(one, frames, s, family, motions))
    return Result(tuple(outputs), tuple(m.note for m in motions if m.note))


def inverted_latent(family: Family, clip: Clip, s: Native, steps: int, run: Run) -> Tensor:
    """(1, C, F, h, w): the noise that gives the clip back under its own words, without guidance."""
    frames = clips.read(clip, frames=s.frames, fps=Fraction(family.profile.fps), size=(s.width, s.height))
    source = family.encode(frames)
    family.release("pixels")
    caption = Prompted(family.embed([clip.looks.strip()]), torch.empty(0), guidance=1.0)
    with torch.no_grad():
        return ddim_invert(
            guided(family, caption),
            source,
            family.schedule(steps),
            family.path,
            lambda done, total: run.step("Following the clip back to noise", done, total),
            REFINEMENTS,
        )
