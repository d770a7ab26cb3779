"""Write the starter as a diffusers pipeline folder with a profile for Restage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, TextToVideoSDPipeline, UNet3DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from .models import Size

# Attention alone does not learn a motion on a base this small.
LAYERS = {"layers": "attention+ff+conv", "rank": 8, "coarse": 0.5}
STEPS = {"draft": 200, "normal": 300, "best": 600}
PROFILE = {
    "schema": 1,
    "name": "starter",
    "version": 10,
    "sampling_steps": 25,
    "guidance": 3.0,
    "stacking": "apart",
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
        "Vmc": LAYERS | {"learning_rate": 2e-3, "compare": "prediction", "caption": "whole", "follow": 0.3},
        "MotionDirector": LAYERS | {"learning_rate": 1e-3, "steps": STEPS},
        "MotionToken": {
            "learning_rate": 1e-3,
            "caption": "whole",
            "steps": {"draft": 200, "normal": 400, "best": 1500},
        },
    },
}


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
