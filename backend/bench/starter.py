"""`restage bench starter`: how good the starter is, against the world that it was taught.

Clips are sampled for random captions, half of them for combinations of looks that training never saw, and
judged by the world's own renders. Beside each share of right answers stand the floor (the same clips judged
against another clip's caption) and the ceiling (the world's own clips through the autoencoder).
"""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nn_f
from diffusers import TextToVideoSDPipeline

from backend.api.library import write_whole
from backend.api.protocol import Compute
from backend.bench.intervals import mean_of
from backend.bench.known_motion import blender_shots
from backend.bench.starter_table import markdown
from backend.diffusion.sampling import ddim_invert, ddim_sample
from backend.families.base import Family
from backend.families.unet3d import UNet3D
from backend.media.sheets import contact_sheet
from backend.starter.data import encode
from backend.starter.judge import Verdict, judge
from backend.starter.world import VOCABULARIES, Shot, Vocabulary, caption, render, sample_shot

LOOKS = ("background", "colour", "subject", "count")
MOVES = ("motion", "camera")
SHOWN = 24  # clips on the contact sheet
INVERSION_STEPS, REFINEMENTS = 50, 2  # as the edit task inverts
TIMED_STEPS = 25


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
        made = pipeline(
            some,
            num_frames=frames,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=seeds,
            output_type="pt",
        )
        clips.append(made.frames.float().cpu())
    return torch.cat(clips)


@torch.no_grad()
def round_trip(pipeline: TextToVideoSDPipeline, frames: torch.Tensor) -> torch.Tensor:
    """Frames (B, F, 3, H, W) in [0, 1] through the autoencoder and back."""
    latents = encode(pipeline.vae, frames.to(pipeline.device)).flatten(0, 1)
    back: torch.Tensor = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return (torch.unflatten(back, 0, frames.shape[:2]) / 2 + 0.5).clamp(0, 1).cpu()


