"""What Blender is to build and film: words, paths and outlines taken from the starter's world.

Every path is given per frame in the world's own units (see `backend/starter/world/camera.py`): lengths are
fractions of the frame at the subject's depth, angles radians, x right and y down.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from backend.starter import world
from backend.starter.world.backgrounds import LAYERS
from backend.starter.world.render import PLACES
from backend.starter.world.shapes import SHAPES
from backend.starter.world.things import PARTS, THINGS

TEXTURE, SPAN = 1024, 3  # pixels of a background's tile, and how many frames it is wide and high
GRID, REACH = 512, 1.6  # of an outline: samples, and how far they reach, in radii
SIMPLE = 0.006  # radii by which an outline may miss the shape

Distance = Any  # backend.starter.world.shapes.Distance


def draw(
    seed: int, *, motions: Sequence[str] = (), cameras: Sequence[str] = (), counts: Sequence[int] = ()
) -> world.Shot:
    """The shot of a seed, with one of `motions`, `cameras` and `counts` where any are given."""
    rng = random.Random(seed)
    motion, camera = (rng.choice(names) if names else None for names in (motions, cameras))
    vocabulary = replace(world.FULL, counts=tuple(counts)) if counts else world.FULL
    return world.sample_shot(rng, vocabulary=vocabulary, motion=motion, camera=camera)


def planned(shot: world.Shot, seed: int, frames: int, fps: float) -> dict[str, Any]:
    """One shot as plain values: words, captions, colours, and the paths of subject and camera."""
    times = torch.arange(frames) / fps
    way, camera = world.path(shot, times), world.camera_path(shot, times)
    words = world.caption(shot, random.Random(seed))
    return {
        "seed": seed,
        "caption": asdict(words),
        "words": asdict(shot),
        "fps": fps,
        "colour": list(world.COLOURS[shot.colour]),
        "places": [list(place) for place in PLACES[shot.count]],
        "subject": {name: values.tolist() for name, values in way._asdict().items()},
        "moves": {name: values.tolist() for name, values in camera._asdict().items()},
    }


def outlines(subject: str) -> dict[str, list[list[list[float]]]]:
    """The closed outlines of a subject and of its darker parts: points (x right, y up) in radii."""
    parts = PARTS.get(subject)
    return {
        "whole": _outlines((SHAPES | THINGS)[subject]),
        "parts": _outlines(parts) if parts else [],
    }


def _outlines(distance: Distance) -> list[list[list[float]]]:
    axis = torch.linspace(-REACH, REACH, GRID)
    inside = distance(axis.expand(GRID, GRID), axis.unsqueeze(1).expand(GRID, GRID)) < 0
    found, _ = cv2.findContours(inside.numpy().astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    pixel = 2 * REACH / (GRID - 1)
    simple = [cv2.approxPolyDP(outline, SIMPLE / pixel, True).reshape(-1, 2) for outline in found]
    return [(outline * pixel - REACH).tolist() for outline in simple if len(outline) > 2]


def tile(background: str) -> dict[str, npt.NDArray[np.uint8]]:
    """A background's farthest layer, worn a little as real surfaces are, and the plain ground before it."""
    middles = (torch.arange(TEXTURE) + 0.5) * SPAN / TEXTURE - (SPAN - 1) / 2
    x, y = middles.expand(1, TEXTURE, TEXTURE), middles.unsqueeze(1).expand(1, TEXTURE, TEXTURE)
    painted = LAYERS[background][0].paint(x, y, SPAN / TEXTURE)[0].permute(1, 2, 0).numpy()
    ground = np.ones_like(painted) * painted.mean(axis=(0, 1)) * 0.6
    rng = np.random.default_rng(sum(background.encode()))
    worn = 1 + 0.05 * np.sum([_blobs(rng, cells) for cells in (18, 60, 180)], axis=0)[..., None]
    is_air = "sky" in background or background == "forest"
    pictures = {"tile": painted if is_air else painted * worn, "ground": ground * worn}
    return {name: np.clip(p * 255, 0, 255).astype(np.uint8) for name, p in pictures.items()}


def _blobs(rng: np.random.Generator, cells: int) -> npt.NDArray[np.float64]:
    """Smooth noise of unit spread with `cells` blobs across, without a seam: (TEXTURE, TEXTURE)."""
    noise = np.pad(rng.normal(0, 1, (cells, cells)), 2, mode="wrap")
    side = round(TEXTURE * (cells + 4) / cells)
    smooth = cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    start = (side - TEXTURE) // 2
    blobs: npt.NDArray[np.float64] = smooth[start : start + TEXTURE, start : start + TEXTURE]
    return blobs
