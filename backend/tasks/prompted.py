"""Prompts as the base reads them, and guidance by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.diffusion.sampling import Predict
from backend.diffusion.tokens import NO_TOKENS
from backend.errors import UserError
from backend.families.base import Family
from backend.tasks.bases import LoadedMotion, with_motion_words


@dataclass(frozen=True)
class Prompted:
    """The embedded prompt and, for guidance, the empty one: each (1, L, D)."""

    text: Tensor
    empty: Tensor
    guidance: float


def read_prompt(
    family: Family,
    prompt: str,
    guidance: float,
    motions: Sequence[LoadedMotion] = (),
    tokens: Mapping[str, Tensor] = NO_TOKENS,
) -> Prompted:
    """The prompt with the words of each motion that it does not say, and the new words that they bring.

    Raises UserError when two motions bring one word with different meanings.
    """
    tokens = {**_brought(motions), **tokens}
    words = with_motion_words(prompt, [m.preset.motion for m in motions])
    both = family.embed([words, ""], tokens)
    family.release("text")
    return Prompted(both[:1], both[1:], guidance)


def _brought(motions: Sequence[LoadedMotion]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for motion in motions:
        for word, vectors in motion.tokens.items():
            if word in found and not torch.equal(found[word], vectors):
                raise UserError(
                    f"Two motions mean different things by the new word {word!r}.",
                    "Use one of them, or learn one again under another word.",
                )
            found[word] = vectors
    return found


def guided(family: Family, prompted: Prompted) -> Predict:
    """Classifier-free guidance (Ho & Salimans, arXiv 2207.12598) on the model's output; none at 1."""

    def predict(x: Tensor, t: Tensor) -> Tensor:
        if prompted.guidance == 1:
            return family.predict(x, t, prompted.text)
        if family.plan.mode == "low":  # half the memory, one after the other
            empty, text = family.predict(x, t, prompted.empty), family.predict(x, t, prompted.text)
        else:
            both = torch.cat([prompted.empty, prompted.text])
            empty, text = family.predict(torch.cat([x, x]), torch.cat([t, t]), both).chunk(2)
        return empty + prompted.guidance * (text - empty)

    return predict
