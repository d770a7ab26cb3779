"""Films as `tools.blender_shots` leaves them, made without Blender; a loss of small random models."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.starter.data import Bank, write_bank
from backend.starter.films import Films, read_films
from backend.starter.models import (
    Size,
    new_autoencoder,
    new_scheduler,
    new_text_encoder,
    new_tokenizer,
    new_unet,
)
from backend.starter.stages import Denoising
from backend.starter.world import FIRST, render, sample_shot

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


@pytest.fixture(scope="package")
def denoising(tmp_path_factory: pytest.TempPathFactory) -> Denoising:
    folder = tmp_path_factory.mktemp("starter")
    torch.manual_seed(0)
    write_bank(folder / "bank", lambda: new_autoencoder(SIZE), SIZE, 1, torch.device("cpu"), FIRST, chunk=64)
    tokenizer = new_tokenizer(folder / "tokenizer")
    bank = Bank(folder / "bank", torch.device("cpu"))
    return Denoising(new_unet(SIZE).eval(), new_text_encoder(tokenizer), tokenizer, new_scheduler(), bank)
