"""The noise that a clip comes from, for new clips to start from."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from backend.api.presets import REFERENCE
from backend.api.protocol import Clip, Generate
from backend.diffusion.sampling import ddim_invert
from backend.errors import UserError
from backend.families.base import Family
from backend.media import clips
from backend.tasks.bases import LoadedMotion
from backend.tasks.prompted import Prompted, guided
from backend.tasks.run import Run

REFINEMENTS = 2  # fixed-point rounds a step; see ddim_invert


def inverted_latent(
    family: Family, clip: Clip, frames: int, size: tuple[int, int], steps: int, run: Run
) -> Tensor:
    """(1, C, F, h, w): the noise that gives the clip back under its own words, without guidance."""
    pictures = clips.read(clip, frames=frames, fps=Fraction(family.profile.fps), size=size)
    source = family.encode(pictures)
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


def followed(request: Generate, motions: Sequence[LoadedMotion]) -> tuple[float, Clip | None]:
    """How closely new clips start from a learned clip, and from which; (0, None) for fresh noise.

    The first motion that recommends a start is followed, or, when the request says how closely, the first.
    Inverted under no words, by the base alone, as MotionDirector does. Raises UserError without a motion.
    """
    learned = [m for m in motions if m.preset.kind != "style"]
    recommended = [m for m in learned if m.preset.follow > 0]
    if request.follow == 0 or (request.follow is None and not recommended):
        return 0.0, None
    if not learned:
        raise UserError(
            "There is no motion whose clip could be followed.", "Add a motion, or follow its clip at 0."
        )
    motion = (recommended or learned)[0]
    closely = motion.preset.follow if request.follow is None else request.follow
    return closely, Clip(path=str(Path(motion.asked.path) / REFERENCE))
