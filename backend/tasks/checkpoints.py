"""A learning run on disk, so that a kill costs seconds: one folder a checkpoint, put in place by one rename.

<stage>-<step>/   adapters.safetensors · optimizer.safetensors · state.json (written last)
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from backend.api.library import write_whole
from backend.diffusion.tensors import read_tensors

VECTORS = "vectors"  # the one tensor of a new word; a LoRA's have its modules' names
States = dict[str, dict[str, Tensor]]  # by adapter or new word


@dataclass(frozen=True)
class Learned:
    """What a run has learned: at its end, and at the checkpoints that an artist may choose instead."""

    end: States
    checkpoints: Mapping[int, States] = field(default_factory=dict)  # by the last stage's steps
    previews: Mapping[int, Path] = field(default_factory=dict)  # pictures, likewise


@dataclass(frozen=True)
class Checkpoint:
    stage: int
    step: int  # steps of the stage that are done
    data: str  # hash of the latents and text that were learned from
    adapters: States
    optimizer: dict[str, Any]  # torch's state_dict
    scaler: dict[str, Any]  # likewise; empty but in fp16
    rng: Tensor  # uint8, of the run's generator


def save_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int = 2) -> None:
    """Write the checkpoint whole, then drop all but the newest `keep`."""
    name = f"{checkpoint.stage}-{checkpoint.step:06d}"
    part = folder / f".{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    write_learned(part / "adapters.safetensors", checkpoint.adapters)
    moments = {
        f"{index}/{key}": torch.as_tensor(value)
        for index, state in checkpoint.optimizer["state"].items()
        for key, value in state.items()
    }
    write_whole(part / "optimizer.safetensors", save({**moments, "rng": checkpoint.rng}))
    facts = {
        "schema": 1,
        "stage": checkpoint.stage,
        "step": checkpoint.step,
        "data": checkpoint.data,
        "groups": checkpoint.optimizer["param_groups"],
        "scaler": checkpoint.scaler,
    }
    write_whole(part / "state.json", json.dumps(facts).encode())
    shutil.rmtree(folder / name, ignore_errors=True)
    part.rename(folder / name)
    for old in _folders(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole, or None."""
    for path in reversed(_folders(folder)):
        try:
            return _read(path)
        except (
            Exception
        ):  # damaged (safetensors raises its own types): an older one will do, and costs only time
            continue
    return None


def write_learned(path: Path, learned: States) -> None:
    write_whole(path, save({f"{name}/{key}": t for name, s in learned.items() for key, t in s.items()}))


def read_learned(path: Path) -> States:
    learned: States = {}
    for key, tensor in read_tensors(path)[0].items():
        name, _, rest = key.partition("/")
        learned.setdefault(name, {})[rest] = tensor
    return learned


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("[0-9]*-[0-9]*") if (p / "state.json").is_file())


def _read(path: Path) -> Checkpoint:
    facts = json.loads((path / "state.json").read_text())
    adapters = read_learned(path / "adapters.safetensors")
    moments, _ = read_tensors(path / "optimizer.safetensors")
    rng = moments.pop("rng")
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in moments.items():
        index, _, rest = key.partition("/")
        state.setdefault(int(index), {})[rest] = tensor
    optimizer = {"state": state, "param_groups": facts["groups"]}
    return Checkpoint(facts["stage"], facts["step"], facts["data"], adapters, optimizer, facts["scaler"], rng)
