"""The starter as a diffusers pipeline folder with a profile for Restage: written, and read to go on from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, TextToVideoSDPipeline, UNet3DConditionModel
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from .models import Size

# Attention alone does not learn a motion on a base this small.
LAYERS = {"layers": "attention+ff+conv", "rank": 8, "coarse": 0.5}
STEPS = {"draft": 200, "normal": 300, "best": 600}
PROFILE = {
    "schema": 1,
    "name": "starter",
    "version": 13,
    "sampling_steps": 25,
    "guidance": 3.0,
    "moving_guidance": 1.5,
    "stacking": "filmed",
    "steps": STEPS,
    "learn": {  # what was measured best: docs/log.md
        "CustomizeAVideo": LAYERS
        | {
            "learning_rate": 1e-3,
            "absorber_learning_rate": 5e-4,
            "rate_falls": 0.7,
            "steps": {"draft": 200, "normal": 450, "best": 600},
        },
        # Without looks ("whole" keeps them) a caption is none that it was taught: docs/log.md.
        "Vmc": LAYERS
        | {
            "loss": "motion l2",
            "learning_rate": 1.4e-3,
            "compare": "prediction",
            "caption": "whole",
            "follow": 0.3,
        },
        "MotionDirector": LAYERS | {"learning_rate": 1e-3, "steps": STEPS},
        "MotionToken": {
            "learning_rate": 1e-3,
            "caption": "whole",
            "slowed": 0.3,  # it is to go with "slowly", which this base does not do to a new motion by itself
            "steps": {"draft": 200, "normal": 400, "best": 1500},
        },
    },
}


PARTS = {"autoencoder": "vae", "unet": "unet", "text_encoder": "text_encoder"}
"""Where a pipeline folder keeps what the stages train."""


def weights_in(folder: Path, part: str) -> Path:
    """The file that holds a part's weights in a pipeline folder. Raises SystemExit when there is no one."""
    found = list((folder / PARTS[part]).glob("*.safetensors"))
    if len(found) != 1:
        raise SystemExit(f"{folder} is no starter's folder: {PARTS[part]} has {len(found)} files of weights.")
    return found[0]


@torch.no_grad()
def average_with(modules: nn.ModuleDict, folder: Path) -> None:
    """Move every weight halfway to that of the pipeline in `folder`, of the same sizes and autoencoder.

    Two versions of one training lie in one basin: the loss of their mean was below the mean of theirs
    (docs/log.md). Wortsman et al., Model soups (arXiv 2203.05482).
    """
    for name, module in modules.items():
        others = load_file(weights_in(folder, name))
        for key, parameter in module.named_parameters():
            parameter.copy_((parameter + others[key].to(parameter.device)) / 2)


def export(
    folder: Path,
    size: Size,
    autoencoder: AutoencoderKL,
    unet: UNet3DConditionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scheduler: DDIMScheduler,
    vocabulary: str,
) -> None:
    """Write `folder` whole: into a sibling first, then by renaming. `vocabulary` names what it was taught."""
    pipeline = TextToVideoSDPipeline(
        vae=autoencoder, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler
    )
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    shutil.rmtree(fresh, ignore_errors=True)
    pipeline.to(dtype=torch.float16).save_pretrained(fresh, safe_serialization=True)
    profile = PROFILE | {
        "vocabulary": vocabulary,
        "frames": size.frames,
        "fps": size.fps,
        "width": size.pixels,
        "height": size.pixels,
    }
    (fresh / "restage.json").write_text(json.dumps(profile, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
