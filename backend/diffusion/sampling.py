"""DDIM (Song et al., arXiv 2010.02502) and its inversion, as plain functions over a noise path.

`predict(x, t)` is the model: x (B, C, F, H, W), t (B,) → output of the same shape.
A schedule is the sampler's timesteps from noisy to clean, without the final t = -1.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from backend.diffusion.paths import NoisePath

Predict = Callable[[Tensor, Tensor], Tensor]
OnStep = Callable[[int, int], None]


def ddim_sample(
    predict: Predict, x: Tensor, schedule: Sequence[int], path: NoisePath, on_step: OnStep
) -> Tensor:
    """Noise x at schedule[0] → a clip (Eq. 12 with η = 0). `on_step(done, total)` may raise to stop."""
    for done, (t, t_next) in enumerate(pairwise([*schedule, -1]), start=1):
        now = _timestep(x, t)
        output = predict(x, now).float()
        a, s = path.scales(_timestep(x, t_next))
        x = a * path.to_x0(x, output, now) + s * path.to_eps(x, output, now)
        on_step(done, len(schedule))
    return x


def ddim_invert(
    predict: Predict,
    x: Tensor,
    schedule: Sequence[int],
    path: NoisePath,
    on_step: OnStep,
    refinements: int = 0,
) -> Tensor:
    """A clip x → the noise at schedule[0] from which `ddim_sample` gives it back.

    Each step solves x_next = a' x_0(x_t) + s' ε(x_t, t) for x_t, with the model's output first taken at
    x_next (for ε-prediction that alone is diffusers' DDIMInverseScheduler) and then `refinements` times at
    the x_t just found: the fixed-point form of ReNoise (Garibi et al., arXiv 2403.14602).
    """
    steps = list(pairwise([*schedule, -1]))
    for done, (t, t_next) in enumerate(reversed(steps), start=1):
        now, after = _timestep(x, t), _timestep(x, t_next)
        x_t = x
        for _ in range(1 + refinements):
            x_t = path.step_back(x, predict(x_t, now).float(), now, after)
        x = x_t
        on_step(done, len(schedule))
    return x


def _timestep(x: Tensor, t: int) -> Tensor:
    return torch.full((x.shape[0],), t, dtype=torch.int64, device=x.device)


def follow_source(inverted: Tensor, noise: Tensor, follow: float | Tensor) -> Tensor:
    """√p z_inv + √(1 − p) noise: MotionDirector's noise prior; p = 1 is z_inv itself.

    `follow` is p, or one for each frame (F, 1, 1).
    """
    return follow**0.5 * inverted + (1 - follow) ** 0.5 * noise
