"""What the denoiser is trained to expect behind noise, when any of several clips may be there."""

import math

import pytest
import torch

from backend.starter.stages import chances, expected


def expected_behind(x_t: torch.Tensor, candidates: torch.Tensor, *scales: torch.Tensor) -> torch.Tensor:
    return expected(chances(x_t, candidates, *scales), candidates)


def test_what_is_expected_is_the_mean_of_all_in_noise_and_the_one_itself_without() -> None:
    candidates = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 3.0]])
    x_t, signal, spread = (
        torch.tensor([[0.3, -0.2], [0.0, 2.9]]),
        torch.tensor([0.0, 0.999]),
        torch.tensor([1, 0.04]),
    )
    lost, seen = expected_behind(x_t, candidates.expand(2, 3, 2), signal, spread)
    assert torch.allclose(lost, candidates.mean(0))
    assert torch.allclose(seen, candidates[2], atol=1e-5)


def test_each_clip_expects_its_own_candidates() -> None:
    x_t, candidates = torch.randn(3, 2, 2), torch.randn(3, 4, 2, 2)
    signal, spread = torch.tensor([0.9, 0.5, 0.1]), torch.tensor([0.4, 0.8, 1.0])
    together = expected_behind(x_t, candidates, signal, spread)
    each = [
        expected_behind(x_t[i : i + 1], candidates[i : i + 1], signal[i : i + 1], spread[i : i + 1])
        for i in range(3)
    ]
    assert torch.allclose(together, torch.cat(each), atol=1e-6)


def test_what_is_missing_from_a_group_is_not_expected() -> None:
    candidates, one = torch.tensor([[[1.0], [3.0], [100.0]]]), torch.ones(1)
    missing = torch.tensor([[False, False, True]])
    lost = expected_behind(torch.tensor([[0.5]]), candidates, 0 * one, one, missing)
    assert lost.item() == pytest.approx(2)


def test_what_is_expected_worked_by_hand() -> None:
    """Candidates ±1, x_t = 0.5, signal = spread = 1: weights e^(-1/8) and e^(-9/8), their mean tanh(1/2)."""
    one = torch.ones(1)
    found = expected_behind(torch.tensor([[0.5]]), torch.tensor([[[1.0], [-1.0]]]), one, one)
    assert found.item() == pytest.approx(math.tanh(0.5))
