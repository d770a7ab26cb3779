"""The noise that a clip comes from, for new clips to start from."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from backend.api.presets import REFERENCE
from backend.api.protocol import Clip, Generate, per_frame
from backend.diffusion.sampling import ddim_invert
from backend.diffusion.stacking import presence
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


class Start(NamedTuple):
    """The clip of a motion that new clips start from."""

    clip: Clip
    motion: LoadedMotion
    follow: float  # as the request says, or as the motion recommends
    shares: Tensor  # (F, 1, 1), of the clip's latent at each frame: `follow`, as far as the motion is present


def followed(request: Generate, motions: Sequence[LoadedMotion], frames: int) -> Start | None:
    """What new clips of so many frames start from; None is fresh noise.

    Of the motions that recommend a start, or of all when only the request says how closely, the strongest
    one is followed, wherever it stands, at each frame as far as it is present: √p_f = √p times its presence,
    so that what hardly acts hardly leads.
    Inverted under no words, by the base alone, as MotionDirector does. Raises UserError without a motion
    that has its clip.
    """
    learned = [m for m in motions if m.preset.kind != "style"]
    recommended = [m for m in learned if m.preset.follow > 0]
    if request.follow == 0 or (request.follow is None and not recommended):
        return None
    if not learned:
        raise UserError(
            "There is no motion whose clip could be followed.", "Add a motion, or follow its clip at 0."
        )
    asked = recommended or learned
    there = [m for m in asked if (Path(m.asked.path) / REFERENCE).is_file()]
    if not there:
        raise UserError(
            f"The motion {asked[0].preset.title!r} has no clip that could be followed: "
            f"it was imported, or the clip is gone.",
            "Follow it at 0, or add a motion that was learned here.",
        )
    acts = {m.asked: per_frame(m.asked.strength, m.asked.curve, frames) for m in there}
    motion = max(there, key=lambda m: (sum(map(abs, acts[m.asked])), m.hash, m.asked.path))
    follow = motion.preset.follow if request.follow is None else request.follow
    shares = follow * presence(acts[motion.asked]).square().view(-1, 1, 1)
    return Start(Clip(path=str(Path(motion.asked.path) / REFERENCE)), motion, follow, shares)
