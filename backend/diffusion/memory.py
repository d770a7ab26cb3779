"""Precision and memory mode, chosen from what is free and overridable."""

import os
from dataclasses import dataclass
from typing import Literal

import torch

from backend.errors import UserError

GIB = 2**30
Mode = Literal["fast", "balanced", "low"]


@dataclass(frozen=True)
class Plan:
    """How a model is held while it works."""

    device: torch.device
    dtype: torch.dtype
    mode: Mode  # fast: nothing recomputed; balanced: activations recomputed; low: and one sample at a time

    @property
    def checkpointing(self) -> bool:
        return self.mode != "fast"


def choose_device(name: str) -> torch.device:
    """ "auto" is the CUDA card, else Apple's, else the CPU. Raises UserError for one that is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(
            f"The device {name!r} is not available on this machine.",
            "Choose auto, or cpu which always works.",
        ) from error
    return device


def describe_device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "Apple GPU" if device.type == "mps" else f"CPU, {os.cpu_count()} cores"


def free_bytes(device: torch.device) -> int:
    """Memory that can still be taken on `device`."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if os.name == "posix" and os.path.exists("/proc/meminfo"):
        with open("/proc/meminfo") as file:
            rows = dict(line.split(":") for line in file)
        return int(rows["MemAvailable"].split()[0]) * 1024
    return 8 * GIB  # no portable way to ask without another dependency; a common amount


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """bf16 where the card has it, fp16 on older cards, fp32 on the CPU."""
    named = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if precision != "auto":
        return named[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.float32 if device.type == "cpu" else torch.float16


def choose_mode(memory: str, free: int, weights: int, activations: int) -> Mode:
    """The fastest mode that fits into `free` bytes with a fifth to spare.

    `activations` is what a learning step keeps with nothing recomputed. Recomputing blocks keeps about a
    seventh of it (counted on a ModelScope-size UNet at 256²: 6.3 GiB against 0.7–0.9).
    """
    if memory != "auto":
        return memory  # type: ignore[return-value]
    budget = 0.8 * free
    if weights + activations <= budget:
        return "fast"
    return "balanced" if weights + activations // 7 <= budget else "low"
