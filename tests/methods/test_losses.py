"""The papers' losses, worked by hand."""

import pytest
import torch

from backend.diffusion.paths import EpsilonPath, VelocityPath, draw_timesteps
from backend.methods.base import Step
from backend.methods.losses import ClipLoss, compared, debiased, motion_cosine, motion_l2, residuals
from tests.methods.guess import Guess

ALPHAS = torch.linspace(0.999, 0.01, 1000)


def clip(*frames: tuple[float, ...]) -> torch.Tensor:
    """(1, 1, F, 1, w) of frames that are one row of pixels."""
    return torch.tensor(frames).view(1, 1, len(frames), 1, -1)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_residuals_are_what_each_frame_adds_to_the_one_before():
    x = clip((1.0, 2.0), (4.0, 2.0), (4.0, 7.0))
    assert residuals(x).tolist() == [[[3.0, 0.0], [0.0, 5.0]]]


def test_a_motion_cosine_worked_by_hand():
    """Two frames of two pixels: δε = (3, 4), δε_θ = (4, 3), cos = 24/25, loss 0.04 (VMC, Eq. 17)."""
    eps, guess = clip((0.0, 0.0), (3.0, 4.0)), clip((9.0, 9.0), (13.0, 12.0))
    assert motion_cosine(guess, eps).item() == pytest.approx(0.04, abs=1e-6)


def test_a_motion_distance_worked_by_hand():
    """The same: (3 − 4)² and (4 − 3)², mean 1 (VMC, Eq. 16 without its factor)."""
    eps, guess = clip((0.0, 0.0), (3.0, 4.0)), clip((9.0, 9.0), (13.0, 12.0))
    assert motion_l2(guess, eps).item() == pytest.approx(1.0)


def test_the_motion_cosine_is_0_for_equal_1_for_unrelated_and_2_for_negated_residuals():
    eps = noise(1, 4, 8, 16, 16)
    assert motion_cosine(eps, eps).item() == pytest.approx(0, abs=1e-6)
    assert motion_cosine(-eps, eps).item() == pytest.approx(2, abs=1e-6)
    assert motion_cosine(noise(1, 4, 8, 16, 16, seed=1), eps).item() == pytest.approx(1, abs=0.05)


def test_motion_losses_do_not_see_what_is_the_same_in_all_frames_and_the_cosine_no_scale():
    eps, still = noise(1, 2, 4, 3, 3), noise(1, 2, 1, 3, 3, seed=1)
    assert motion_cosine(3 * eps + still, eps).item() == pytest.approx(0, abs=1e-5)
    assert motion_l2(eps + still, eps).item() == pytest.approx(0, abs=1e-5)
    assert motion_l2(3 * eps, eps) > 1


def test_the_debiased_loss_prices_looks_at_0_17_and_motion_at_2_65():
    """β = 1, F = 8: an error of 1 in all frames costs (√2 − 1)² = 0.17; one drawn anew for each frame
    (√2² + 1²) · 7/8 + 0.17/8 = 2.65 (MotionDirector, Eq. 5 and 6; plain MSE prices both at 1)."""
    eps = noise(1, 4, 8, 64, 64)
    assert debiased(eps + 1, eps, anchor=3, beta=1.0).item() == pytest.approx(0.17, abs=0.005)
    loose = debiased(eps + noise(1, 4, 8, 64, 64, seed=1), eps, anchor=3, beta=1.0).item()
    assert loose == pytest.approx(2.65, abs=0.03)


def test_without_strength_the_debiased_loss_is_the_plain_one():
    eps, guess = noise(1, 2, 4, 3, 3), noise(1, 2, 4, 3, 3, seed=1)
    plain = (eps - guess).square().mean()
    torch.testing.assert_close(debiased(guess, eps, anchor=0, beta=0.0), plain)


@pytest.mark.parametrize("path", [EpsilonPath(ALPHAS), VelocityPath(ALPHAS)])
@pytest.mark.parametrize("what", ["noise", "clip", "prediction"])
def test_a_perfect_prediction_costs_nothing_wherever_it_is_compared(path, what):
    x, eps = noise(1, 2, 4, 3, 3), noise(1, 2, 4, 3, 3, seed=1)
    n = path.noised(x, eps, torch.tensor([600]))
    guess, truth = compared(what, path, n, n.target)
    torch.testing.assert_close(guess, truth, atol=1e-4, rtol=1e-4)
    wanted = {"noise": eps, "clip": x, "prediction": n.target}[what]
    torch.testing.assert_close(truth, wanted, atol=1e-4, rtol=1e-4)


def test_the_cosine_in_the_noise_is_the_same_whatever_the_base_predicts():
    """VMC is written in ε: a base that predicts v is converted first."""
    x, eps, guess = (noise(1, 2, 4, 3, 3, seed=i) for i in range(3))
    t = torch.tensor([600])
    epsilon, velocity = EpsilonPath(ALPHAS), VelocityPath(ALPHAS)
    n = velocity.noised(x, eps, t)
    a, s = velocity.scales(t)
    v = (guess - s * n.x_t) / a  # the v that says the same noise
    plain = motion_cosine(*compared("noise", epsilon, epsilon.noised(x, eps, t), guess))
    torch.testing.assert_close(motion_cosine(*compared("noise", velocity, n, v)), plain)


def test_coarse_sampling_puts_two_thirds_of_the_draws_above_the_middle():
    """f_α with α = 0.5: P(t > T/2) = 1/2 + α/π = 0.659 (motion token, section 3.2)."""
    t = draw_timesteps(40_000, 1000, 0.5, torch.Generator().manual_seed(0))
    assert (t >= 500).float().mean().item() == pytest.approx(0.659, abs=0.006)


def test_offset_noise_is_one_value_all_over_each_frame():
    """Means over 4096 pixels, which plain noise has 1/64 of, and the target is the noise that was added."""
    x = torch.zeros(1, 8, 16, 64, 64)
    for offset, spread in ((0.0, 1 / 64), (0.3, (0.3**2 + 1 / 4096) ** 0.5)):
        step = Step(Guess(), [], torch.Generator().manual_seed(0), offset=offset)
        n = step.noised(x, coarse=0.0)
        assert n.noise.mean((3, 4)).std().item() == pytest.approx(spread, rel=0.2)
        assert torch.equal(n.target, n.noise)


def test_every_loss_has_a_name_and_the_debiased_one_adds_to_the_plain():
    from typing import get_args

    from backend.api.settings import Loss

    guess = Guess()
    n = guess.path.noised(noise(1, 2, 4, 3, 3), noise(1, 2, 4, 3, 3, seed=1), torch.tensor([600]))
    output = torch.zeros_like(n.target)
    made = {
        kind: ClipLoss(kind)(Step(guess, [], torch.Generator().manual_seed(0)), n, output).item()
        for kind in get_args(Loss)
    }
    assert len(set(made.values())) == 4
    anchor = torch.randint(4, (1,), generator=torch.Generator().manual_seed(0)).item()
    assert made["mse + debiased"] == pytest.approx(
        made["mse"] + debiased(output, n.noise, int(anchor), 1.0).item()
    )
