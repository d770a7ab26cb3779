"""How motions and looks act in one prediction: added up in the weights, or a camera's and a subject's apart.

The third way, a subject's clip filmed by a camera's move, takes two clips: `making.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from backend.api.presets import Kind
from backend.diffusion.adapters import Lora
from backend.diffusion.composing import Places, composed
from backend.diffusion.sampling import Predict
from backend.diffusion.stacking import Part, presence, stacked
from backend.families.base import Family
from backend.tasks.bases import LoadedMotion
from backend.tasks.prompted import Apart, Prompted, away_from, guided, predicted

Acts = Mapping[Kind, Sequence[Part]]


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
