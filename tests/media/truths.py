"""Clips whose motion is known exactly: the starter's world, and shots that Blender filmed."""

import dataclasses
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.media.motion import CameraPath
from backend.starter import world
from backend.starter.world.backgrounds import LAYERS
from backend.starter.world.camera import CameraPath as WorldCamera

FILMED = Path(__file__).with_name("blender_shots.npz")
"""Made by two runs of `python -m tools.blender_shots --blender PYTHON --size 64 --counts 1 --out …` with
`--count 5 --seed 905 --motions still circle right toward jump --cameras "pan left" "pan right" "tilt up"
"zoom in" "zoom out" roll orbit crane "dolly zoom" handheld` and with `--count 2 --seed 303 --motions left up
circle toward jump "figure eight" bounce --cameras locked`; `keep` below put them into one file."""

CORNERS = torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])


@dataclasses.dataclass(frozen=True)
class Known:
    """A clip (F, H, W, 3), its background's true path, and the subject's centres (F, 2) and radii (F,)."""

    frames: np.ndarray
    camera: CameraPath
    centres: np.ndarray
    sizes: np.ndarray
    words: dict[str, Any]


def shot(
    camera: str,
    motion: str,
    background: str,
    *,
    size: int = 64,
    frames: int = 8,
    seed: int = 5,
    radius: float = 0.15,
    **fixed: Any,
) -> Known:
    """One second of the world, one subject, rendered with its truth."""
    drawn = world.sample_shot(random.Random(seed), camera=camera, motion=motion, background=background)
    usual = {"count": 1, "speed": "", "subject": "ball", "size": radius, "x": 0.5, "y": 0.5}
    drawn = dataclasses.replace(drawn, **(usual | fixed))
    made = world.render([drawn], size=size, frames=frames, fps=float(frames))
    pictures = (made.frames[0].permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    path = background_path(made.cameras[0], LAYERS[background][0].depth)
    words = dataclasses.asdict(drawn)
    return Known(pictures, path, made.centres[0].numpy(), made.scales[0].numpy(), words)


def background_path(camera: WorldCamera, depth: float) -> CameraPath:
    """Pan, tilt, zoom and roll since the first frame of the layer at `depth`."""
    start = WorldCamera(*(values[:1] for values in camera))
    points = world.looked_at(start, CORNERS[None, :, None], depth)[0, :, 0]
    count = len(camera.zoom)
    seen = (
        torch.stack([world.seen_at(camera, p.expand(count, 2), depth) for p in points], dim=1)
        .double()
        .numpy()
    )
    a, b = (CORNERS.double().numpy() - 0.5) @ [1, 1j], (seen - 0.5) @ np.array([1, 1j])
    factor = ((b - b.mean(axis=1, keepdims=True)) * np.conj(a)).sum(axis=1) / (np.abs(a) ** 2).sum()
    shift = b.mean(axis=1)
    return CameraPath(-shift.real, -shift.imag, np.abs(factor), np.degrees(np.unwrap(np.angle(factor))))


def filmed_by_blender() -> list[Known]:
    kept = np.load(FILMED)
    facts = json.loads(str(kept["facts"]))
    return [
        Known(
            kept["frames"][number],
            CameraPath(*(np.array(fact["picture"][name]) for name in ("pan", "tilt", "zoom", "roll"))),
            np.array(fact["subject"]["centre"]),
            np.array(fact["subject"]["size"]),
            fact["words"],
        )
        for number, fact in enumerate(facts)
    ]


def keep(*folders: Path) -> None:
    """Put the shots of folders made by tools/blender_shots into the file that the tests read."""
    facts = [(f, fact) for f in folders for fact in json.loads((f / "shots.json").read_text())]
    frames = np.stack([np.load(folder / fact["file"])["frames"] for folder, fact in facts])
    np.savez_compressed(FILMED, frames=frames, facts=json.dumps([fact for _, fact in facts]))
