"""A clip and a prompt → the clip again, from its DDIM-inverted latent."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np

from backend.api.protocol import Edit
from backend.diffusion.sampling import follow_source
from backend.tasks.bases import Acting, load_looks, load_motions, open_base
from backend.tasks.finish import second_base
from backend.tasks.following import inverted_latent
from backend.tasks.generate import acting_on, check_output, clip_noise, make_clip, native, write_results
from backend.tasks.prompted import unsaid
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
    acts = acting_on(request, s, family, motions, looks)
    inverted = inverted_latent(family, request.clip, s.frames, (s.width, s.height), steps, run)
    acted: list[Acting] = [*motions, *looks]

    def made() -> Generator[np.ndarray[Any, Any]]:
        with acts as predict:
            for i in range(request.count):
                noise = follow_source(inverted, clip_noise(family, s, request.seed + i), request.follow)
                yield make_clip(family, predict, noise, s, run)

    outputs = write_results(request, made(), s, family, second, acted, run)
    notes = tuple(one.note for one in acted if one.note)
    return Result(outputs, notes + unsaid(request.prompt, motions))
