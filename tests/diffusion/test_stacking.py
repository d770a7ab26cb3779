"""Several LoRAs at once, each with one strength or one per frame, on a UNet3D and on matrices by hand."""

import math

import pytest
import torch
from torch import nn

from backend.diffusion.adapters import (
    Lora,
    add_lora,
    learning,
    load_lora_state,
    lora_parameters,
    remove_loras,
)
from backend.diffusion.stacking import Part, balanced, stacked
from backend.families.unet3d import LAYERS, UNet3D

F = 4
GROUPS = ("temporal attention", "temporal ff", "temporal conv", "spatial attention")


@pytest.fixture
def base(toy_base):
    return UNet3D(toy_base, "toy", device="cpu")


def random_lora(unet, group, seed=0, scale=0.5):
    """A LoRA on a group of layers, as after learning."""
    g = torch.Generator().manual_seed(seed)
    add_lora(unet, "a", LAYERS[group], rank=2, scale=scale, seed=seed)
    state = {k: torch.randn(p.shape, generator=g) * 0.5 for k, p in lora_parameters(unet, "a").items()}
    remove_loras(unet)
    return Lora(state, scale)


def predicted(base):
    """What the base makes of two noisy clips, as guidance asks for them: (2, C, F, h, w)."""
    g = torch.Generator().manual_seed(9)
    x, text = torch.randn(2, 4, F, 8, 8, generator=g), torch.randn(2, 7, 16, generator=g)
    with torch.no_grad():
        return base.predict(x, torch.tensor([400, 400]), text)


def with_parts(base, *parts):
    with stacked(base.denoiser, parts, base.frame_layer):
        return predicted(base)


