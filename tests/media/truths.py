"""Clips whose motion is known exactly: the starter's world, and shots that Blender filmed."""

import json
from pathlib import Path

import numpy as np

from backend.bench.known_motion import Known, blender_shots, shot

__all__ = ["Known", "filmed_by_blender", "keep", "shot"]

FILMED = Path(__file__).with_name("blender_shots.npz")
"""Made by two runs of `python -m tools.blender_shots --blender PYTHON --size 64 --counts 1 --out …` with
`--count 5 --seed 905 --motions still circle right toward jump --cameras "pan left" "pan right" "tilt up"
"zoom in" "zoom out" roll orbit crane "dolly zoom" handheld` and with `--count 2 --seed 303 --motions left up
circle toward jump "figure eight" bounce --cameras locked`; `keep` below put them into one file."""
CAMERAS = Path(__file__).with_name("blender_cameras.npz")
"""The same with `--count 8 --seed 8100 --motions still --cameras "dolly zoom" "zoom in" orbit "pan left"`."""


def filmed_by_blender(path: Path = FILMED) -> list[Known]:
    return blender_shots(path)


def keep(path: Path, *folders: Path) -> None:
    """Put the shots of folders made by tools/blender_shots into a file that the tests read."""
    facts = [(f, fact) for f in folders for fact in json.loads((f / "shots.json").read_text())]
    frames = np.stack([np.load(folder / fact["file"])["frames"] for folder, fact in facts])
    np.savez_compressed(path, frames=frames, facts=json.dumps([fact for _, fact in facts]))
