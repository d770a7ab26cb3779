"""A denoiser that always predicts the same value, for losses that can be worked by hand."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from backend.diffusion.paths import EpsilonPath
from backend.methods.base import Example, Stage, Step

EXAMPLE = Example(
    latents=torch.zeros(1, 2, 4, 3, 3),
    crops=torch.zeros(5, 2, 1, 3, 3),
    text=torch.full((1, 6, 7), 1.0),
    looks_text=torch.full((1, 6, 7), 2.0),
    caption="a red ball moving",
    looks="a red ball",
)


class Guess:
    """Predicts `value` everywhere, and notes what it was given."""

    def __init__(self, value: float = 0.5) -> None:
        self.path = EpsilonPath(torch.linspace(0.999, 0.01, 1000))
        self.denoiser = nn.Module()
        self.value = value
        self.seen: list[tuple[tuple[int, ...], float, bool]] = []  # shape, mean of the text, bypassed
        self.noise: list[Tensor] = []  # in x_t of latents that are 0: divided by its scale
        self.timesteps: list[Tensor] = []
        self.bypassed = False

    def predict(self, x_t: Tensor, t: Tensor, text: Tensor) -> Tensor:
        self.seen.append((tuple(x_t.shape), text.mean().item(), self.bypassed))
        self.timesteps.append(t)
        self.noise.append(x_t / self.path.scales(t)[1])
        return torch.full_like(x_t, self.value)

    @contextmanager
    def bypass_temporal(self) -> Iterator[None]:
        self.bypassed = True
        yield
        self.bypassed = False


def noisy(stage: Stage, regular: bool = False) -> list[float]:
    """Of each loss of a stage, in its order, the share of 2000 timesteps in the noisier half."""
    guess, rng = Guess(), torch.Generator().manual_seed(1)
    step = Step(guess, [EXAMPLE], rng, regular=[EXAMPLE] if regular else [])  # type: ignore[arg-type]
    count = max(sum(1 for _ in stage.losses(step)) for _ in range(2000))
    return [(torch.cat(guess.timesteps[i::count]) >= 500).double().mean().item() for i in range(count)]


def losses(stage: Stage, guess: Guess, seed: int = 4, **parts: object) -> list[Tensor]:
    """The losses of one step on EXAMPLE."""
    step = Step(guess, [EXAMPLE], torch.Generator().manual_seed(seed), **parts)  # type: ignore[arg-type]
    return [loss.detach() for loss in stage.losses(step)]
