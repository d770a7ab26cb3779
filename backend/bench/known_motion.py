"""Clips whose motion is known exactly: the starter's world, and shots that Blender filmed.

F frames; places are fractions of the frame, x right, y down.
"""

import dataclasses
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from backend.media.motion import CameraPath
from backend.starter import world
from backend.starter.world.backgrounds import LAYERS
from backend.starter.world.camera import CameraPath as WorldCamera
from backend.starter.world.camera import rotated
from backend.starter.world.shapes import SHAPES
from backend.starter.world.things import THINGS

Array = npt.NDArray[Any]

WORDS = {
    "locked": "still",
    "pan left": "pan",
    "pan right": "pan",
    "whip pan": "pan",
    "tilt up": "tilt",
    "tilt down": "tilt",
    "zoom in": "zoom",
    "zoom out": "zoom",
    "roll": "roll",
    "orbit": "truck",
    "crane": "pedestal",
    "dolly zoom": "dolly zoom",
}
"""What the world's cameras are called in film; a handheld one has no word."""
CORNERS = torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
GRID, REACH = 512, 1.6  # of an outline: samples, and how far they reach, in radii


@dataclasses.dataclass(frozen=True)
class Known:
    """A clip (F, H, W, 3), the true path of each of its background's layers from far to near, and where its
    subject's convex outline is: centres (F, 2) and roots of the area's share of the frame (F,), also where
    the frame cuts it off."""

    frames: npt.NDArray[np.uint8]
    layers: tuple[CameraPath, ...]
    centres: Array
    sizes: Array
    words: dict[str, Any]

    @property
    def camera(self) -> CameraPath:
        return self.layers[0]

    @property
    def alone(self) -> bool:
        """Whether there is one subject: of several, none is the one that is measured."""
        return bool(self.words["count"] == 1)


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
    usual: dict[str, Any] = {"count": 1, "speed": "", "subject": "ball", "size": radius, "x": 0.5, "y": 0.5}
    return rendered(dataclasses.replace(drawn, **(usual | fixed)), size, frames)


def rendered(drawn: world.Shot, size: int, frames: int) -> Known:
    """A shot of one subject, with its truth."""
    made = world.render([drawn], size=size, frames=frames, fps=float(frames))
    pictures = (made.frames[0].permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    paths = tuple(background_path(made.cameras[0], layer.depth) for layer in LAYERS[drawn.background])
    middle, extent = _outline(drawn.subject)
    radii = made.scales[0].double().numpy()
    offsets = rotated(torch.tensor(middle).expand(frames, 2), made.angles[0].double()).numpy()
    centres = made.centres[0].double().numpy() + radii[:, None] * offsets
    return Known(pictures, paths, centres, radii * extent, dataclasses.asdict(drawn))


@cache
def _outline(subject: str) -> tuple[tuple[float, float], float]:
    """Middle (x right, y down) and root of the area of a shape's convex outline, in radii."""
    axis = torch.linspace(-REACH, REACH, GRID)
    inside = (SHAPES | THINGS)[subject](axis.expand(GRID, GRID), -axis.unsqueeze(1).expand(GRID, GRID)) < 0
    hull = cv2.convexHull(cv2.findNonZero(inside.numpy().astype(np.uint8)))
    area = cv2.moments(hull)
    unit = 2 * REACH / (GRID - 1)
    x, y = (area[name] / area["m00"] * unit - REACH for name in ("m10", "m01"))
    return (x, y), float(np.sqrt(area["m00"])) * unit


def background_path(camera: WorldCamera, depth: float) -> CameraPath:
    """Pan, tilt, zoom and roll since the first frame of the layer at `depth`."""
    start = WorldCamera(*(values[:1] for values in camera))
    points = world.looked_at(start, CORNERS[None, :, None], depth)[0, :, 0]
    count = len(camera.zoom)
    places = [world.seen_at(camera, p.expand(count, 2), depth) for p in points]
    seen = torch.stack(places, dim=1).double().numpy()
    a, b = (CORNERS.double().numpy() - 0.5) @ [1, 1j], (seen - 0.5) @ np.array([1, 1j])
    factor = ((b - b.mean(axis=1, keepdims=True)) * np.conj(a)).sum(axis=1) / (np.abs(a) ** 2).sum()
    shift = b.mean(axis=1)
    return CameraPath(-shift.real, -shift.imag, np.abs(factor), np.degrees(np.unwrap(np.angle(factor))))


def world_shots(count: int, seed: int = 0) -> list[Known]:
    """Shots of all sizes and lengths with every camera and background in turn, one subject each."""
    rng = random.Random(seed)
    cameras = [*world.CAMERAS_INSIDE, *world.CAMERAS_OUTSIDE]
    motions = [*world.MOTIONS_INSIDE, *world.MOTIONS_OUTSIDE]
    made = []
    for number in range(count):
        camera = cameras[number % len(cameras)]
        grounds = [b for b in world.BACKGROUNDS if world.shows(camera, b)]
        drawn = world.sample_shot(
            rng,
            camera=camera,
            background=rng.choice(grounds),
            motion=rng.choice(motions) if number % 3 else "still",
        )
        drawn = dataclasses.replace(drawn, count=1, size=rng.uniform(0.06, 0.25))
        made.append(rendered(drawn, rng.choice((64, 64, 128, 256)), rng.choice((8, 8, 16, 24))))
    return made


def blender_shots(path: Path) -> list[Known]:
    """What `tools/blender_shots` left in a folder, or the shots of such folders in one npz file."""
    if path.is_dir():
        facts = json.loads((path / "shots.json").read_text())
        clips = [np.load(path / fact["file"])["frames"] for fact in facts]
    else:
        kept = np.load(path)
        facts, clips = json.loads(str(kept["facts"])), list(kept["frames"])
    return [_filmed(frames, fact) for frames, fact in zip(clips, facts, strict=True)]


def _filmed(frames: npt.NDArray[np.uint8], fact: dict[str, Any]) -> Known:
    path = CameraPath(*(np.array(fact["picture"][name]) for name in ("pan", "tilt", "zoom", "roll")))
    subject = fact["subject"]
    return Known(frames, (path,), np.array(subject["centre"]), np.array(subject["size"]), fact["words"])
