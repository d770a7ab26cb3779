"""Films as `tools.blender_shots` leaves them, made without Blender."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from backend.starter.films import Films, read_films
from backend.starter.models import Size
from backend.starter.world import render, sample_shot

SIZE = Size(pixels=32, frames=4)


@pytest.fixture
def films(tmp_path: Path) -> Films:
    folder = tmp_path / "films"
    folder.mkdir()
    shots = [sample_shot(seed) for seed in range(3)]
    listed = []
    for number, shot in enumerate(shots):
        frames = render([shot], size=64, frames=5).frames[0].movedim(1, -1)
        np.savez(folder / f"{number}.npz", frames=(frames * 255).round().byte().numpy())
        listed.append({"file": f"{number}.npz", "words": asdict(shot)})
    (folder / "shots.json").write_text(json.dumps(listed))
    return read_films(folder, SIZE)
