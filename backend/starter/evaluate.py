"""How good the starter is: `python -m backend.starter.evaluate [FOLDER] [--prompts N]`.

Clips are sampled for random captions and judged against the world. Beside each share of right answers
stand the floor (the same clips judged against another caption) and the ceiling (the world's own clips
through the autoencoder).
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path

import torch
from diffusers import TextToVideoSDPipeline

from .data import encode
from .judge import Verdict, judge
from .world import Shot, caption, render, sample_shot

ASKED = ("background", "colour", "subject", "motion")


def load(folder: Path, device: torch.device | str = "cpu") -> TextToVideoSDPipeline:
    """The starter in fp32, ready to sample."""
    pipeline = TextToVideoSDPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def sample(
    pipeline: TextToVideoSDPipeline,
    prompts: list[str],
    *,
    frames: int,
    steps: int,
    guidance: float,
    seed: int = 0,
    batch: int = 16,
) -> torch.Tensor:
    """Clips (B, F, 3, H, W) in [0, 1], `batch` at a time, the noise of each from its own seed."""
    clips = []
    for start in range(0, len(prompts), batch):
        some = prompts[start : start + batch]
        seeds = [torch.Generator().manual_seed(seed + start + i) for i in range(len(some))]
        clips.append(
            pipeline(
                some,
                num_frames=frames,
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=seeds,
                output_type="pt",
            )
            .frames.float()
            .cpu()
        )
    return torch.cat(clips)


@torch.no_grad()
def round_trip(pipeline: TextToVideoSDPipeline, frames: torch.Tensor) -> torch.Tensor:
    """Frames (B, F, 3, H, W) in [0, 1] through the autoencoder and back."""
    latents = encode(pipeline.vae, frames.to(pipeline.device)).flatten(0, 1)
    back: torch.Tensor = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return (torch.unflatten(back, 0, frames.shape[:2]) / 2 + 0.5).clamp(0, 1).cpu()


def decibels(one: torch.Tensor, other: torch.Tensor) -> float:
    """Peak signal-to-noise ratio of pictures in [0, 1], the mean over the batch."""
    return (-10 * (one - other).square().flatten(1).mean(1).log10()).mean().item()


def shares(clips: torch.Tensor, shots: list[Shot], asked: list[Shot], fps: float) -> dict[str, float]:
    """Share of the clips of `shots` that show what the shots in `asked` call for."""
    verdicts: list[Verdict] = [judge(c, s.background, fps) for c, s in zip(clips, shots, strict=True)]
    found = {k: [getattr(v, k) == getattr(s, k) for v, s in zip(verdicts, asked, strict=True)] for k in ASKED}
    found["all"] = [all(answers) for answers in zip(*found.values(), strict=True)]
    return {k: round(sum(right) / len(right), 3) for k, right in found.items()}


def evaluate(folder: Path, prompts: int, seed: int = 0, **settings: float) -> dict[str, object]:
    """All figures of the model card for the starter in `folder`."""
    profile = json.loads((folder / "restage.json").read_text(encoding="utf-8")) | settings
    pipeline = load(folder)
    frames, fps, size = profile["frames"], profile["fps"], profile["width"]
    rng = random.Random(f"evaluation {seed}")
    shots = [sample_shot(rng) for _ in range(prompts)]
    words = [caption(s) for s in shots]
    truth = render(shots, size=size, frames=frames, fps=fps).frames
    back = round_trip(pipeline, truth)
    begun = time.monotonic()
    clips = sample(
        pipeline,
        [f"{w.looks} {w.motion}" for w in words],
        frames=frames,
        steps=profile["sampling_steps"],
        guidance=profile["guidance"],
        seed=seed,
    )
    seconds = (time.monotonic() - begun) / prompts
    return {
        "right": shares(clips, shots, shots, fps),
        "floor": shares(clips, shots, shots[1:] + shots[:1], fps),
        "ceiling": shares(back, shots, shots, fps),
        "autoencoder_db": round(decibels(truth.flatten(0, 1), back.flatten(0, 1)), 2),
        "seconds_per_clip": round(seconds, 2),
        "steps": profile["sampling_steps"],
        "guidance": profile["guidance"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "weights")
    parser.add_argument("--prompts", type=int, default=112)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guidance", type=float, help="instead of the profile's")
    parser.add_argument("--steps", type=int, help="instead of the profile's")
    args = parser.parse_args()
    asked = {"guidance": args.guidance, "sampling_steps": args.steps}
    settings = {name: value for name, value in asked.items() if value is not None}
    print(json.dumps(evaluate(args.folder, args.prompts, args.seed, **settings), indent=2))


if __name__ == "__main__":
    main()
