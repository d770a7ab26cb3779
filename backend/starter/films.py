"""Shots filmed in Blender (`python -m tools.blender_shots`): references rendered there are not foreign then.

A folder holds `shots.json`, a list with the words drawn for each shot and its `file`: frames (F, H, W, 3)
uint8.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn_f

from .models import Size
from .world import Shot

SHARE = 4
"""One in so many of the autoencoder's pictures is filmed, where there are films."""


@dataclass(frozen=True)
class Films:
    """Frames (N, F, 3, H, W) uint8 and their N shots."""

    frames: torch.Tensor
    shots: list[Shot]

    def pictures(self, count: int) -> torch.Tensor:
        """Random single frames (count, 3, H, W) in [-1, 1]."""
        device = self.frames.device
        films, frames = (torch.randint(n, (count,), device=device) for n in self.frames.shape[:2])
        return self.frames[films, frames].float() / 127.5 - 1

    def to(self, device: torch.device) -> Films:
        return Films(self.frames.to(device), self.shots)


def read_films(folder: Path, size: Size) -> Films:
    """The films of a folder at the model's size. Raises SystemExit for films of too few frames."""
    listed = json.loads((folder / "shots.json").read_text(encoding="utf-8"))
    frames = []
    for entry in listed:
        pixels = torch.from_numpy(np.load(folder / entry["file"])["frames"]).movedim(-1, 1)
        if len(pixels) < size.frames:
            raise SystemExit(f"{entry['file']} has {len(pixels)} frames, {size.frames} are needed.")
        smaller = nn_f.interpolate(pixels[: size.frames].float(), (size.pixels,) * 2, mode="area")
        frames.append(smaller.round().byte())
    return Films(torch.stack(frames), [Shot(**entry["words"]) for entry in listed])
