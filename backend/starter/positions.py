"""A sense of place for a UNet3D that begins without one: stage `positions`.

Left is told from right by the order of frames and by the place of what moves, and neither is in the input:
convolutions see them only in the zeros beyond the edges. A UNet whose first hour taught it looks alone has
learned to see past those zeros, and gradients do not bring them back, since words and places help only
together. So one norm group of every layer is given up to carry them: a constant, whose convolution with the
zeros outside is a signal of its own at each edge, is written into the layer's output along two random
directions. What to make of it is left to training.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet3DConditionModel
from diffusers.models.resnet import ResnetBlock2D, TemporalConvLayer
from torch import Tensor, nn

LOUDNESS = 0.4
"""How strong the signal is beside a layer's output."""
SILU_OF_1 = 0.731
ODD, EVEN, NEAR = torch.tensor([1.0, 0, -1]), torch.tensor([1.0, -2, 1]), torch.ones(3)
"""Kernels that the zeros outside make a first edge's opposite of the last's, make both alike, and spread."""
LAYERS = (ResnetBlock2D, TemporalConvLayer)


@torch.no_grad()
def mark_positions(unet: UNet3DConditionModel, x: Tensor, t: Tensor, text: Tensor, seed: int = 0) -> None:
    """Let each convolutional layer write where its frames and pixels lie, as loud as `LOUDNESS`.

    How loud its output is without is measured on x (B, C, F, h, w) at t (B,) under text (B, L, D).
    """
    generator = torch.Generator().manual_seed(seed)
    for layer, scale in _scales(unet, x, t, text).items():
        if isinstance(layer, TemporalConvLayer):
            _mark_frames(layer, LOUDNESS * scale, generator)
        elif isinstance(layer, ResnetBlock2D):
            _mark_pixels(layer, LOUDNESS * scale, generator)


def _scales(unet: UNet3DConditionModel, *inputs: Tensor) -> dict[nn.Module, float]:
    """The standard deviation of each layer's output."""
    scales: dict[nn.Module, float] = {}
    layers = [module for module in unet.modules() if isinstance(module, LAYERS)]
    hooks = [
        layer.register_forward_hook(lambda module, _, out: scales.__setitem__(module, out.std().item()))
        for layer in layers
    ]
    unet(*inputs)
    for hook in hooks:
        hook.remove()
    return scales


def _mark_frames(layer: TemporalConvLayer, amplitude: float, generator: torch.Generator) -> None:
    """Channels of the last norm group: a constant → the end frames → the two at each end, then three."""
    steps = (layer.conv1, layer.conv2, layer.conv3, layer.conv4)
    group = _last_group(layer.conv2[0])
    first, *_ = group
    constant, edges, spread, out = (step[-1] for step in steps)
    for convolution in (constant, edges, spread):
        _silence(convolution, group)
    constant.bias[group] = _ones(group).to(constant.bias)
    for step in steps[1:]:
        _set_aside(step[0], step[-1], group)
    for pair, kernel in ((group[:2], ODD), (group[2:4], EVEN)):
        plus, minus = pair
        edges.weight[plus, first, :, 0, 0], edges.weight[minus, first, :, 0, 0] = kernel, -kernel
        for into, sign in ((plus, 1), (minus, -1)):  # of SiLU(s) and SiLU(-s) the difference is s again
            spread.weight[into, plus, :, 0, 0], spread.weight[into, minus, :, 0, 0] = (
                sign * NEAR,
                -sign * NEAR,
            )
        loud = amplitude / 4 * (1 if kernel is ODD else 0.5)
        towards = loud * _direction(len(out.weight), generator)[:, None] * NEAR
        out.weight[:, plus, :, 0, 0], out.weight[:, minus, :, 0, 0] = towards, -towards


def _mark_pixels(layer: ResnetBlock2D, amplitude: float, generator: torch.Generator) -> None:
    """Channels of the last norm group: a constant → left edge against right, upper edge against lower."""
    group = _last_group(layer.norm2)
    _silence(layer.conv1, group)
    _silence(layer.time_emb_proj, group)
    layer.conv1.bias[group] = _ones(group).to(layer.conv1.bias)
    _set_aside(layer.norm2, layer.conv2, group)
    across = ODD.expand(3, 3) / 3
    for channel, kernel in ((group[0], across), (group[2], across.T)):
        towards = _direction(len(layer.conv2.weight), generator)
        layer.conv2.weight[:, channel] = towards[:, None, None] * kernel * amplitude / SILU_OF_1


def _last_group(norm: nn.GroupNorm) -> list[int]:
    return list(range(norm.num_channels - norm.num_channels // norm.num_groups, norm.num_channels))


def _silence(module: Any, channels: list[int]) -> None:
    """Let `module` write nothing into these channels."""
    module.weight[channels], module.bias[channels] = 0, 0


def _set_aside(norm: nn.GroupNorm, after: Any, channels: list[int]) -> None:
    """Keep these channels' norm plain, and let nothing after it read them."""
    norm.weight[channels], norm.bias[channels] = 1, 0
    after.weight[:, channels] = 0


def _ones(channels: list[int]) -> Tensor:
    """1, -1, 1, …: of mean 0 and spread 1, so that a norm leaves them as they are."""
    return torch.tensor([1.0, -1.0] * (len(channels) // 2))


def _direction(width: int, generator: torch.Generator) -> Tensor:
    """A random direction (width,) of root mean square 1."""
    towards = torch.randn(width, generator=generator)
    return towards / towards.square().mean().sqrt()
