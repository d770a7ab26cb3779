"""Stage `positions`: a UNet in which every frame and pixel looked the same is told where it is."""

import torch
from diffusers import UNet3DConditionModel
from diffusers.models.resnet import ResnetBlock2D, TemporalConvLayer

from backend.starter.models import LATENT_CHANNELS, TEXT_WIDTH, Size, new_unet
from backend.starter.positions import mark_positions

SIZE = Size(pixels=64, frames=8)


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(1, LATENT_CHANNELS, SIZE.frames, 8, 8)
    return x, torch.tensor([900]), torch.randn(1, 4, TEXT_WIDTH)


def marked() -> UNet3DConditionModel:
    unet = new_unet(SIZE).eval()
    mark_positions(unet, *inputs())
    return unet


@torch.no_grad()
def test_frames_of_the_same_picture_are_told_apart_after_it_and_not_before() -> None:
    layer = next(m for m in marked().modules() if isinstance(m, TemporalConvLayer))
    same = torch.ones(SIZE.frames, layer.conv1[0].num_channels, 8, 8)
    written = (layer(same, num_frames=SIZE.frames) - same).mean((2, 3))
    first, last = written[0], written[-1]
    assert (first - last).norm() > 4 * (written[3] - written[4]).norm()
    fresh = next(m for m in new_unet(SIZE).eval().modules() if isinstance(m, TemporalConvLayer))
    assert torch.equal(fresh(same, num_frames=SIZE.frames), same)


@torch.no_grad()
def test_the_left_edge_gets_the_opposite_of_the_right_and_the_upper_of_the_lower() -> None:
    layer = next(m for m in marked().modules() if isinstance(m, ResnetBlock2D))
    for others in (layer.conv2.weight[:, :-4], layer.conv2.bias):  # all but what marks the place
        others.zero_()
    x = torch.randn(2, layer.conv1.in_channels, 8, 8)
    written = layer(x, torch.randn(2, layer.time_emb_proj.in_features)) - _shortcut(layer, x)
    left, right, top, bottom, middle = (
        written[0, :, y, x] for y, x in ((4, 0), (4, -1), (0, 4), (-1, 4), (4, 4))
    )
    assert middle.abs().max() < 1e-5 < left.norm()
    assert torch.allclose(left, -right, atol=1e-5)
    assert torch.allclose(top, -bottom, atol=1e-5)
    assert torch.nn.functional.cosine_similarity(left, top, dim=0).abs() < 0.5


def _shortcut(layer: ResnetBlock2D, x: torch.Tensor) -> torch.Tensor:
    return x if layer.conv_shortcut is None else layer.conv_shortcut(x)


@torch.no_grad()
def test_it_is_a_part_of_what_the_unet_says_and_not_most_of_it() -> None:
    torch.manual_seed(1)
    unet = new_unet(SIZE).eval()
    before = unet(*inputs()).sample
    mark_positions(unet, *inputs())
    change = (unet(*inputs()).sample - before).std() / before.std()
    assert 0.01 < change < 1.5
