"""What a published method must say so that the learning loop can run it.

Shapes: B batch, C latent channels, F frames, h×w latent size, L tokens, D text width.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from backend.diffusion.adapters import learning
from backend.diffusion.paths import Noised, NoisePath, draw_timesteps


@dataclass(frozen=True)
class Adapter:
    """A LoRA that a method learns: where it sits, and with which factor on BA it acts."""

    name: str
    layers: tuple[str, ...]  # the family's groups: "temporal attention", "spatial attention" …
    rank: int
    scale: float


@dataclass(frozen=True)
class Example:
    """One learning clip as the loop prepared it."""

    latents: Tensor  # (1, C, F, h, w)
    crops: Tensor  # (N, C, 1, h, w) random crops of single frames, in no order
    text: Tensor  # (1, L, D) the full caption
    looks_text: Tensor  # (1, L, D) the part of the caption that says what is seen


class Denoiser(Protocol):
    """The part of a family that a step needs."""

    @property
    def path(self) -> NoisePath: ...

    @property
    def denoiser(self) -> nn.Module: ...

    def predict(self, x_t: Tensor, t: Tensor, text: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Step:
    """One learning step as a method sees it. All randomness comes from `rng`."""

    family: Denoiser
    examples: Sequence[Example]
    rng: torch.Generator

    def example(self) -> Example:
        """One of the clips, at random."""
        return self.examples[self.integers(1, len(self.examples))[0]]

    def integers(self, count: int, below: int) -> list[int]:
        return torch.randint(below, (count,), generator=self.rng).tolist()

    def noised(self, x_0: Tensor, coarse: float) -> Noised:
        """x_0 (B, C, F, h, w) at timesteps drawn with `coarse` (0 is uniform)."""
        noise = torch.randn(x_0.shape, generator=self.rng).to(x_0.device)
        t = draw_timesteps(x_0.shape[0], self.family.path.timesteps, coarse, self.rng)
        return self.family.path.noised(x_0, noise, t.to(x_0.device))

    def predict(self, noised: Noised, text: Tensor) -> Tensor:
        """text (1, L, D), the same for the whole batch."""
        return self.family.predict(noised.x_t, noised.t, text.expand(noised.x_t.shape[0], -1, -1))

    def learning(self, *learn: str, act: Sequence[str] = ()) -> AbstractContextManager[None]:
        return learning(self.family.denoiser, learn, act)


@dataclass(frozen=True)
class Stage:
    """A stretch of learning in which the same adapters learn."""

    title: str  # what an artist reads: "Learning the motion"
    learn: dict[str, float]  # adapter → learning rate
    act: tuple[str, ...]  # adapters of earlier stages that act, frozen, all through this one
    steps: int
    bypass_temporal: bool
    losses: Callable[[Step], Iterator[Tensor]]
    """Yield each loss inside the `learning` block it belongs to; the loop backpropagates at once."""


class Method(Protocol):
    """A paper: built from its settings, none of them None."""

    adapters: tuple[Adapter, ...]
    kept: str  # the adapter that is the motion; the others served only to learn it

    def stages(self, steps: int) -> tuple[Stage, ...]:
        """For `steps` steps of learning the motion."""
        ...
