"""A clip and a prompt → the clip again, from its DDIM-inverted latent."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np

from backend.api.protocol import Edit
from backend.diffusion.sampling import follow_source
from backend.tasks.bases import Acting, load_looks, load_motions, open_base
from backend.tasks.compositing import Noise
from backend.tasks.finish import second_base
from backend.tasks.following import inverted_latent
from backend.tasks.generate import check_output, notes_on, write_results
from backend.tasks.making import clip_noise, making, native, which
from backend.tasks.run import Result, Run


def edit(request: Edit, run: Run) -> Result:
    """Raises UserError as `generate` does, and for a clip that cannot be read."""
    check_output(request.out, request.prompt)
    family = open_base(request.base, request.compute, run)
    motions, looks = load_motions(request.motions, family), load_looks(request.looks, family)
    s = native(request.sampling, family, motions)
    # Sampled on the same timesteps as inverted: on others the latent is not the clip's.
    steps = request.inversion_steps or request.sampling.steps or family.profile.inversion_steps
    s = replace(s, steps=steps)
    second = second_base(request, (s.width, s.height), family, run)
    makes = making(request, s, family, motions, looks, run)
    inverted = inverted_latent(family, request.clip, s.frames, (s.width, s.height), steps, run)
    acted: list[Acting] = [*motions, *looks]

    def made() -> Generator[np.ndarray[Any, Any]]:
        with makes.ready as make:
            for i in range(request.count):
                plain = clip_noise(family, s, request.seed + i)
                noise = follow_source(inverted, plain, request.follow)
                # What moves in the strip would be added twice if further motions' ways held it too.
                yield make(Noise.same(noise)._replace(further=plain), which(i, request.count))

    outputs = write_results(request, made(), s, family, second, acted, run)
    return Result(outputs, notes_on(request, acted, makes, alike=request.follow == 1))
