"""Real classes at toy size, built offline; no test needs a network or a mock of a model."""

import gc
import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, TextToVideoSDPipeline, UNet3DConditionModel
from hypothesis import strategies as st
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from backend.api.presets import replace_folder
from backend.media import clips
from backend.starter.tokenizer import write_tokenizer
from backend.tasks.run import Run

st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))  # as JSON has them

TOY_PROFILE = {
    "schema": 1,
    "name": "toy",
    "version": 1,
    "frames": 4,
    "fps": 8,
    "width": 16,
    "height": 16,
    "sampling_steps": 3,
    "inversion_steps": 4,
    "guidance": 2.0,
    "steps": {"draft": 4, "normal": 8, "best": 16},
}


@pytest.fixture(scope="session")
def toy_bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pipeline folders of random weights, by prediction type: "epsilon" and "v_prediction"."""
    folder = tmp_path_factory.mktemp("bases")
    return {kind: build_toy_base(folder / kind, kind) for kind in ("epsilon", "v_prediction")}


@pytest.fixture(scope="session")
def toy_base(toy_bases: dict[str, Path]) -> Path:
    return toy_bases["epsilon"]


@pytest.fixture(scope="session")
def moving_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second at 24 fps, 96×64: a white square goes from left to right over grey."""
    path = tmp_path_factory.mktemp("clips") / "moving.mp4"
    frames = np.full((24, 64, 96, 3), 90, np.uint8)
    for i, frame in enumerate(frames):
        frame[24:40, 4 + 3 * i : 20 + 3 * i] = 240
    clips.write(path, frames, Fraction(24), {})
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A task's surroundings that nobody stops."""
    return quiet_run(tmp_path)


def quiet_run(folder: Path) -> Run:
    return Run(folder / "job", folder / "library", lambda *_: None, lambda *_: None, lambda: "")


def build_toy_base(folder: Path, prediction_type: str, seed: int = 0) -> Path:
    """A TextToVideoSDPipeline of about 60,000 parameters: 16×16 pixels, 4 frames, 8×8 latents."""
    part = folder.with_name(f".{folder.name}.part")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        write_tokenizer(part / "tokenizer")
        tokenizer = CLIPTokenizer.from_pretrained(part / "tokenizer")
        scheduler = DDIMScheduler(prediction_type=prediction_type, clip_sample=False)
        parts = (_toy_vae(), _toy_text(tokenizer), tokenizer, _toy_unet(), scheduler)
        pipeline = TextToVideoSDPipeline(*parts)
    pipeline.save_pretrained(part)
    (part / "restage.json").write_text(json.dumps(TOY_PROFILE))
    replace_folder(part, folder)
    return folder


def _toy_vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
        scaling_factor=1.0,
    )


def _toy_text(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=tokenizer.model_max_length,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=tokenizer.bos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _toy_unet() -> UNet3DConditionModel:
    unet = UNet3DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
        up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        norm_num_groups=4,
        cross_attention_dim=16,
        attention_head_dim=4,
    )
    # Fresh temporal convolutions end in zeros: frames would not see each other, and no test could tell.
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if ".conv4." in name:
                parameter.copy_(torch.randn(parameter.shape) * 0.05)
    return unet


@pytest.fixture(autouse=True)
def _few_threads() -> Iterator[None]:
    """Toy models are slower on many threads, and a fixed number keeps sums bit-identical."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_torchs_is_garbage() -> None:
    """A base that is released looks for garbage, a third of a second long among all of torch's objects."""
    gc.collect()
    gc.freeze()
