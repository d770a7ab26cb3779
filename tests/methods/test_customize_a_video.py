"""Customize-A-Video: the paper's stages, and its losses worked by hand."""

import pytest
import torch
from torch import nn

from backend.api.settings import CustomizeAVideo, resolved
from backend.diffusion.paths import EpsilonPath
from backend.methods.base import Example, Step
from backend.methods.customize_a_video import TemporalLora


def method(**settings) -> TemporalLora:
    return TemporalLora(resolved(CustomizeAVideo(**settings), {}))


def test_the_papers_values_are_the_defaults():
    motion = method().adapters[-1]
    assert (motion.rank, motion.scale, motion.layers) == (4, 1.0, ("temporal attention",))
    absorber = method().adapters[0]
    assert (absorber.rank, absorber.scale, absorber.layers) == (1, 0.5, ("spatial attention",))
    absorb, learn = method().stages(300)
    assert absorb.learn == {"absorber": 5e-5}
    assert learn.learn == {"motion": 5e-4}


def test_a_base_can_say_better_and_the_artist_rules():
    base = {"rank": 16, "coarse": 0.7}
    assert resolved(CustomizeAVideo(), base).rank == 16
    assert resolved(CustomizeAVideo(rank=2), base).rank == 2
    assert resolved(CustomizeAVideo(), base).coarse == 0.7


def test_the_absorber_comes_first_without_temporal_layers_and_then_acts():
    absorb, learn = method().stages(300)
    assert (absorb.bypass_temporal, absorb.act) == (True, ())
    assert (learn.bypass_temporal, learn.act) == (False, ("absorber",))


@pytest.mark.parametrize("settings", [{"absorber": "none"}, {"absorber_share": 0.0}])
def test_without_an_absorber_there_is_one_stage(settings):
    (stage,) = method(**settings).stages(300)
    assert stage.act == ()
    assert len(method(**settings).adapters) == 1


def test_only_the_motion_is_kept():
    assert method().kept == "motion"


class Guess:
    """A denoiser that always predicts `value`, and notes what it was given."""

    def __init__(self, value: float) -> None:
        self.path = EpsilonPath(torch.linspace(0.999, 0.01, 1000))
        self.denoiser = nn.Module()
        self.value = value
        self.seen: list[tuple[tuple[int, ...], float]] = []

    def predict(self, x_t, t, text):
        self.seen.append((tuple(x_t.shape), text.mean().item()))
        return torch.full_like(x_t, self.value)


EXAMPLE = Example(
    latents=torch.zeros(1, 2, 4, 3, 3),
    crops=torch.zeros(5, 2, 1, 3, 3),
    text=torch.full((1, 6, 7), 1.0),
    looks_text=torch.full((1, 6, 7), 2.0),
)


def losses(stage, value: float) -> tuple[Guess, list[torch.Tensor], torch.Tensor]:
    """→ the guess, the losses, and the noise that was the target."""
    guess = Guess(value)
    step = Step(guess, [EXAMPLE], torch.Generator().manual_seed(4))
    made = [loss.detach() for loss in stage.losses(step)]
    shape = guess.seen[0][0]
    replay = torch.Generator().manual_seed(4)
    torch.randint(1, (1,), generator=replay)  # which example
    if shape[2] == 1:
        torch.randint(5, (shape[0],), generator=replay)  # which crops
    return guess, made, torch.randn(shape, generator=replay)


@pytest.mark.parametrize(("index", "frames", "words"), [(0, 1, 2.0), (1, 4, 1.0)])
def test_each_stage_compares_noise_under_its_own_words(index, frames, words):
    """Eq. 3 on single frames under y_S, Eq. 5 on the whole clip under y: mean (ε − ε_θ)² with ε_θ = 0.5."""
    guess, made, noise = losses(method().stages(10)[index], 0.5)
    ((shape, text),) = guess.seen
    assert shape[2] == frames
    assert text == words
    torch.testing.assert_close(made, [(noise - 0.5).square().mean()])
