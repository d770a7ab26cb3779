"""Named LoRAs: what acts, what learns, and that nothing of them stays behind."""

import pytest
import torch
from torch import nn

from backend.diffusion.adapters import (
    Lora,
    add_lora,
    fits,
    learning,
    load_lora_state,
    lora_parameters,
    lora_state,
    merged,
    remove_loras,
)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.conv = nn.Conv3d(6, 6, (3, 1, 1), padding=(1, 0, 0))

    def forward(self, x):  # (B, C, F, 1, 1)
        return self.conv(self.linear(x.movedim(1, -1)).movedim(-1, 1))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Two().requires_grad_(False)


X = torch.randn(2, 6, 4, 1, 1, generator=torch.Generator().manual_seed(1))


def trained(model, name="a", scale=0.5, seed=3):
    """Inject adapter `name` with random B, as after learning, and return its state."""
    add_lora(model, name, "linear|conv", rank=2, scale=scale, seed=seed)
    g = torch.Generator().manual_seed(seed)
    state = {k: torch.randn(p.shape, generator=g) for k, p in lora_parameters(model, name).items()}
    load_lora_state(model, name, state)
    return state


def test_a_fresh_lora_changes_nothing(model):
    before = model(X)
    add_lora(model, "a", "linear|conv", rank=2, scale=1.0, seed=0)
    torch.testing.assert_close(model(X), before)


def test_the_same_seed_starts_the_same_lora(model):
    add_lora(model, "a", "linear", 2, 1.0, seed=5)
    add_lora(model, "b", "linear", 2, 1.0, seed=5)
    a, b = lora_state(model, "a"), lora_state(model, "b")
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_scale_multiplies_ba_directly():
    """θ = θ_0 + α BA with α = 0.5, A = [2], B = [3], θ_0 = [1]: an input of 1 gives 4."""
    model = nn.Sequential(nn.Linear(1, 1, bias=False)).requires_grad_(False)
    model[0].weight.data.fill_(1)
    add_lora(model, "a", "0", rank=1, scale=0.5, seed=0)
    load_lora_state(
        model, "a", {"0.lora_A.weight": torch.full((1, 1), 2.0), "0.lora_B.weight": torch.full((1, 1), 3.0)}
    )
    with learning(model, ["a"]):
        assert model(torch.ones(1, 1)).item() == 4.0


def test_merging_acts_as_the_lora_beside_the_layer_does(model):
    state = trained(model, scale=0.5)
    with learning(model, [], ["a"]):
        beside = model(X)
    remove_loras(model)
    with merged(model, [Lora(state, 0.5)]):
        torch.testing.assert_close(model(X), beside, atol=1e-5, rtol=1e-5)


def test_after_merging_the_weights_are_bit_equal_even_after_an_error(model):
    state = trained(model)
    remove_loras(model)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    inside = merged(model, [Lora(state, 0.3), Lora(state, -1.7)])
    inside.__enter__()
    assert not torch.equal(model.linear.weight, before["linear.weight"])
    assert not inside.__exit__(KeyError, KeyError(), None)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_strength_zero_is_the_base_to_the_last_bit(model):
    state = trained(model)
    remove_loras(model)
    before = model(X)
    with merged(model, [Lora(state, 0.0)]):
        assert torch.equal(model(X), before)


def test_two_merged_loras_add_up_in_any_order(model):
    a, b = trained(model, "a", seed=1), trained(model, "b", seed=2)
    remove_loras(model)
    with merged(model, [Lora(a, 1.0), Lora(b, 0.5)]):
        first = model(X)
    with merged(model, [Lora(b, 0.5), Lora(a, 1.0)]):
        torch.testing.assert_close(model(X), first)


def test_merging_into_half_precision_rounds_once_so_order_does_not_matter(model):
    a, b = trained(model, "a", seed=1), trained(model, "b", seed=2)
    remove_loras(model)
    model.bfloat16()
    both = []
    for order in ([Lora(a, 0.01), Lora(b, 0.01)], [Lora(b, 0.01), Lora(a, 0.01)]):
        with merged(model, order):
            both.append(model.linear.weight.clone())
    assert torch.equal(*both)


def test_removing_gives_the_very_same_modules_back(model):
    linear, conv = model.linear, model.conv
    trained(model, "a")
    trained(model, "b")
    remove_loras(model)
    assert model.linear is linear
    assert model.conv is conv
    assert not lora_parameters(model, "a")


def test_only_what_learns_gets_gradients(model):
    trained(model, "a")
    trained(model, "b")
    with learning(model, ["a"], ["b"]):
        model(X).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in lora_parameters(model, "a").values())
    others = [p for k, p in model.named_parameters() if ".a." not in k]
    assert all(p.grad is None for p in others)


def test_an_adapter_that_is_not_chosen_does_not_act(model):
    before = model(X)
    trained(model, "a")
    with learning(model, []):
        assert torch.equal(model(X), before)


def test_a_state_of_another_model_does_not_fit(model):
    state = trained(model)
    remove_loras(model)
    assert fits(model, state)
    assert not fits(model, {})
    assert not fits(model, {k.replace("linear", "other"): v for k, v in state.items()})
    assert not fits(model, {k: v for k, v in state.items() if "lora_B" not in k})
    assert not fits(model, {**state, "linear.lora_A.weight": torch.zeros(2, 7)})
    add_lora(model, "c", "linear", 2, 1.0, 0)
    with pytest.raises(ValueError, match="not those of this model"):
        load_lora_state(model, "c", state)
