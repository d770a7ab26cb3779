"""Which motions and looks act where: in one prediction, added up or a camera's and a subject's apart, or each
in a clip of its own (`compositing.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from backend.api.presets import REFERENCE, Kind
from backend.api.protocol import Clip
from backend.diffusion.adapters import Lora
from backend.diffusion.composing import Places, composed
from backend.diffusion.sampling import Predict
from backend.diffusion.stacking import Part, presence, stacked
from backend.errors import UserError
from backend.families.base import Family
from backend.media import clips
from backend.media.filming import Measured, as_strong, move_in
from backend.tasks.bases import LoadedLooks, LoadedMotion, parts_of
from backend.tasks.compositing import Camera, Layers, Predicts
from backend.tasks.prompted import (
    Apart,
    Prompted,
    away_from,
    guided,
    predicted,
    read_apart,
    read_own,
    read_prompt,
)

Acts = Mapping[Kind, Sequence[Part]]
FADING = (
    "Where a motion is below a strength of 0.25 for a part of the clip, or all of it, nothing is filmed: "
    "camera and subject were kept apart in one clip."
)
FADING_OF_ONE = (
    "Where a motion is below a strength of 0.25 for a part of the clip, or all of it, the {}'s motions "
    "are not put together from clips of their own: they were added up."
)


@dataclass(frozen=True)
class Stack:
    """What acts on clips of so many frames under one prompt."""

    family: Family
    prompt: str
    guidance: float
    frames: int
    balance: float
    motions: Sequence[LoadedMotion]
    looks: Sequence[LoadedLooks]

    @cached_property
    def _parts(self) -> list[Part]:
        return parts_of([*self.motions, *self.looks], self.frames, self.balance)

    @cached_property
    def _strengths(self) -> list[Sequence[float]]:
        return [part.strengths for part in self._parts[: len(self.motions)]]

    def _of(self, whose: Kind) -> list[LoadedMotion]:
        return [motion for motion in self.motions if motion.preset.kind == whose]

    @cached_property
    def _acts(self) -> dict[int, Sequence[float]]:
        return {id(motion): s for motion, s in zip(self.motions, self._strengths, strict=True)}

    def _fade(self, motions: Sequence[LoadedMotion]) -> bool:
        """Whether one of them is not wholly there all through the clip."""
        return any(presence(self._acts[id(motion)]).min() < 1 for motion in motions)

    def together(self, *, keep_apart: bool) -> Predicts:
        """All of it in one prediction; `keep_apart`: motions of a camera and of a subject, where both act."""
        asked = (self.family, self.prompt, self.guidance, self.motions)
        if keep_apart and self._of("camera") and self._of("subject"):
            said = read_apart(*asked, self._strengths)
            return partial(apart, self.family, said, by_kind(self.motions, self._parts))
        return partial(added, self.family, read_prompt(*asked, strengths=self._strengths), self._parts)

    def layers(self, lead: LoadedMotion | None) -> tuple[Layers | None, list[str]]:
        """Each camera's and subject's motion in its place among the clips that are put together, and what is
        to be said of that. None where there is nothing to put together, nor one camera's clip that may stand
        still, or where what would be put together fades. Of each kind `lead` comes first, if it is of that
        kind, else the strongest."""
        cameras, subjects = (self._ordered(self._of(whose), lead) for whose in ("camera", "subject"))
        both = bool(cameras and subjects)
        if both and apart_by(by_kind(self.motions, self._parts)).min() < 1:
            return None, [FADING]
        several = [of_one for of_one in (cameras, subjects) if len(of_one) > 1]
        fading = [of_one[0].preset.kind for of_one in several if self._fade(of_one)]
        notes = [FADING_OF_ONE.format(whose) for whose in fading]
        together = self.together(keep_apart=True)
        if len(cameras) == 1 and not subjects:
            return Layers([self._camera(together, cameras[0])], None, [], None, together), notes
        if not both and len(several) == len(fading):
            return None, notes
        each_subject = subjects if len(subjects) > 1 and "subject" not in fading else []
        of_cameras = self._cameras(cameras, each="camera" not in fading)
        layers = Layers(
            cameras=of_cameras,
            camera=self._alone(cameras) if len(of_cameras) > 1 else None,
            subjects=[self._alone([motion]) for motion in each_subject],
            subject=self._alone(subjects) if subjects else None,
            together=together,
        )
        return layers, notes

    def _cameras(self, motions: Sequence[LoadedMotion], *, each: bool) -> list[Camera]:
        """Each alone, or all in one clip."""
        if each or len(motions) == 1:
            return [self._camera(self._alone([one]), one) for one in motions]
        return [Camera(self._alone(motions), lambda: None)]

    def _camera(self, acts: Predicts, motion: LoadedMotion) -> Camera:
        return Camera(acts, cache(partial(self._learned_move, motion)))

    def _learned_move(self, motion: LoadedMotion) -> Measured | None:
        """How the camera goes in the clip that the motion was learned from, as strongly as it acts. None also
        where that clip cannot be read: without it the motion acts all the same."""
        file, profile = Path(motion.asked.path) / REFERENCE, self.family.profile
        count = min(self.frames, profile.frames)
        try:
            kept = clips.read(Clip(path=str(file)), frames=count, fps=profile.fps, size=None)
        except UserError:
            return None
        own = move_in(kept)
        return None if own is None else own._replace(path=as_strong(own.path, self._acts[id(motion)]))

    def _ordered(self, motions: Sequence[LoadedMotion], lead: LoadedMotion | None) -> list[LoadedMotion]:
        return sorted(motions, key=lambda m: (m is lead, *self._strongest(m)), reverse=True)

    def _strongest(self, motion: LoadedMotion) -> tuple[float, str, str]:
        """What the strongest motion has most of, wherever it stands: as in `following.followed`."""
        return sum(map(abs, self._acts[id(motion)])), motion.hash, motion.asked.path

    def _alone(self, motions: Sequence[LoadedMotion]) -> Predicts:
        """These without the others, with all looks."""
        own = [m for m in self.motions if m.preset.kind == "style" or any(m is one for one in motions)]
        said = read_own(self.family, self.prompt, self.guidance, self.motions, self._strengths, own)
        return partial(added, self.family, said, parts_of([*own, *self.looks], self.frames, self.balance))


def by_kind(motions: Sequence[LoadedMotion], parts: Sequence[Part]) -> Acts:
    """`parts` are what of the motions acts, in their order, and then of looks."""
    acts: dict[Kind, list[Part]] = {"camera": [], "subject": [], "style": []}
    for motion, part in zip(motions, parts, strict=False):
        acts[motion.preset.kind].append(part)
    acts["style"] += parts[len(motions) :]
    return acts


@contextmanager
def added(family: Family, prompted: Prompted, parts: Sequence[Part]) -> Iterator[Predict]:
    """Inside the block all parts act; → what is then predicted."""
    with stacked(family.denoiser, parts, family.frame_layer):
        yield guided(family, prompted)


@contextmanager
def apart(family: Family, said: Apart, acts: Acts) -> Iterator[Predict]:
    """The same, for motions of both a camera and a subject: each acts where diffusion/composing.py says.

    Looks act in every pass. Five passes a step, four without guidance: under no words and under either
    group's without motions, then under each group's with its own. More where a camera's words are not said
    throughout, and where one of the two hardly acts: the less it is present, the more they are added up,
    which is what the other one does alone.
    """
    by_words, guidance, places = said.by_words, said.by_words.guidance, Places()
    guided_over_time = guided(family, by_words) if by_words.spoken else None
    # Where they are merged, twice a step: from elsewhere they would be sent there each time.
    moved = {kind: [_on_device(family, part) for part in parts] for kind, parts in acts.items()}

    def with_motions(kind: Kind, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        with stacked(family.denoiser, moved[kind], family.frame_layer):
            return family.predict(x, t, text)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        empty = [] if guidance == 1 or guided_over_time else [by_words.empty]
        *without, of_camera, of_subject = predicted(family, x, t, *empty, said.camera, said.subject)
        told = guided_over_time(x, t) if guided_over_time else away_from(without, of_camera, guidance)
        by_camera = with_motions("camera", x, t, said.camera) - of_camera
        by_subject = with_motions("subject", x, t, said.subject) - of_subject
        return composed(told, by_camera, by_subject, places.after(by_subject, int(t[0])), guidance)

    share = apart_by(acts).view(-1, 1, 1)

    def fading(x: Tensor, t: Tensor) -> Tensor:
        with stacked(family.denoiser, [*moved["camera"], *moved["subject"]], family.frame_layer):
            together = guided(family, said.added)(x, t)
        return together + share.to(x) * (predict(x, t) - together)

    with stacked(family.denoiser, acts["style"], family.frame_layer):
        yield predict if share.min() == 1 else fading


def apart_by(acts: Acts) -> Tensor:
    """How far the camera's motions and the subject's are kept apart at each frame (F,)."""
    present = [
        torch.stack([presence(part.strengths) for part in acts[kind]]) for kind in ("camera", "subject")
    ]
    return torch.minimum(*(of_kind.amax(0) for of_kind in present))


def _on_device(family: Family, part: Part) -> Part:
    state = {name: tensor.to(family.plan.device) for name, tensor in part.lora.state.items()}
    return Part(Lora(state, part.lora.scale), part.strengths)
