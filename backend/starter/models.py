"""The starter's four parts, by size. Widths are chosen so that fp16 files stay small; see README.md."""

from __future__ import annotations

import timeit
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .tokenizer import TOKENS, write_tokenizer


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large the shots are: `pixels` wide and high, `frames` at `fps`."""

    pixels: int = 64
    frames: int = 8
    fps: int = 8


LATENT_CHANNELS = 8
CLEARLY = 0.8
"""What bfloat16 may take of float32's time: processes that train together are to come to the same."""
DOWNSCALE = 8
TEXT_WIDTH = 128


def mixed_precision(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16, except on a CPU that multiplies in float32 faster.

    That it has instructions for bfloat16 does not say so: a virtual machine's takes twice as long by them;
    without any it is ten times (docs/log.md).
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or _halves_pay())


@cache
def _halves_pay() -> bool:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    whole, half = (torch.ones(1024, 1024, dtype=dtype) for dtype in (torch.float32, torch.bfloat16))
    return _seconds(half) < CLEARLY * _seconds(whole)


def _seconds(matrix: torch.Tensor) -> float:
    """What its square takes, at best of five."""
    return min(timeit.repeat(lambda: matrix @ matrix, number=1, repeat=5))


def upload(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Values on the device, without waiting until it has done what it was told before."""
    pinned = values.pin_memory() if device.type == "cuda" else values
    return pinned.to(device, non_blocking=True)


def new_autoencoder(size: Size) -> AutoencoderKL:
    """Pixels (B, 3, H, W) in [-1, 1] ↔ latents (B, 8, H/8, W/8)."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 96, 128),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        sample_size=size.pixels,
        mid_block_add_attention=False,
    )


def new_unet(size: Size) -> UNet3DConditionModel:
    """Latents (B, 8, F, H/8, W/8), timesteps (B,), text (B, L, 128) → v of the latents' shape.

    Temporal layers begin as the identity, so that clips go on from where stills ended.
    """
    unet = UNet3DConditionModel(
        sample_size=size.pixels // DOWNSCALE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("CrossAttnDownBlock3D", "CrossAttnDownBlock3D"),
        up_block_types=("CrossAttnUpBlock3D", "CrossAttnUpBlock3D"),
        block_out_channels=(64, 128),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=16,
    )
    for layer in unet.modules():
        if isinstance(layer, TransformerTemporalModel):
            nn.init.zeros_(layer.proj_out.weight)
            nn.init.zeros_(layer.proj_out.bias)
    return unet


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Token ids (B, L) → text (B, L, 128)."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            hidden_act="gelu",
        )
    )


def new_tokenizer(folder: Path) -> CLIPTokenizer:
    """Write the tokenizer's files into `folder` and load them."""
    write_tokenizer(folder)
    return CLIPTokenizer.from_pretrained(folder)


def new_scheduler() -> DDIMScheduler:
    """v-prediction; ends almost in noise (√ᾱ = 0.006), yet not quite, since clips get DDIM-inverted."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.0001,
        beta_end=0.02,
        beta_schedule="linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=False,
    )
