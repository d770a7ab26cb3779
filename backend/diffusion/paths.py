"""Noise paths: how x_t is made from a clip x_0 and noise, and what the model must predict.

ε- and v-prediction differ here and nowhere else.

Shapes: B batch, C latent channels, F frames, H×W latent size. t are integer timesteps of the
base's own schedule; t = -1 stands for the clean clip. a = √ᾱ_t, s = √(1 − ᾱ_t), x_t = a x_0 + s ε.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Noised:
    x_t: Tensor  # (B, C, F, H, W)
    t: Tensor  # (B,) integer timesteps
    noise: Tensor  # (B, C, F, H, W)
    target: Tensor  # (B, C, F, H, W) what the model should output


class NoisePath(Protocol):
    """x_t = a x_0 + s ε under a schedule, and the meaning of the model's output."""

    timesteps: int

    def scales(self, t: Tensor) -> tuple[Tensor, Tensor]: ...

    def noised(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Noised: ...

    def to_eps(self, x_t: Tensor, output: Tensor, t: Tensor) -> Tensor: ...

    def to_x0(self, x_t: Tensor, output: Tensor, t: Tensor) -> Tensor: ...

    def step_back(self, x: Tensor, output: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
        """x_t whose DDIM step from `t` to `t_next`, with this output at x_t, ends at `x`."""
        ...


class _Scheduled:
    """The signal and noise scales of a discrete schedule."""

    def __init__(self, alphas_cumprod: Tensor, final_alpha_cumprod: float = 1.0) -> None:
        self.timesteps = len(alphas_cumprod)
        # Index 0 is t = -1, the clean end, so that a lookup needs no branch.
        self._alphas = torch.cat([torch.tensor([final_alpha_cumprod]), alphas_cumprod.float().cpu()])

    def scales(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(a, s) for timesteps t (B,), each (B, 1, 1, 1, 1) float32 on t's device."""
        self._alphas = self._alphas.to(t.device)  # once: a copy every step would make the GPU wait
        alpha = self._alphas[t + 1].view(-1, 1, 1, 1, 1)
        return alpha.sqrt(), (1 - alpha).sqrt()

    def _mix(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        a, s = self.scales(t)
        return (a * x_0 + s * noise).to(x_0.dtype)


class EpsilonPath(_Scheduled):
    """The model predicts ε (DDPM, Ho et al. 2020, Eq. 14)."""

    def noised(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Noised:
        return Noised(self._mix(x_0, noise, t), t, noise, noise)

    def to_eps(self, x_t: Tensor, output: Tensor, t: Tensor) -> Tensor:
        return output

    def to_x0(self, x_t: Tensor, output: Tensor, t: Tensor) -> Tensor:
        a, s = self.scales(t)
        return (x_t - s * output) / a

    def step_back(self, x: Tensor, output: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
        (a, s), (a_next, s_next) = self.scales(t), self.scales(t_next)
        return a * (x - s_next * output) / a_next + s * output


class VelocityPath(_Scheduled):
    """The model predicts v = a ε − s x_0 (Salimans & Ho 2022, Appendix D)."""

    def noised(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Noised:
        a, s = self.scales(t)
        return Noised(self._mix(x_0, noise, t), t, noise, (a * noise - s * x_0).to(x_0.dtype))

    def to_eps(self, x_t: Tensor, output: Tensor, t: Tensor) -> Tensor:
        a, s = self.scales(t)
        return a * output + s * x_t

    def to_x0(self, x_t: Tensor, output: Tensor, t: Tensor) -> Tensor:
        a, s = self.scales(t)
        return a * x_t - s * output

    def step_back(self, x: Tensor, output: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
        # Not by way of ε = a v + s x_t: that holds x_t itself, at zero terminal SNR (a = 0) nothing else.
        (a, s), (a_next, s_next) = self.scales(t), self.scales(t_next)
        return (x + (a_next * s - s_next * a) * output) / (a * a_next + s * s_next)


def draw_timesteps(count: int, timesteps: int, coarse: float, rng: torch.Generator) -> Tensor:
    """`count` timesteps from f_α(t) = (1/T)(1 − α cos(πt/T)), α = `coarse` (arXiv 2312.04966, section 3).

    α = 0 is uniform; α = 0.5 puts 0.659 of the draws above T/2. Inverts the distribution function
    u − (α/π) sin(πu) by bisection. Returns (count,) int64 on the CPU.
    """
    p = torch.rand(count, generator=rng, dtype=torch.float64)
    low, high = torch.zeros_like(p), torch.ones_like(p)
    for _ in range(40):
        u = (low + high) / 2
        above = u - coarse / math.pi * torch.sin(math.pi * u) > p
        low, high = torch.where(above, low, u), torch.where(above, u, high)
    return (low * timesteps).long().clamp(max=timesteps - 1)
