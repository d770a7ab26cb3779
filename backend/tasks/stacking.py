"""How motions and looks act on new clips: added up in the weights, or a camera's and a subject's apart."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from torch import Tensor

from backend.diffusion.composing import composed
from backend.diffusion.sampling import Predict
from backend.diffusion.stacking import Part, stacked
from backend.families.base import Family
from backend.tasks.bases import LoadedMotion
from backend.tasks.prompted import Apart, Prompted, guided, predicted, read_apart, read_prompt

Stack = AbstractContextManager[Predict]


def added(
    family: Family, prompt: str, guidance: float, motions: Sequence[LoadedMotion], parts: Sequence[Part]
) -> Stack:
    """`parts` are what of the motions acts, in their order, and then of looks. Reads the prompt at once."""
    return _added(family, read_prompt(family, prompt, guidance, motions), parts)


def apart(
    family: Family, prompt: str, guidance: float, motions: Sequence[LoadedMotion], parts: Sequence[Part]
) -> Stack:
    """The same, for motions of both a camera and a subject: each acts where diffusion/composing.py says."""
    kinds = [motion.preset.kind for motion in motions]
    acts: dict[str, list[Part]] = {"camera": [], "subject": [], "style": []}
    for kind, part in zip(kinds + ["style"] * (len(parts) - len(kinds)), parts, strict=True):
        acts[kind].append(part)
    return _apart(family, read_apart(family, prompt, guidance, motions), acts)


@contextmanager
def _added(family: Family, prompted: Prompted, parts: Sequence[Part]) -> Iterator[Predict]:
    with stacked(family.denoiser, parts, family.frame_layer):
        yield guided(family, prompted)


@contextmanager
def _apart(family: Family, said: Apart, acts: dict[str, list[Part]]) -> Iterator[Predict]:
    """Five passes a step: without motions under no words and either group's, then with its motions each."""
    camera, guidance = said.camera, said.camera.guidance

    def with_motions(kind: str, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        with stacked(family.denoiser, acts[kind], family.frame_layer):
            return family.predict(x, t, text)

    def predict(x: Tensor, t: Tensor) -> Tensor:
        empty, of_camera, of_subject = predicted(family, x, t, camera.empty, camera.text, said.subject)
        guided_by_words = empty + guidance * (of_camera - empty)
        return composed(
            guided_by_words,
            with_motions("camera", x, t, camera.text) - of_camera,
            with_motions("subject", x, t, said.subject) - of_subject,
            guidance,
        )

    with stacked(family.denoiser, acts["style"], family.frame_layer):
        yield predict
