"""What the denoiser is trained to expect behind noise, when any of several clips may be there."""

import math
import random
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from backend.starter import stages
from backend.starter.data import Bank, write_bank
from backend.starter.films import Films
from backend.starter.models import Size, new_autoencoder
from backend.starter.stages import Denoising, chances, expected

SIZE = Size(pixels=32, frames=4)


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


@pytest.fixture
def off_by_one(denoising: Denoising, monkeypatch: pytest.MonkeyPatch) -> Callable[[slice], None]:
    """The UNet is wrong by 1 in these of the four columns of cells, right elsewhere; all have captions."""
    monkeypatch.setattr(stages, "NO_CAPTION", 0.0)

    def be_wrong(across: slice) -> None:
        error = torch.zeros(1, 1, 1, 1, 4)
        error[..., across] = 1
        monkeypatch.setattr(denoising, "velocity", lambda x_t, t, x_0: torch.zeros_like(x_t))
        monkeypatch.setattr(
            denoising.unet, "forward", lambda x_t, t, text: Namespace(sample=error.expand_as(x_t))
        )

    return be_wrong


@pytest.mark.parametrize("stills", [False, True])
@pytest.mark.parametrize(("across", "share"), [(slice(0, 2), 0.75), (slice(2, 4), 0.25)])
def test_an_error_where_a_subject_is_weighs_three_times_one_elsewhere(
    denoising: Denoising,
    monkeypatch: pytest.MonkeyPatch,
    off_by_one: Callable[[slice], None],
    across: slice,
    share: float,
    stills: bool,
) -> None:
    covers = torch.zeros_like(denoising.bank.covers)
    covers[..., :2] = 255
    monkeypatch.setattr(denoising.bank, "covers", covers)
    off_by_one(across)
    assert denoising.loss(4, random.Random(0), stills=stills).item() == pytest.approx(share)


@pytest.mark.parametrize("stills", [False, True])
def test_without_a_caption_all_cells_weigh_alike(
    denoising: Denoising, monkeypatch: pytest.MonkeyPatch, off_by_one: Callable[[slice], None], stills: bool
) -> None:
    covers = torch.zeros_like(denoising.bank.covers)
    covers[..., :2] = 255
    monkeypatch.setattr(denoising.bank, "covers", covers)
    off_by_one(slice(0, 2))
    monkeypatch.setattr(stages, "NO_CAPTION", 1.0)
    assert denoising.loss(4, random.Random(0), stills=stills).item() == pytest.approx(0.5)


def test_a_cell_weighs_as_much_as_a_subject_is_to_be_expected_there(
    denoising: Denoising, monkeypatch: pytest.MonkeyPatch, off_by_one: Callable[[slice], None]
) -> None:
    """The first clip of each group, a quarter likely, covers the left half, no other clip any cell: weights
    1 + 2 / 4 and 1, so errors on the left are 1.5 of 2.5."""
    bank = denoising.bank
    covers, likely = torch.zeros_like(bank.covers), torch.zeros(bank.rows.shape[1])
    covers[bank.rows[:, 0], ..., :2] = 255
    likely[:2] = torch.tensor([0.25, 0.75])
    monkeypatch.setattr(bank, "covers", covers)
    monkeypatch.setattr(stages, "chances", lambda _, candidates, *__: likely.expand(len(candidates), -1))
    off_by_one(slice(0, 2))
    assert denoising.loss(4, random.Random(0), stills=False).item() == pytest.approx(0.6)


def test_of_a_group_that_is_not_full_nothing_is_expected_that_is_not_there(
    films: Films, tmp_path: Path, denoising: Denoising, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = torch.device("cpu")
    write_bank(tmp_path / "bank", lambda: new_autoencoder(SIZE), SIZE, 0, cpu, films=films)
    bank, seen = Bank(tmp_path / "bank", cpu), []
    assert bank.sizes.tolist() == [1, 1, 1]
    velocity = denoising.velocity
    monkeypatch.setattr(denoising, "bank", bank)
    monkeypatch.setattr(denoising, "velocity", lambda x_t, t, x_0: seen.append(x_0) or velocity(x_t, t, x_0))
    for stills in (True, False):
        assert denoising.loss(4, random.Random(0), stills=stills).isfinite()
    whole = bank.latents.float().transpose(1, 2)
    assert all(any(torch.allclose(one, film) for film in whole) for one in seen[1])
    assert all(
        any(torch.allclose(one[:, 0], film[:, f]) for film in whole for f in range(4)) for one in seen[0]
    )
