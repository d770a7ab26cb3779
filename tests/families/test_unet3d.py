"""The UNet3D family on real classes: what a base's parts do, and which layers are which."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet3DConditionModel

from backend.diffusion.adapters import add_lora, learning, lora_parameters, remove_loras
from backend.errors import UserError
from backend.families.unet3d import (
    LAYERS,
    UNet3D,
    bypass_temporal,
    flatten_convolutions,
    recompute_activations,
)
from tests.conftest import TOY_PROFILE

MODELSCOPE = {
    "sample_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 1024,
    "attention_head_dim": 64,
    "down_block_types": ("CrossAttnDownBlock3D",) * 3 + ("DownBlock3D",),
    "up_block_types": ("UpBlock3D",) + ("CrossAttnUpBlock3D",) * 3,
}


@pytest.fixture
def base(toy_base):
    return UNet3D(toy_base, "toy", device="cpu")


def lora_size(group: str, rank: int) -> int:
    with torch.device("meta"):
        unet = UNet3DConditionModel(**MODELSCOPE)
        add_lora(unet, "a", LAYERS[group], rank, 1.0, seed=0)
    return sum(p.numel() for p in lora_parameters(unet, "a").values())


@pytest.mark.parametrize(
    ("group", "rank", "parameters"),
    [("temporal attention", 4, 831_488), ("spatial attention", 1, 207_488)],
)
def test_a_lora_on_a_modelscope_size_unet_has_the_papers_number_of_parameters(group, rank, parameters):
    """Customize-A-Video, supplement: 831.5K for T-LoRA at rank 4, 207.5K for S-LoRA at rank 1."""
    assert lora_size(group, rank) == parameters


@pytest.mark.parametrize("group", LAYERS)
def test_every_group_of_layers_is_in_the_toy_base_and_none_crosses_another(base, group):
    """Two groups have nothing in common, or the narrower one is wholly in the wider."""
    import re

    names = {n for n, _ in base.denoiser.named_modules()}
    groups = {g: {n for n in names if re.fullmatch(pattern, n)} for g, pattern in LAYERS.items()}
    assert groups[group]
    for other in groups.values():
        assert groups[group] & other in (set(), groups[group], other)
    assert all("temp" in n or "transformer_in" in n for n in groups[group]) == group.startswith("temporal")
    modules = dict(base.denoiser.named_modules())
    assert all(isinstance(modules[name], torch.nn.Linear | torch.nn.Conv3d) for name in groups[group])


def inputs(base, frames=4, batch=1):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(batch, base.latent_channels, frames, 8, 8, generator=g)
    return x, torch.full((batch,), 500), base.embed(["a red ball"]).expand(batch, -1, -1)


def test_flat_temporal_convolutions_give_the_same_as_three_dimensional_ones(base):
    unet = UNet3DConditionModel.from_config(base.denoiser.config).eval()
    names = unet.state_dict().keys()
    x, t, text = torch.randn(1, base.latent_channels, 3, 8, 8), torch.tensor([500]), torch.randn(1, 5, 16)
    for name, parameter in unet.named_parameters():  # fresh ones end in zeros
        if ".conv4." in name:
            torch.nn.init.normal_(parameter, std=0.1)
    deep = unet(x, t, text).sample
    flatten_convolutions(unet)
    assert torch.allclose(unet(x, t, text).sample, deep, atol=1e-5)
    assert unet.state_dict().keys() == names


def test_with_temporal_layers_bypassed_frames_are_independent(base):
    x, t, text = inputs(base)
    with torch.no_grad():
        whole = base.predict(x, t, text)
        with base.bypass_temporal():
            alone = torch.cat([base.predict(x[:, :, i : i + 1], t, text) for i in range(4)], dim=2)
            torch.testing.assert_close(base.predict(x, t, text), alone, atol=1e-5, rtol=1e-5)
        assert (whole - alone).abs().max() > 1e-3
        assert torch.equal(base.predict(x, t, text), whole)


def test_bypassing_works_where_activations_are_recomputed_too(base):
    x, t, text = inputs(base)
    with torch.no_grad(), base.bypass_temporal():
        plain = base.predict(x, t, text)
    recompute_activations(base.denoiser)
    with bypass_temporal(base.denoiser):
        torch.testing.assert_close(base.predict(x, t, text), plain)
    assert base.denoiser.transformer_in.forward.__name__ == "forward"


def test_recomputed_activations_give_the_same_gradients_to_the_last_bit(base):
    x, t, text = inputs(base)
    gradients = []
    for recompute in (False, True):
        if recompute:
            recompute_activations(base.denoiser)
        add_lora(base.denoiser, "a", LAYERS["temporal attention"], 2, 1.0, seed=0)
        for p in lora_parameters(base.denoiser, "a").values():
            p.data += 0.01
        with learning(base.denoiser, ["a"]):
            base.predict(x, t, text).square().mean().backward()
        gradients.append({k: p.grad for k, p in lora_parameters(base.denoiser, "a").items()})
        remove_loras(base.denoiser)
    assert all(torch.equal(gradients[0][k], gradients[1][k]) for k in gradients[0])


def test_the_low_memory_mode_recomputes_and_the_fast_one_does_not(toy_base):
    assert UNet3D(toy_base, "toy", device="cpu", memory="low").plan.checkpointing
    assert not UNet3D(toy_base, "toy", device="cpu").plan.checkpointing


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_base_predicts_in_half_precision_about_as_in_full(toy_base, base, precision):
    half = UNet3D(toy_base, "toy", device="cpu", precision=precision)
    x, t, text = inputs(base)
    with torch.no_grad():
        full = base.predict(x, t, text)
        assert (half.predict(x, t, half.embed(["a red ball"])) - full).abs().max() < 0.05 * full.abs().max()


def test_encoding_then_decoding_keeps_count_and_size_of_frames(base):
    frames = np.random.default_rng(0).integers(0, 255, (11, 16, 24, 3), np.uint8)
    latents = base.encode(frames)
    assert latents.shape == (1, base.latent_channels, 11, 8, 12)
    decoded = base.decode(latents)
    assert decoded.shape == frames.shape
    assert decoded.dtype == np.uint8


def test_any_text_is_embedded_even_very_long_and_foreign(base):
    assert base.embed(["", "ein Ball 🎈 " * 200]).shape[0] == 2


def test_the_profile_in_the_folder_rules(base):
    assert (base.profile.name, base.profile.frames) == ("toy", TOY_PROFILE["frames"])


def test_a_scheduler_that_clips_is_told_not_to(toy_base, tmp_path):
    import json
    import shutil

    folder = tmp_path / "clipping"
    shutil.copytree(toy_base, folder)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"clip_sample": True}))
    assert UNet3D(folder, "toy", device="cpu")._scheduler.config.clip_sample is False


def test_a_prediction_type_that_is_not_known_is_refused_in_a_sentence(toy_base, tmp_path):
    import json
    import shutil

    folder = tmp_path / "sample"
    shutil.copytree(toy_base, folder)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": "sample"}))
    with pytest.raises(UserError, match="predicts 'sample'"):
        _ = UNet3D(folder, "toy", device="cpu").path


def test_noise_cannot_be_predicted_from_nothing_else(toy_base, tmp_path):
    import json
    import shutil

    folder = tmp_path / "terminal"
    shutil.copytree(toy_base, folder)
    path = folder / "scheduler" / "scheduler_config.json"
    changed = {"prediction_type": "epsilon", "rescale_betas_zero_snr": True}
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(UserError, match="zero terminal SNR"):
        _ = UNet3D(folder, "toy", device="cpu").path


def test_damaged_weights_of_a_base_are_one_sentence(toy_base, tmp_path):
    import shutil

    folder = Path(shutil.copytree(toy_base, tmp_path / "damaged"))
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"unet .* cannot be loaded"):
        _ = UNet3D(folder, "toy", device="cpu").denoiser
