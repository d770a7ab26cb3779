"""What a kind of base model must offer so that tasks and methods need not know it.

Shapes: B batch, C latent channels, F frames, H×W latent size, L tokens, D text width.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from backend.diffusion.memory import Plan
from backend.diffusion.paths import NoisePath
from backend.diffusion.tokens import NO_TOKENS
from backend.families.profile import Profile


@dataclass(frozen=True)
class Fingerprint:
    """Which base a motion was learned on: its architecture, and its weights."""

    architecture: str
    weights: str


class Family(Protocol):
    """One base model in memory. Parts are loaded when first used; `release` drops those no longer needed."""

    profile: Profile

    @property
    def plan(self) -> Plan: ...

    @property
    def path(self) -> NoisePath: ...

    @property
    def size_multiple(self) -> int:
        """Width and height in pixels must be multiples of this."""
        ...

    @property
    def latent_channels(self) -> int: ...

    @property
    def fingerprint(self) -> Fingerprint: ...

    @property
    def denoiser(self) -> nn.Module:
        """The network that adapters sit on, frozen and in eval mode."""
        ...

    @property
    def skeleton(self) -> nn.Module:
        """The denoiser's modules and their shapes, without weights: nothing is loaded for it."""
        ...

    def layers(self, group: str) -> str:
        """A regex over full names of the modules in a group.

        The groups: "temporal attention" and of it "temporal qk" and "temporal qkv", "temporal ff",
        "temporal conv"; "spatial attention" and of it "spatial self-attention" and "cross-attention kv",
        "spatial ff".
        """
        ...

    def frame_layer(self, module: str) -> str:
        """The layer that a module belongs to whose output's rows are frames, (B·F, …).

        That is the whole temporal layer for a module inside one, since frames see each other there, else
        the module itself.
        """
        ...

    def bypass_temporal(self) -> AbstractContextManager[None]:
        """Inside the block frames do not see each other."""
        ...

    def encode(self, frames: Any) -> Tensor:
        """(F, H, W, 3) uint8 RGB → (1, C, F, h, w) float32 latents."""
        ...

    def decode(self, latents: Tensor) -> Any:
        """(1, C, F, h, w) latents → (F, H, W, 3) uint8 RGB."""
        ...

    def embed(self, prompts: list[str], tokens: Mapping[str, Tensor] = NO_TOKENS) -> Tensor:
        """→ (B, L, D). A word in `tokens` is read as new tokens with these embeddings, each (n, D')."""
        ...

    def token_vectors(self, words: str) -> Tensor:
        """The text model's own embeddings of the tokens of `words`, (n, D') float32 on the CPU."""
        ...

    def predict(self, x_t: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """(B, C, F, h, w), (B,), (B, L, D) → the model's output (B, C, F, h, w)."""
        ...

    def schedule(self, steps: int) -> list[int]:
        """Timesteps from noisy to clean, spaced as the base's own scheduler spaces them."""
        ...

    def release(self, part: str) -> None:
        """Drop "text", "pixels" or "denoiser" from memory; it is loaded again when next used."""
        ...
