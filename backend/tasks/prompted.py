"""Prompts as the base reads them, and guidance by them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from backend.diffusion.sampling import Predict
from backend.diffusion.tokens import NO_TOKENS, whole
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

    Raises UserError when the prompt says a word by which two motions mean different things.
    """
    said, brought = _brought(prompt, motions)
    both = family.embed([with_motion_words(prompt, said), ""], {**brought, **tokens})
    family.release("text")
    return Prompted(both[:1], both[1:], guidance)


def _brought(prompt: str, motions: Sequence[LoadedMotion]) -> tuple[list[str], dict[str, Tensor]]:
    """The words of each motion and the new ones among them; one that is taken already gets a number."""
    said, found = [], {}
    for number, motion in enumerate(motions, 1):
        words = motion.preset.motion
        for word, vectors in motion.tokens.items():
            name = word
            if not torch.equal(found.get(word, vectors), vectors):
                if whole(word).search(prompt):
                    raise UserError(
                        f"The prompt says {word!r}, by which two motions mean different things.",
                        "Leave that word out, which lets both act, or use one of the two.",
                    )
                name = f"{word}{number}"
                words = whole(word).sub(name, words)
            found[name] = vectors
        said.append(words)
    return said, found


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