@pytest.mark.parametrize("group", GROUPS)
def test_all_ones_equal_plain_strength(base, group):
    """Frames that differ by nothing are one strength and merged; a hair's breadth apart they are mixed."""
    lora = random_lora(base.denoiser, group)
    plain = with_parts(base, Part(lora, (1.0,) * F))
    assert (plain - predicted(base)).abs().max() > 1e-2
    mixed = with_parts(base, Part(lora, (1.0, 1.0, 1.0, 1.0 + 1e-9)))
    torch.testing.assert_close(mixed, plain, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("group", GROUPS)
def test_a_frame_of_strength_zero_equals_the_base_at_each_layer(base, group):
    """Each touched layer gets the same input twice: its rows of strength 0 come out bit-equal."""
    lora, strengths = random_lora(base.denoiser, group), (0.0, 0.5, 0.0, 1.0)
    names = {base.frame_layer(key.rsplit(".lora_", 1)[0]) for key in lora.state}
    inputs = layer_inputs(base, names)
    for name in names:
        layer = base.denoiser.get_submodule(name)
        before = rows(layer, inputs[name])
        with stacked(base.denoiser, [Part(lora, strengths)], base.frame_layer), torch.no_grad():
            after = rows(layer, inputs[name])
        same = [torch.equal(before[:, f], after[:, f]) for f in range(F)]
        assert same == [True, False, True, False], name


def layer_inputs(base, names):
    """By layer, the arguments it gets while the base predicts."""
    seen, hooks = {}, []
    for name in names:

        def keep(module, args, kwargs, name=name):
            seen[name] = (args, kwargs)

        hooks.append(base.denoiser.get_submodule(name).register_forward_pre_hook(keep, with_kwargs=True))
    predicted(base)
    for hook in hooks:
        hook.remove()
    return seen


def rows(layer, arguments):
    """The layer's output as (B, F, …)."""
    args, kwargs = arguments
    with torch.no_grad():
        output = layer(*args, **kwargs)
    output = output[0] if isinstance(output, tuple) else output
    return output.unflatten(0, (-1, F))


def test_a_spatial_lora_changes_just_the_frames_that_it_acts_on(base):
    """With temporal layers bypassed frames are independent, so each must equal plain strength 0 or 1."""
    lora = random_lora(base.denoiser, "spatial attention")
    with base.bypass_temporal():
        none, whole = predicted(base), with_parts(base, Part(lora, (1.0,) * F))
        half = with_parts(base, Part(lora, (0.0, 0.0, 1.0, 1.0)))
    assert torch.equal(half[:, :, :2], none[:, :, :2])
    torch.testing.assert_close(half[:, :, 2:], whole[:, :, 2:], atol=1e-4, rtol=1e-4)
    assert (whole - none).abs().max() > 1e-2


def test_strength_zero_is_the_base_to_the_last_bit(base):
    lora = random_lora(base.denoiser, "temporal attention")
    assert torch.equal(with_parts(base, Part(lora, (0.0,) * F)), predicted(base))


def test_afterwards_the_base_is_bit_equal_even_after_an_error(base):
    parts = [
        Part(random_lora(base.denoiser, group, seed), strengths)
        for group in GROUPS
        for seed, strengths in ((1, (1.0,) * F), (2, (0.0, 0.2, 0.4, 1.0)))
    ]
    weights = {k: v.clone() for k, v in base.denoiser.state_dict().items()}
    before, own = predicted(base), forwards(base)
    inside = stacked(base.denoiser, parts, base.frame_layer)
    inside.__enter__()
    assert forwards(base) != own
    assert not torch.equal(predicted(base), before)
    assert not inside.__exit__(KeyError, KeyError(), None)
    assert all(torch.equal(v, weights[k]) for k, v in base.denoiser.state_dict().items())
    assert torch.equal(predicted(base), before)
    assert forwards(base) == own


def forwards(base):
    """What stands in for modules' own forward: some convolutions are computed flat on a CPU."""
    return {name: vars(m)["forward"] for name, m in base.denoiser.named_modules() if "forward" in vars(m)}


def test_the_order_of_stacking_does_not_matter(base):
    """To 1e-4 of outputs near 1: sums of float32 in another order."""
    parts = [
        Part(random_lora(base.denoiser, "temporal attention", 1), (1.0,) * F),
        Part(random_lora(base.denoiser, "temporal conv", 2), (0.0, 0.3, 0.6, 1.0)),
        Part(random_lora(base.denoiser, "temporal attention", 3), (1.0, 0.0, 0.0, 0.5)),
        Part(random_lora(base.denoiser, "spatial attention", 4), (0.7,) * F),
    ]
    there, back = with_parts(base, *parts), with_parts(base, *reversed(parts))
    torch.testing.assert_close(there, back, atol=1e-4, rtol=1e-4)
    for amount in (0.5, 1.0):
        one = with_parts(base, *balanced(parts, amount))
        other = with_parts(base, *balanced(parts[::-1], amount))
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_merged_equals_beside_the_layers(base):
    lora = random_lora(base.denoiser, "temporal conv")
    stacked_ = with_parts(base, Part(lora, (1.0,) * F))
    add_lora(base.denoiser, "a", LAYERS["temporal conv"], rank=2, scale=lora.scale, seed=0)
    load_lora_state(base.denoiser, "a", lora.state)
    with learning(base.denoiser, [], ["a"]):
        torch.testing.assert_close(predicted(base), stacked_, atol=1e-4, rtol=1e-4)
    remove_loras(base.denoiser)


def test_in_half_precision_a_frame_of_strength_zero_is_still_the_bases(toy_base):
    base = UNet3D(toy_base, "toy", device="cpu", precision="bf16")
    lora = random_lora(base.denoiser, "spatial attention")
    with base.bypass_temporal():
        none, half = predicted(base), with_parts(base, Part(lora, (0.0, 0.0, 1.0, 1.0)))
    assert torch.equal(half[:, :, :2], none[:, :, :2])
    assert not torch.equal(half[:, :, 2:], none[:, :, 2:])


# ------------------------------------------------------------------ balance


def matrix(norm, module="m"):
    """A change of one weight: Δ = α BA = 0.5 · [2 norm] · [1]."""
    state = {
        f"{module}.lora_A.weight": torch.ones(1, 1),
        f"{module}.lora_B.weight": torch.full((1, 1), 2.0 * norm),
    }
    return Lora(state, 0.5)


def size(part, module="m"):
    return (
        part.lora.scale
        * (part.lora.state[f"{module}.lora_B.weight"] @ part.lora.state[f"{module}.lora_A.weight"]).item()
    )


def test_two_motions_of_one_strength_meet_at_the_geometric_mean():
    """n = 1 and 4 meet at √(1·4) = 2; half way they are 1·2^½ and 4·½^½."""
    parts = [Part(matrix(1), (1.0,)), Part(matrix(4), (1.0,))]
    assert [size(p) for p in balanced(parts, 1.0)] == pytest.approx([2, 2])
    assert [size(p) for p in balanced(parts, 0.5)] == pytest.approx([math.sqrt(2), 4 / math.sqrt(2)])
    assert [size(p) for p in balanced(parts, 0.0)] == [1, 4]


def test_the_stronger_motion_says_more_of_the_common_size():
    """Weights 1 and 3 of 4: 1^¼ · 16^¾ = 8."""
    parts = [Part(matrix(1), (0.5, 0.5)), Part(matrix(16), (1.0, -2.0))]
    assert [size(p) for p in balanced(parts, 1.0)] == pytest.approx([8, 8])


def test_a_motion_alone_and_one_beside_a_vanishing_one_stay_as_learned():
    assert size(balanced([Part(matrix(3), (1.0,))], 1.0)[0]) == pytest.approx(3)
    kept, _ = balanced([Part(matrix(3), (1.0,)), Part(matrix(1000), (1e-7,))], 1.0)
    assert size(kept) == pytest.approx(3, rel=1e-5)


@pytest.mark.parametrize("amount", [0.0, 1.0])
def test_a_curve_that_rises_and_falls_between_two_frames_stays_as_learned(amount):
    assert size(balanced([Part(matrix(3), (0.0, 0.0))], amount)[0]) == pytest.approx(3)
    unseen, other = balanced([Part(matrix(3), (0.0, 0.0)), Part(matrix(5), (1.0, 1.0))], amount)
    assert size(other) == pytest.approx(5)
    assert unseen.strengths == (0.0, 0.0)


def test_modules_are_balanced_each_for_itself_and_one_that_nothing_changes_stays():
    a = Lora({**matrix(1, "m").state, **matrix(9, "own").state, **matrix(0, "still").state}, 0.5)
    b = Lora({**matrix(4, "m").state, **matrix(5, "still").state}, 0.5)
    one, other = balanced([Part(a, (1.0,)), Part(b, (1.0,))], 1.0)
    assert (size(one, "m"), size(other, "m")) == pytest.approx((2, 2))
    assert (size(one, "own"), size(one, "still"), size(other, "still")) == pytest.approx((9, 0, 5))


def test_the_size_of_a_change_is_that_of_the_whole_matrix():
    """Also of a convolution, whose tensors have more axes: ‖BA‖ without building BA."""
    g = torch.Generator().manual_seed(0)
    conv = {
        "m.lora_A.weight": torch.randn(3, 5, 3, 1, 1, generator=g),
        "m.lora_B.weight": torch.randn(6, 3, 1, 1, 1, generator=g),
    }
    whole = torch.einsum("or,ri->oi", conv["m.lora_B.weight"].flatten(1), conv["m.lora_A.weight"].flatten(1))
    linear = Lora(
        {"m.lora_A.weight": torch.ones(1, 1), "m.lora_B.weight": whole.norm().view(1, 1) * 0.25}, 2.0
    )
    both = balanced([Part(Lora(conv, 2.0), (1.0,)), Part(linear, (1.0,))], 1.0)
    factors = [
        both[0].lora.state["m.lora_B.weight"][0, 0] / conv["m.lora_B.weight"][0, 0],
        both[1].lora.state["m.lora_B.weight"][0, 0] / linear.state["m.lora_B.weight"][0, 0],
    ]
    torch.testing.assert_close(torch.stack([f.flatten()[0] for f in factors]), torch.tensor([0.5, 2.0]))


def test_layers_without_frames_inside_are_mixed_where_they_stand(base):
    assert base.frame_layer("mid_block.temp_convs.0.conv1.2") == "mid_block.temp_convs.0"
    inside = "up_blocks.1.temp_attentions.1.transformer_blocks.0.attn1.to_q"
    assert base.frame_layer(inside) == "up_blocks.1.temp_attentions.1"
    assert base.frame_layer("transformer_in.transformer_blocks.0.ff.net.2") == "transformer_in"
    spatial = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k"
    assert base.frame_layer(spatial) == spatial
    assert isinstance(base.denoiser.get_submodule(spatial), nn.Linear)
