"""The UNet3DConditionModel family: ModelScope, ZeroScope, the starter.

Shapes: B batch, C latent channels, F frames, h×w latent size, L tokens, D text width.
"""

import gc
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel
from diffusers.models.resnet import ResnetBlock2D, TemporalConvLayer
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils.logging import disable_progress_bar

from backend.diffusion.memory import Plan, choose_device, choose_dtype, choose_mode, free_bytes
from backend.diffusion.paths import EpsilonPath, NoisePath, VelocityPath
from backend.diffusion.tokens import NO_TOKENS, new_tokens, spell
from backend.errors import UserError
from backend.families.base import Fingerprint
from backend.families.profile import read_profile
from backend.families.weights import fingerprint

_TEMPORAL = r"(.*\.)?(temp_attentions\.\d+|transformer_in)\.transformer_blocks\.\d+"
_SPATIAL = r"(.*\.)?attentions\.\d+\.transformer_blocks\.\d+"
_FF = r"\.ff\.net\.(0\.proj|2)"
LAYERS = {
    "temporal attention": _TEMPORAL + r"\.attn[12]\.(to_q|to_k|to_v|to_out\.0)",
    "temporal qk": _TEMPORAL + r"\.attn[12]\.(to_q|to_k)",
    "temporal qkv": _TEMPORAL + r"\.attn[12]\.(to_q|to_k|to_v)",
    "temporal ff": _TEMPORAL + _FF,
    "temporal conv": r"(.*\.)?temp_convs\.\d+\.conv(1\.2|[2-4]\.3)",
    "spatial attention": _SPATIAL + r"\.attn[12]\.(to_q|to_k|to_v|to_out\.0)",
    "spatial self-attention": _SPATIAL + r"\.attn1\.(to_q|to_k|to_v|to_out\.0)",
    "spatial ff": _SPATIAL + _FF,
    "cross-attention kv": _SPATIAL + r"\.attn2\.(to_k|to_v)",
}
_WHOLE_LAYER = re.compile(r"(.*\.)?(temp_(attentions|convs)\.\d+|transformer_in)(?=\.)")
PATHS: dict[str, type[EpsilonPath] | type[VelocityPath]] = {
    "epsilon": EpsilonPath,
    "v_prediction": VelocityPath,
}
ENCODED_AT_ONCE = 8  # frames in the autoencoder at a time; its activations outgrow the UNet's otherwise


