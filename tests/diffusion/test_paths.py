"""Noise paths: what is added can be taken out again, whatever the model predicts."""

import math

import pytest
import torch
from diffusers import DDIMScheduler

from backend.diffusion.paths import EpsilonPath, VelocityPath, draw_timesteps

SCHEDULE = DDIMScheduler().alphas_cumprod
KINDS = [EpsilonPath, VelocityPath]


@pytest.mark.parametrize("kind", KINDS)
def test_the_target_gives_back_the_clip_and_the_noise(kind):
    path = kind(SCHEDULE)
    x_0, noise = torch.randn(3, 4, 5, 2, 2), torch.randn(3, 4, 5, 2, 2)
    n = path.noised(x_0, noise, torch.tensor([0, 400, 999]))
    torch.testing.assert_close(path.to_x0(n.x_t, n.target, n.t), x_0, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(path.to_eps(n.x_t, n.target, n.t), noise, atol=1e-3, rtol=1e-3)


def test_velocity_agrees_with_diffusers():
    scheduler = DDIMScheduler(prediction_type="v_prediction")
    x_0, noise, t = torch.randn(2, 4, 3, 2, 2), torch.randn(2, 4, 3, 2, 2), torch.tensor([10, 800])
    n = VelocityPath(scheduler.alphas_cumprod).noised(x_0, noise, t)
    torch.testing.assert_close(n.target, scheduler.get_velocity(x_0, noise, t))
    torch.testing.assert_close(n.x_t, scheduler.add_noise(x_0, noise, t))


@pytest.mark.parametrize("kind", KINDS)
def test_the_clean_end_has_no_noise(kind):
    a, s = kind(SCHEDULE).scales(torch.tensor([-1]))
    assert (a.item(), s.item()) == (1.0, 0.0)


def test_coarse_timesteps_lie_above_the_middle_as_often_as_the_density_says():
    """P(t > T/2) = 1/2 + α/π = 0.659 for α = 0.5."""
    t = draw_timesteps(200_000, 1000, 0.5, torch.Generator().manual_seed(0))
    assert (t >= 500).float().mean() == pytest.approx(0.5 + 0.5 / math.pi, abs=0.004)


def test_uniform_timesteps_reach_both_ends_and_are_even():
    t = draw_timesteps(200_000, 1000, 0.0, torch.Generator().manual_seed(0))
    assert (t.min(), t.max()) == (0, 999)
    assert t.float().mean() == pytest.approx(499.5, abs=2)