def decibels(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Peak signal-to-noise ratio (B,) of pictures or clips in [0, 1]."""
    ratio: torch.Tensor = -10 * (one - other).square().flatten(1).mean(1).log10()
    return ratio


def answers(
    clips: torch.Tensor, shots: Sequence[Shot], asked: Sequence[Shot], fps: float, vocabulary: Vocabulary
) -> dict[str, list[bool]]:
    """For each quality and each clip of `shots`: does it show what the shot in `asked` calls for?"""
    verdicts = [judge(c, s.background, fps, vocabulary) for c, s in zip(clips, shots, strict=True)]
    moves = MOVES if len(vocabulary.cameras) > 1 else MOVES[:1]
    found = {k: _equal(k, verdicts, asked) for k in (*LOOKS, *moves)}
    found["all"] = [all(right) for right in zip(*found.values(), strict=True)]
    if "camera" in found:
        both = zip(found["motion"], found["camera"], strict=True)
        found["motion and camera"] = [all(pair) for pair in both]
    return found


def _equal(quality: str, verdicts: Sequence[Verdict], asked: Sequence[Shot]) -> list[bool]:
    return [getattr(v, quality) == getattr(s, quality) for v, s in zip(verdicts, asked, strict=True)]


def inversion(folder: Path, frames: torch.Tensor, prompts: Sequence[str]) -> list[float]:
    """Decibels between each clip (F, 3, H, W) inverted and sampled again, and its autoencoder round trip.

    The same words both ways, guidance 1, 50 steps.
    """
    family = UNet3D(folder, "starter", device="auto", precision="fp32", memory=Compute().memory)
    return [_inverted(family, clip, words) for clip, words in zip(frames, prompts, strict=True)]


@torch.no_grad()
def _inverted(family: Family, clip: torch.Tensor, words: str) -> float:
    latents = family.encode((clip.movedim(1, -1) * 255).round().byte().numpy())
    text = family.embed([words])
    schedule = family.schedule(INVERSION_STEPS)

    def predict(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return family.predict(x, t, text)

    noise = ddim_invert(predict, latents, schedule, family.path, lambda *_: None, REFINEMENTS)
    again = ddim_sample(predict, noise, schedule, family.path, lambda *_: None)
    one, other = (torch.from_numpy(family.decode(x)).float()[None] / 255 for x in (latents, again))
    return decibels(one, other).item()


def seconds_for_one(pipeline: TextToVideoSDPipeline, frames: int, guidance: float) -> float:
    """Seconds that one clip takes, pixels included."""
    begun = time.monotonic()
    sample(
        pipeline,
        ["a red star moving left over a green field"],
        frames=frames,
        steps=TIMED_STEPS,
        guidance=guidance,
    )
    return time.monotonic() - begun


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How many `prompts`, in any words or the usual ones; how many clips are `inverted`; and the place of
    shots that Blender `filmed` (`known_motion.blender_shots`), for the autoencoder."""

    prompts: int = 200
    seed: int = 0
    any_words: bool = False
    inverted: int = 8
    filmed: Path | None = None


def drawn(asked: Asked, vocabulary: Vocabulary) -> tuple[list[Shot], list[str]]:
    """Random shots, every other one of looks that were held out, and their captions."""
    rng = random.Random(f"evaluation {asked.seed}")
    shots = [sample_shot(rng, vocabulary=vocabulary, unseen=i % 2 == 1) for i in range(asked.prompts)]
    return shots, [caption(shot, rng if asked.any_words else None).full for shot in shots]


def shares_of(
    clips: torch.Tensor, back: torch.Tensor, shots: list[Shot], fps: float, vocabulary: Vocabulary
) -> dict[str, dict[str, list[bool]]]:
    """What is right in the starter's clips, and in the world's own through the autoencoder (`back`)."""
    right = answers(clips, shots, shots, fps, vocabulary)
    return {
        "right": right,
        "seen in training": {k: v[0::2] for k, v in right.items()},
        "held out": {k: v[1::2] for k, v in right.items()},
        "another caption": answers(clips, shots, shots[1:] + shots[:1], fps, vocabulary),
        "ceiling": answers(back, shots, shots, fps, vocabulary),
    }


def filmed_decibels(pipeline: TextToVideoSDPipeline, filmed: Path, size: int) -> list[float]:
    """Of each of Blender's frames through the autoencoder and back, `size` wide and high."""
    frames = np.concatenate([known.frames for known in blender_shots(filmed)])
    pictures = torch.from_numpy(frames).movedim(-1, 1).float() / 255
    pictures = nn_f.interpolate(pictures, (size, size), mode="area")
    return decibels(pictures, round_trip(pipeline, pictures.unsqueeze(1)).squeeze(1)).tolist()


def measure(folder: Path, asked: Asked, out: Path, **settings: float) -> dict[str, Any]:
    """All figures of the model card for the starter in `folder`; a contact sheet beside `out`."""
    profile = json.loads((folder / "restage.json").read_text(encoding="utf-8")) | settings
    vocabulary = VOCABULARIES[profile["vocabulary"]]
    begun = time.monotonic()
    pipeline = load(folder)
    loading = time.monotonic() - begun
    shots, words = drawn(asked, vocabulary)
    frames, fps, guidance, size = (profile[name] for name in ("frames", "fps", "guidance", "width"))
    truth = render(shots, size=size, frames=frames, fps=fps).frames
    back = round_trip(pipeline, truth)
    sampling = {"frames": frames, "steps": profile["sampling_steps"], "guidance": guidance}
    clips = sample(pipeline, words, seed=asked.seed, **sampling)
    pictures = [(clip.movedim(1, -1) * 255).round().byte().numpy() for clip in clips[:SHOWN]]
    contact_sheet(list(zip(words, pictures, strict=False)), out.with_suffix(".png"))
    shares = shares_of(clips, back, shots, fps, vocabulary)
    followed = zip(shots, shares["right"].get("camera", []), strict=False)
    moving = [right for shot, right in followed if shot.camera != "locked"]
    filmed = filmed_decibels(pipeline, asked.filmed, size) if asked.filmed else []
    inverted = inversion(folder, truth[: asked.inverted], words[: asked.inverted])
    return {
        "date": date.today().isoformat(),
        "version": profile["version"],
        "vocabulary": profile["vocabulary"],
        "prompts": asked.prompts,
        "any_words": asked.any_words,
        **sampling,
        "shares": {row: {k: asdict(mean_of(v)) for k, v in found.items()} for row, found in shares.items()},
        "moving_cameras": _interval(moving),
        "autoencoder_db": _interval(decibels(truth.flatten(0, 1), back.flatten(0, 1)).tolist()),
        "filmed_db": _interval(filmed),
        "inversion_db": _interval(inverted),
        "timed_steps": TIMED_STEPS,
        "seconds_to_load": round(loading, 2),
        "seconds_a_clip": round(seconds_for_one(pipeline, frames, guidance), 2),
        "seconds_of_16_frames": round(seconds_for_one(pipeline, 16, guidance), 2),
    }


def _interval(values: Sequence[float]) -> dict[str, Any] | None:
    return asdict(mean_of(values)) if values else None


def bench_starter(folder: Path, asked: Asked, out: Path, **settings: float) -> str:
    """Measure, write `out` (JSON) and beside it .md and .png; return the table."""
    out.parent.mkdir(parents=True, exist_ok=True)
    figures = measure(folder, asked, out, **settings)
    write_whole(out, json.dumps(figures, indent=2).encode())
    table = markdown(figures)
    write_whole(out.with_suffix(".md"), table.encode())
    return table
