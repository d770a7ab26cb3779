"""How one clip is made from noise, with whatever acts on it.

Previews while learning are made by the same `make_clip`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from backend.api.presets import Kind
from backend.api.protocol import Edit, Generate, Rate, Sampling, Stacking
from backend.diffusion.sampling import Predict, ddim_sample
from backend.errors import UserError
from backend.families.base import Family
from backend.media.filming import camera_move, filmed
from backend.tasks.bases import LoadedLooks, LoadedMotion, most_present, parts_of
from backend.tasks.prepare import latent_noise
from backend.tasks.prompted import read_apart, read_own, read_prompt
from backend.tasks.run import Run
from backend.tasks.stacking import added, apart, apart_by, by_kind

Frames = np.ndarray[Any, Any]  # (F, H, W, 3) uint8 RGB
Clip = Callable[[Predict, Tensor, str], Frames]  # what is predicted, noise, a note for the progress → a clip
Predicts = Callable[[], AbstractContextManager[Predict]]  # inside, what is predicted under all that acts
NOT_FILMED = (
    "The camera's motion makes no move that can be laid over the subject's clip: it tells none before this "
    "ground, goes too far, or the clip moves by itself. The two were kept apart instead of filmed."
)
SECOND_PASS = (
    "The second pass lets both motions act at once, which can take apart what was filmed. "
    "Leave its model out to keep the clip as it was filmed."
)
FADING = "A motion that is not wholly there all through the clip is kept apart instead of filmed."


class Noise(NamedTuple):
    """What is denoised (1, C, F, h, w): in one clip, or in a camera's and a subject's put together."""

    together: Tensor
    camera: Tensor
    subject: Tensor

    @classmethod
    def same(cls, noise: Tensor) -> "Noise":
        return cls(noise, noise, noise)

    @classmethod
    def led(cls, noise: Tensor, led: Tensor, whose: Kind) -> "Noise":
        """Where the motion of `whose` kind has its clip followed, no clip of the other's starts from that."""
        return cls(led, *(led if whose == kind else noise for kind in ("camera", "subject")))


Make = Callable[[Noise, str], Frames]  # noise, a note for the progress → a clip


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
) -> Making:
    """Reads the prompt at once. Apart or filmed only where motions of a camera and of a subject act; all else
    is added up. Filmed only where both are wholly there all through the clip: what fades, fades apart."""
    parts = parts_of([*motions, *looks], s.frames, request.balance)
    strengths = [part.strengths for part in parts[: len(motions)]]
    asked = (family, request.prompt, s.guidance, motions)

    def clip(predict: Predict, noise: Tensor, note: str) -> Frames:
        return make_clip(family, predict, noise, s, run, note)

    if s.stacking == "added" or not {"camera", "subject"} <= {motion.preset.kind for motion in motions}:
        return Making(_held(added(family, read_prompt(*asked, strengths=strengths), parts), clip))
    acts = by_kind(motions, parts)
    fading = bool(apart_by(acts).min() < 1)
    instead = partial(apart, family, read_apart(*asked, strengths), acts)
    if s.stacking == "apart" or fading:
        return Making(_held(instead(), clip), [FADING] if s.stacking == "filmed" else [])

    def alone(whose: Kind) -> Predicts:
        own = [motion for motion in motions if motion.preset.kind in (whose, "style")]
        balanced = parts_of([*own, *looks], s.frames, request.balance)
        return partial(added, family, read_own(*asked, strengths, whose), balanced)

    notes = [SECOND_PASS] if request.finish.base.strip() else []
    return Making(_filming(alone("camera"), alone("subject"), instead, clip, notes), notes)


@contextmanager
def _held(acts: AbstractContextManager[Predict], clip: Clip) -> Iterator[Make]:
    """Everything acts as long as the block lasts."""
    with acts as predict:
        yield lambda noise, note: clip(predict, noise.together, note)


@contextmanager
def _filming(
    of_camera: Predicts, of_subject: Predicts, instead: Predicts, clip: Clip, notes: list[str]
) -> Iterator[Make]:
    """Two clips of one seed: the camera's, for its move alone, and the subject's, which is filmed by it
    (`media/filming.py`). Where that cannot be, the clip is made as `instead` says."""

    def make(noise: Noise, note: str) -> Frames:
        with of_camera() as predict:
            move = camera_move(clip(predict, noise.camera, f"{note}, for the camera".removeprefix(", ")))
        if move is not None:
            with of_subject() as predict:
                scene = clip(predict, noise.subject, note)
            if (seen := filmed(scene, move)) is not None:
                return seen
        notes.append(f"{note}: {NOT_FILMED}".removeprefix(": "))
        with instead() as predict:
            return clip(predict, noise.together, note)

    yield make
