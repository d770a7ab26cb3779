"""DDIM and its inversion against diffusers, and against each other."""

import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler

from backend.diffusion.paths import EpsilonPath, VelocityPath
from backend.diffusion.sampling import ddim_invert, ddim_sample, follow_source

SETTINGS = {
    "clip_sample": False,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
}


def model(x, t):
    """Smooth in x and t, and not the identity."""
    return torch.tanh(x.roll(1, dims=2) * 0.7 + t.view(-1, 1, 1, 1, 1) / 2000)


def path_of(scheduler):
    kinds = {"epsilon": EpsilonPath, "v_prediction": VelocityPath}
    kind = kinds[scheduler.config.prediction_type]
    return kind(scheduler.alphas_cumprod, float(scheduler.final_alpha_cumprod))


def silent(done, total):
    pass


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_sampling_equals_diffusers(prediction, spacing):
    scheduler = DDIMScheduler(prediction_type=prediction, timestep_spacing=spacing, **SETTINGS)
    scheduler.set_timesteps(10)
    noise = torch.randn(1, 4, 3, 2, 2)
    x = noise
    for t in scheduler.timesteps:
        x = scheduler.step(model(x, t.view(1)), t, x).prev_sample
    schedule = [int(t) for t in scheduler.timesteps]
    mine = ddim_sample(model, noise, schedule, path_of(scheduler), silent)
    torch.testing.assert_close(mine, x, atol=1e-5, rtol=1e-4)


def test_inversion_without_refinement_equals_diffusers():
    scheduler = DDIMScheduler(timestep_spacing="leading", **SETTINGS)
    inverse = DDIMInverseScheduler(timestep_spacing="leading", **SETTINGS)
    scheduler.set_timesteps(10)
    inverse.set_timesteps(10)
    clip = torch.randn(1, 4, 3, 2, 2)
    x = clip
    for t in inverse.timesteps:
        x = inverse.step(model(x, t.view(1)), t, x).prev_sample
    schedule = [int(t) for t in scheduler.timesteps]
    assert schedule == [int(t) for t in inverse.timesteps.flip(0)]
    torch.testing.assert_close(ddim_invert(model, clip, schedule, path_of(scheduler), silent), x)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_sampling_from_the_inverted_latent_gives_the_clip_back(prediction):
    scheduler = DDIMScheduler(prediction_type=prediction, timestep_spacing="trailing", **SETTINGS)
    scheduler.set_timesteps(50)
    schedule, path = [int(t) for t in scheduler.timesteps], path_of(scheduler)
    clip = torch.randn(1, 4, 3, 2, 2)
    errors = []
    for refinements in (0, 4):
        noise = ddim_invert(model, clip, schedule, path, silent, refinements)
        errors.append((ddim_sample(model, noise, schedule, path, silent) - clip).square().mean().sqrt())
    assert errors[1] < 0.01
    assert errors[1] < errors[0] / 5


@pytest.mark.parametrize("terminal", [False, True], ids=["some signal", "zero terminal SNR"])
def test_few_steps_and_refinements_invert_velocities(terminal):
    spaced = {"timestep_spacing": "trailing", "rescale_betas_zero_snr": terminal}
    scheduler = DDIMScheduler(prediction_type="v_prediction", **spaced, **SETTINGS)
    scheduler.set_timesteps(10)
    schedule, path = [int(t) for t in scheduler.timesteps], path_of(scheduler)
    clip = torch.randn(1, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    noise = ddim_invert(model, clip, schedule, path, silent, refinements=2)
    assert (ddim_sample(model, noise, schedule, path, silent) - clip).square().mean().sqrt() < 0.005


def test_following_keeps_unit_variance_and_its_ends_are_exact():
    inverted, noise = torch.randn(100_000), torch.randn(100_000)
    assert torch.equal(follow_source(inverted, noise, 1.0), inverted)
    assert torch.equal(follow_source(inverted, noise, 0.0), noise)
    assert follow_source(inverted, noise, 0.3).std() == pytest.approx(1.0, abs=0.01)


def test_a_step_can_stop_the_sampler():
    class Enough(Exception):
        pass

    def stop(done, total):
        assert (done, total) == (1, 3)
        raise Enough

    with pytest.raises(Enough):
        ddim_sample(model, torch.zeros(1, 1, 2, 1, 1), [900, 500, 100], EpsilonPath(torch.rand(1000)), stop)
