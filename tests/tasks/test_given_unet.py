"""A DreamBooth UNet as a given absorber: its looks stand in for the base's while the motion learns."""

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel, UNet3DConditionModel
from safetensors.torch import load_file

from backend.diffusion.adapters import add_lora, remove_loras, standing_in
from backend.errors import UserError
from backend.families.unet3d import UNet3D
from backend.tasks import perform
from backend.tasks.given import read_given
from backend.tasks.run import Stopped
from tests.conftest import quiet_run
from tests.tasks.cases import CASES, request_for

CHANGED = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"
TEMPORAL = "down_blocks.0.temp_convs.0.conv2.3.weight"


@pytest.fixture
def base(toy_base) -> UNet3D:
    return UNet3D(toy_base, "toy", device="cpu")


def image_unet(base: UNet3D, folder: Path, width: int = 16) -> Path:
    """The base's own image model, as its temporal layers were never there, trained a little at one place."""
    unet = UNet2DConditionModel(
        sample_size=8, block_out_channels=(8, width), layers_per_block=1, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16, attention_head_dim=4, use_linear_projection=True,
    )  # fmt: skip
    if width == 16:
        own = base.denoiser.state_dict()
        state = {name: own[name].clone() for name in unet.state_dict()}
        state[CHANGED] += 0.5
        unet.load_state_dict(state)
    unet.save_pretrained(folder)
    return folder


def video_unet(base: UNet3D, folder: Path, *changed: str) -> Path:
    unet = UNet3DConditionModel.from_config(base.denoiser.config)
    state = {name: tensor.clone() for name, tensor in base.denoiser.state_dict().items()}
    for name in changed:
        state[name] += 0.5
    unet.load_state_dict(state)
    unet.save_pretrained(folder / "unet")
    return folder


def test_of_an_image_models_unet_what_differs_is_taken(base, tmp_path):
    given = read_given(str(image_unet(base, tmp_path / "dreambooth")), base)
    assert given.weights.keys() == {CHANGED}
    torch.testing.assert_close(given.weights[CHANGED], base.denoiser.state_dict()[CHANGED] + 0.5)
    assert given.hash


def test_of_a_video_pipelines_unet_the_looks_are_taken_and_its_motion_is_not(base, tmp_path):
    given = read_given(str(video_unet(base, tmp_path / "video", CHANGED, TEMPORAL)), base)
    assert given.weights.keys() == {CHANGED}


def test_the_base_comes_back_bit_for_bit_also_under_a_lora_and_after_a_stop(base):
    unet = base.denoiser
    before = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    weights = {CHANGED: before[CHANGED] + 0.5, "conv_in.bias": before["conv_in.bias"] - 1}
    add_lora(unet, "a", base.layers("spatial attention"), 2, 1.0, seed=0)
    with suppress(Stopped), standing_in(unet, weights):
        wrapped = unet.get_submodule(CHANGED.removesuffix(".weight"))
        assert torch.equal(wrapped.get_base_layer().weight, weights[CHANGED])
        assert torch.equal(unet.conv_in.bias, weights["conv_in.bias"])
        raise Stopped("cancel")
    remove_loras(unet)
    assert all(torch.equal(tensor, before[name]) for name, tensor in unet.state_dict().items())


def test_a_motion_learned_before_a_given_unet_is_another_than_without(base, toy_base, moving_clip, tmp_path):
    folder = image_unet(base, tmp_path / "dreambooth")
    learned = []
    for name, chosen in (("none", {}), ("given", {"given": str(folder)})):
        request = request_for(CASES["no absorber"], toy_base, moving_clip, tmp_path / name)
        method = replace(request.method, absorber=name, **chosen)
        (out,) = perform(replace(request, method=method), quiet_run(tmp_path / f"job {name}")).outputs
        learned.append(load_file(Path(out) / "weights" / "toy.safetensors"))
    assert learned[0].keys() == learned[1].keys()
    assert any(not torch.equal(learned[0][key], learned[1][key]) for key in learned[0])


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("the base's own", "has the base's own looks"),
        ("other motion only", "has the base's own looks"),
        ("another size", "does not fit toy"),
        ("cut short", "cannot be loaded"),
        ("no UNet", "cannot be loaded"),
    ],
)
def test_a_unet_that_cannot_stand_in_is_refused_in_a_sentence(base, toy_base, tmp_path, what, complaint):
    folder = tmp_path / "given"
    match what:
        case "the base's own":
            folder = toy_base
        case "other motion only":
            video_unet(base, folder, TEMPORAL)
        case "another size":
            image_unet(base, folder, width=24)
        case "cut short":
            image_unet(base, folder)
            path = folder / "diffusion_pytorch_model.safetensors"
            path.write_bytes(path.read_bytes()[:500])
        case "no UNet":
            shutil.copytree(toy_base / "vae", folder)
    with pytest.raises(UserError, match=complaint) as caught:
        read_given(str(folder), base)
    assert caught.value.hint
