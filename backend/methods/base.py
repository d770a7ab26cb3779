"""What a published method must say so that the learning loop can run it.

Shapes: B batch, C latent channels, F frames, h×w latent size, L tokens, D text width, V variants of a clip.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import torch
from torch import Tensor, nn

from backend.api.settings import Layers
from backend.diffusion.adapters import learning
from backend.diffusion.paths import Noised, NoisePath, draw_timesteps

_GROUPS = {
    "qk": "temporal qk",
    "qkv": "temporal qkv",
    "attention": "temporal attention",
    "ff": "temporal ff",
    "conv": "temporal conv",
    "cross kv": "cross-attention kv",
}
TEMPORAL: dict[Layers, tuple[str, ...]] = {  # the setting `layers` → the family's groups
    layers: tuple(_GROUPS[part] for part in layers.split("+")) for layers in get_args(Layers)
}


@dataclass(frozen=True)
class Adapter:
    """A LoRA that a method learns: where it sits, and with which factor on BA it acts."""

    name: str
    layers: tuple[str, ...]  # the family's groups: "temporal attention", "spatial attention" …
    rank: int
    scale: float


@dataclass(frozen=True)
class NewWord:
    """A word whose embeddings a method learns: as many tokens as it has words to start from."""

    name: str  # among the adapters
    word: str  # as it stands in captions: "<looks>"
    start: tuple[str, ...]  # its tokens start from the embeddings of these


@dataclass(frozen=True)
class Beside:
    """What is kept beside the motion as a preset of its own, to give new clips the learned looks."""

    adapter: str = ""  # a LoRA, or none
    word: str = ""  # a NewWord, or none
    looks: str = ""  # what is seen
    say: str = ""  # with its new word: what a prompt must say for it to act, where that is not `looks`
    clip: int = 0  # of the clips, followed by the stills, the one that it was learned from


@dataclass(frozen=True)
class Material:
    """What there is to learn from, before it is read."""

    looks: tuple[str, ...] = ("",)  # what is seen in each clip
    stills: tuple[str, ...] = ()  # likewise in each still
    regular: int = 0  # regularization clips
    given_word: bool = False  # whether an absorber made elsewhere is, or has, a textual inversion


@dataclass(frozen=True)
class Example:
    """One clip (or still, of one frame) as the loop prepared it."""

    latents: Tensor  # (V, C, F, h, w)
    crops: Tensor  # (N, C, 1, h, w) random crops of single frames, in no order; N 0 for methods without
    text: Tensor  # (1, L, D) of `caption`, read by the base's own text model
    looks_text: Tensor  # (1, L, D) of `looks`
    caption: str = ""
    looks: str = ""  # the part of the caption that says what is seen


class Denoiser(Protocol):
    """The part of a family that a step needs."""

    @property
    def path(self) -> NoisePath: ...

    @property
    def denoiser(self) -> nn.Module: ...

    def predict(self, x_t: Tensor, t: Tensor, text: Tensor) -> Tensor: ...

    def bypass_temporal(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Step:
    """One learning step as a method sees it. All randomness comes from `rng`."""

    family: Denoiser
    examples: Sequence[Example]
    rng: torch.Generator
    stills: Sequence[Example] = ()
    regular: Sequence[Example] = ()  # regularization clips
    read: Callable[[str], Tensor] | None = None  # text → (1, L, D), where new words learn or act
    offset: float = 0.0  # of noise that is the same all over a frame, in its standard deviations
    slowed: Sequence[Example] = ()  # the clips at half their speed, as far as they have frames enough

    def pick(self, examples: Sequence[Example]) -> int:
        """The number of one of them, at random."""
        return self.integers(1, len(examples))[0]

    def example(self) -> Example:
        """One of the clips, at random."""
        return self.examples[self.pick(self.examples)]

    def example_at_any_speed(self, slowed: float) -> Example:
        """One of the clips, at random; in that share of cases one at half its speed, where there is any."""
        if slowed and self.slowed and self.chance(slowed):
            return self.slowed[self.pick(self.slowed)]
        return self.example()

    def integers(self, count: int, below: int) -> list[int]:
        return torch.randint(below, (count,), generator=self.rng).tolist()

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return torch.rand((), generator=self.rng).item() < share

    def clip(self, example: Example) -> Tensor:
        """(1, C, F, h, w): one of its variants, at random."""
        variants = len(example.latents)
        which = self.integers(1, variants)[0] if variants > 1 else 0
        return example.latents[which : which + 1]

    def frame(self, x: Tensor) -> Tensor:
        """(B, C, F, h, w) → (B, C, 1, h, w): one frame, at random."""
        i = self.integers(1, x.shape[2])[0]
        return x[:, :, i : i + 1]

    def text(self, example: Example) -> Tensor:
        return self.read(example.caption) if self.read else example.text

    def looks_text(self, example: Example) -> Tensor:
        return self.read(example.looks) if self.read else example.looks_text

    def noised(self, x_0: Tensor, coarse: float) -> Noised:
        """x_0 (B, C, F, h, w) at timesteps drawn with `coarse` (0 is uniform)."""
        noise = torch.randn(x_0.shape, generator=self.rng)
        if self.offset:  # offset noise (Guttenberg 2023), each frame's its own
            noise += self.offset * torch.randn((*x_0.shape[:3], 1, 1), generator=self.rng)
        noise = noise.to(x_0.device)
        t = draw_timesteps(x_0.shape[0], self.family.path.timesteps, coarse, self.rng)
        return self.family.path.noised(x_0, noise, t.to(x_0.device))

    def predict(self, noised: Noised, text: Tensor) -> Tensor:
        """text (1, L, D), the same for the whole batch."""
        return self.family.predict(noised.x_t, noised.t, text.expand(noised.x_t.shape[0], -1, -1))

    @contextmanager
    def learning(self, *learn: str, act: Sequence[str] = (), bypass_temporal: bool = False) -> Iterator[None]:
        """Inside, these adapters learn and act; with `bypass_temporal` frames do not see each other."""
        with ExitStack() as stack:
            if bypass_temporal:
                stack.enter_context(self.family.bypass_temporal())
            stack.enter_context(learning(self.family.denoiser, learn, act))
            yield


@dataclass(frozen=True)
class Stage:
    """A stretch of learning in which the same adapters and new words learn."""

    title: str  # what an artist reads: "Learning the motion"
    learn: dict[str, float]  # adapter or new word → learning rate
    act: tuple[str, ...]  # those of earlier stages, or given, that act, frozen, all through this one
    steps: int
    losses: Callable[[Step], Iterator[Tensor]]
    """Yield each loss inside the `learning` block it belongs to; the loop backpropagates at once."""
    clip_gradient: float | None = None  # the largest norm of the gradient, over all that learns


class Method:
    """A paper: built from its settings, none of them None, and from what there is to learn from."""

    adapters: tuple[Adapter, ...]
    words: tuple[NewWord, ...] = ()
    kept: str = "motion"  # the adapter that is the preset's
    kept_word: str = ""  # the new word that is, if any
    kind: Literal["subject", "style"] = "subject"  # what the preset holds: a motion, or only looks
    beside: tuple[Beside, ...] = ()
    crops: tuple[float, float] | None = None  # single frames cut to a random share between these
    follow: float = 0.0  # recommended with the motion
    offset: float = 0.0  # of noise that is one value all over a frame, while learning
    rate_falls: float = 0.0  # the last share of each stage's steps over which learning rates fall to 0
    slowed: float = 0.0  # share of the steps that take a clip at half its speed
    notes: tuple[str, ...] = ()  # what the artist should know of how it was learned

    def motion_words(self, motion: str) -> str:
        """The words that the motion is learned and later asked for under."""
        return motion

    def caption(self, looks: str, motion: str) -> str:
        """What a clip is learned under: "a red ball over a green field moving in a circle"."""
        return f"{looks} {motion}".strip()

    def looks_caption(self, looks: str) -> str:
        """What its single frames are learned under."""
        return looks

    def still_caption(self, looks: str) -> str:
        """What a still is learned under."""
        return looks

    def regular_captions(self) -> tuple[str, ...]:
        """Of regularization clips to be sampled from the base, one for each."""
        return ()

    def stages(self, steps: int) -> tuple[Stage, ...]:
        """For `steps` steps of learning the motion."""
        raise NotImplementedError