class UNet3D:
    """A text-to-video pipeline folder, its parts loaded when first used."""

    def __init__(
        self, folder: Path, name: str, *, device: str = "auto", precision: str = "auto", memory: str = "auto"
    ):
        self._folder = folder
        where = choose_device(device)
        self._dtype = choose_dtype(precision, where)
        self._device = where
        self._memory = memory
        pixels = self._unet_config.get("sample_size")
        self.profile = read_profile(folder, name, pixels * self.size_multiple if pixels else None)

    # -------------------------------------------------------------- facts

    @cached_property
    def _unet_config(self) -> dict[str, Any]:
        return dict(UNet3DConditionModel.load_config(self._folder / "unet"))

    @cached_property
    def _vae_config(self) -> dict[str, Any]:
        return dict(AutoencoderKL.load_config(self._folder / "vae"))

    @cached_property
    def _scheduler(self) -> DDIMScheduler:
        # clip_sample is True by default in diffusers and ruins inversion; no base here was trained for it.
        return DDIMScheduler.from_pretrained(self._folder / "scheduler", clip_sample=False)

    @property
    def size_multiple(self) -> int:
        """The autoencoder's factor; the UNet itself takes odd sizes by padding its upsampling."""
        return int(2 ** (len(self._vae_config["block_out_channels"]) - 1))

    @property
    def latent_channels(self) -> int:
        return int(self._unet_config["in_channels"])

    @cached_property
    def fingerprint(self) -> Fingerprint:
        return fingerprint(self._folder)

    @cached_property
    def path(self) -> NoisePath:
        config = self._scheduler.config
        if config.prediction_type not in PATHS:
            raise UserError(
                f"The base {self.profile.name} predicts {config.prediction_type!r}: Restage cannot use it.",
                "Use a base whose scheduler says epsilon or v_prediction.",
            )
        if config.prediction_type == "epsilon" and self._scheduler.alphas_cumprod[-1] == 0:
            raise UserError(
                f"The base {self.profile.name} predicts noise from nothing else (zero terminal SNR).",
                "Switch rescale_betas_zero_snr off in its scheduler, or use a base that predicts v.",
            )
        return PATHS[config.prediction_type](
            self._scheduler.alphas_cumprod, float(self._scheduler.final_alpha_cumprod)
        )

    @cached_property
    def plan(self) -> Plan:
        """Chosen once, before the denoiser is loaded, for a learning step on the base's native clip."""
        p = self.profile
        weights = sum(p.numel() for p in self.skeleton.parameters()) * self._dtype.itemsize
        positions = p.frames * p.width * p.height // self.size_multiple**2
        widths = sum(self._unet_config["block_out_channels"])
        # 6.3 GiB in 16 bits for 16 frames of 32×32 latents at widths 320+640+1280+1280 (ModelScope).
        activations = int(6.3 * 2**30 * positions / 16384 * widths / 3520 * self._dtype.itemsize / 2)
        mode = choose_mode(self._memory, free_bytes(self._device), weights, activations)
        return Plan(self._device, self._dtype, mode)

    # -------------------------------------------------------------- parts

    @cached_property
    def skeleton(self) -> UNet3DConditionModel:
        with torch.device("meta"):
            return UNet3DConditionModel.from_config(self._unet_config)

    @cached_property
    def denoiser(self) -> UNet3DConditionModel:
        unet = _load(UNet3DConditionModel, self._folder / "unet", self._dtype, self._device)
        if self.plan.checkpointing:
            recompute_activations(unet)
        if self._device.type == "cpu":
            flatten_convolutions(unet)
        return unet

    @cached_property
    def _vae(self) -> AutoencoderKL:
        # fp16 activations of an autoencoder may overflow to black frames; cards on fp16 have no bf16.
        dtype = torch.float32 if self._dtype is torch.float16 else self._dtype
        vae = _load(AutoencoderKL, self._folder / "vae", dtype, self._device)
        if self.plan.mode == "low":
            vae.enable_tiling()
        return vae

    @cached_property
    def _text(self) -> tuple[CLIPTokenizer, CLIPTextModel]:
        tokenizer = CLIPTokenizer.from_pretrained(self._folder / "tokenizer")
        return tokenizer, _load(CLIPTextModel, self._folder / "text_encoder", self._dtype, self._device)

    def release(self, part: str) -> None:
        if (
            self.__dict__.pop({"text": "_text", "pixels": "_vae", "denoiser": "denoiser"}[part], None)
            is not None
        ):
            gc.collect()
            if self._device.type == "cuda":
                torch.cuda.empty_cache()

    # -------------------------------------------------------------- what it does

    def layers(self, group: str) -> str:
        return LAYERS[group]

    def frame_layer(self, module: str) -> str:
        layer = _WHOLE_LAYER.match(module)
        return layer[0] if layer else module

    def bypass_temporal(self) -> AbstractContextManager[None]:
        return bypass_temporal(self.denoiser)

    @torch.no_grad()
    def encode(self, frames: np.ndarray[Any, Any]) -> Tensor:
        """(F, H, W, 3) uint8 RGB → (1, C, F, h, w) float32: the posterior's mean, scaled."""
        pixels = torch.from_numpy(np.ascontiguousarray(frames)).movedim(-1, 1)
        parts = []
        for part in torch.split(pixels, ENCODED_AT_ONCE):
            x = (part.to(self._device) / 127.5 - 1).to(self._vae.dtype)
            parts.append(self._vae.encode(x).latent_dist.mode().float())
        latents = torch.cat(parts) * float(self._vae.config.scaling_factor)
        return latents.movedim(0, 1)[None]

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray[Any, Any]:
        """(1, C, F, h, w) → (F, H, W, 3) uint8 RGB."""
        z = latents[0].movedim(1, 0) / self._vae.config.scaling_factor
        parts = []
        for part in torch.split(z, ENCODED_AT_ONCE):
            x = self._vae.decode(part.to(self._device, self._vae.dtype)).sample
            parts.append(((x.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu())
        return torch.cat(parts).movedim(1, -1).numpy()

    def embed(self, prompts: list[str], tokens: Mapping[str, Tensor] = NO_TOKENS) -> Tensor:
        """→ (B, L, D) in the base's precision; prompts longer than the text model reads are cut."""
        tokenizer, model = self._text
        spelled = [spell(prompt, tokens) for prompt in prompts]
        learns = torch.is_grad_enabled() and any(v.requires_grad for v in tokens.values())
        with torch.set_grad_enabled(learns), new_tokens(tokenizer, model.get_input_embeddings(), tokens):
            ids = tokenizer(spelled, padding="max_length", max_length=tokenizer.model_max_length,
                            truncation=True, return_tensors="pt").input_ids  # fmt: skip
            embedded: Tensor = model(ids.to(self._device)).last_hidden_state
        return embedded

    def token_vectors(self, words: str) -> Tensor:
        tokenizer, model = self._text
        ids = tokenizer(words, add_special_tokens=False, return_tensors="pt").input_ids[0]
        vectors: Tensor = model.get_input_embeddings().weight[ids.to(self._device)]
        return vectors.detach().float().cpu()

    def predict(self, x_t: Tensor, t: Tensor, text: Tensor) -> Tensor:
        """(B, C, F, h, w), (B,), (B, L, D) → the model's output, in float32."""
        output: Tensor = self.denoiser(
            x_t.to(self._dtype), t, encoder_hidden_states=text.to(self._dtype)
        ).sample
        return output.float()

    def schedule(self, steps: int) -> list[int]:
        self._scheduler.set_timesteps(steps)
        return [int(t) for t in self._scheduler.timesteps]


def _load(kind: Any, folder: Path, dtype: torch.dtype, device: torch.device) -> Any:
    disable_progress_bar()  # transformers' own, which would break up a terminal's
    try:
        model = kind.from_pretrained(folder, torch_dtype=dtype)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"The base model's {folder.name} in {folder.parent} cannot be loaded.",
            "Fetch or copy the base again.",
        ) from error
    return model.to(device).eval().requires_grad_(False)


# ------------------------------------------------------ what diffusers lacks for this class


@contextmanager
def bypass_temporal(unet: nn.Module) -> Iterator[None]:
    """Inside the block temporal attentions and convolutions pass their input on: frames are independent."""
    temporal = [m for m in unet.modules() if isinstance(m, TransformerTemporalModel | TemporalConvLayer)]
    before = [m.__dict__.get("forward") for m in temporal]  # set where activations are recomputed
    for module in temporal:
        is_attention = isinstance(module, TransformerTemporalModel)
        module.forward = _passed_on_in_a_tuple if is_attention else _passed_on
    try:
        yield
    finally:
        for module, forward in zip(temporal, before, strict=True):
            del module.forward
            if forward is not None:
                module.forward = forward


def _passed_on(hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
    return hidden_states


def _passed_on_in_a_tuple(hidden_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor]:
    return (hidden_states,)


def recompute_activations(unet: nn.Module) -> None:
    """Gradient checkpointing, which UNet3DConditionModel itself refuses, by wrapping its blocks' forwards."""
    kinds = (Transformer2DModel, TransformerTemporalModel, TemporalConvLayer, ResnetBlock2D)
    for module in unet.modules():
        if isinstance(module, kinds):
            _wrap_forward(module)


def _wrap_forward(module: nn.Module) -> None:
    plain = type(module).forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return plain(module, *args, **kwargs)
        return checkpoint(plain, module, *args, use_reentrant=False, **kwargs)

    module.forward = forward


def flatten_convolutions(unet: nn.Module) -> None:
    """Compute the temporal convolutions (kernel 3×1×1) as two-dimensional ones: on a CPU twice as fast."""
    layers = [layer for layer in unet.modules() if isinstance(layer, TemporalConvLayer)]
    deep: list[nn.Module] = [m for layer in layers for m in layer.modules() if isinstance(m, nn.Conv3d)]
    for convolution in deep:
        convolution.forward = MethodType(_flat_convolution, convolution)


def _flat_convolution(conv: nn.Conv3d, x: Tensor) -> Tensor:
    """(B, C, F, h, w) → (B, D, F, h, w)."""
    flat = functional.conv2d(x.flatten(3), conv.weight.squeeze(-1), conv.bias, padding=(1, 0))
    return flat.view(*flat.shape[:3], *x.shape[3:])
