"""`restage bench size`: time and memory of a ModelScope-size UNet with random weights, for each memory mode.

What is learned and made is noise; how long it takes and what it needs is not.
"""

import json
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet3DConditionModel

from backend.api.library import write_whole
from backend.api.protocol import Memory
from backend.api.settings import CustomizeAVideo, resolved
from backend.bench.speed import inject, peak_bytes, start_of_memory, synchronize
from backend.diffusion.memory import describe_device
from backend.families.unet3d import UNet3D
from backend.methods import METHODS
from backend.methods.base import Example, Material, Step
from backend.tasks.course import make_optimizer, make_scaler, take_step
from backend.tasks.prepare import seeded

MODES: tuple[Memory, ...] = ("fast", "balanced", "low")
TOKENS = 77


@dataclass(frozen=True)
class Size:
    """A UNet's widths and the clip that it works on; as they stand, ModelScope's and 16 frames of 256²."""

    widths: tuple[int, ...] = (320, 640, 1280, 1280)
    text: int = 1024
    head: int = 64
    frames: int = 16
    latent: int = 32


SMALL = Size(widths=(32, 64), text=32, head=8, frames=4, latent=8)
"""Where there is no GPU: the command at least shows that it works."""


@dataclass(frozen=True)
class Cost:
    """One memory mode's; -1 seconds where the memory did not suffice."""

    mode: str
    learning_step: float  # seconds
    generation_step: float  # seconds, with guidance
    learning_peak_gib: float


def write_random_base(folder: Path, size: Size) -> None:
    """The parts of a pipeline folder that learning and sampling touch: random numbers in fp16."""
    with torch.device("meta"):
        levels = len(size.widths)
        unet = UNet3DConditionModel(
            sample_size=size.latent,
            block_out_channels=size.widths,
            down_block_types=("CrossAttnDownBlock3D",) * (levels - 1) + ("DownBlock3D",),
            up_block_types=("UpBlock3D",) + ("CrossAttnUpBlock3D",) * (levels - 1),
            cross_attention_dim=size.text,
            attention_head_dim=size.head,
        )
    unet = unet.to(torch.float16).to_empty(device="cpu")
    generator = seeded(0)
    for name, parameter in unet.named_parameters():
        if "norm" in name and name.endswith("weight"):
            parameter.data.fill_(1)
        else:
            parameter.data.normal_(0, 0.02, generator=generator)
    unet.save_pretrained(folder / "unet", max_shard_size="20GB")
    # Only its config is read: latents are made up here.
    AutoencoderKL(block_out_channels=(32,) * 4, down_block_types=("DownEncoderBlock2D",) * 4,
                  up_block_types=("UpDecoderBlock2D",) * 4).save_config(folder / "vae")  # fmt: skip
    DDIMScheduler(clip_sample=False).save_pretrained(folder / "scheduler")
    (folder / "restage.json").write_text(
        json.dumps({"schema": 1, "name": "random", "frames": size.frames,
                    "width": 8 * size.latent, "height": 8 * size.latent})
    )  # fmt: skip


def measure(folder: Path, size: Size, mode: Memory, steps: int) -> Cost:
    """Costs of the default method in one memory mode, on the device that requests with "auto" use."""
    family = UNet3D(folder, "random", memory=mode)
    before = start_of_memory(family)
    try:
        learning = _learning_step(family, size, steps)
        peak = (peak_bytes(on_gpu=family.plan.device.type == "cuda") - before) / 2**30
        return Cost(mode, learning, _generation_step(family, size, steps), peak)
    except torch.OutOfMemoryError:
        return Cost(mode, -1, -1, -1)


def _learning_step(family: UNet3D, size: Size, steps: int) -> float:
    method = METHODS[CustomizeAVideo](resolved(CustomizeAVideo(absorber="none"), {}), Material())
    stage = method.stages(steps + 1)[-1]
    for adapter in method.adapters:
        inject(family, adapter)
    device, generator = family.plan.device, seeded(0)
    latents = torch.randn(1, 4, size.frames, size.latent, size.latent, generator=generator).to(device)
    text = torch.randn(1, TOKENS, size.text, generator=generator).to(device)
    example = Example(latents=latents, crops=latents[:0], text=text, looks_text=text)
    optimizer, scaler = make_optimizer(family, stage), make_scaler(family)
    for done in range(steps + 1):
        if done == 1:  # the first one allocates
            synchronize(family)
            start = time.perf_counter()
        take_step(stage, Step(family, [example], seeded(done)), optimizer, scaler)
    synchronize(family)
    return (time.perf_counter() - start) / steps


@torch.no_grad()
def _generation_step(family: UNet3D, size: Size, steps: int) -> float:
    batch = 1 if family.plan.mode == "low" else 2
    device = family.plan.device
    x = torch.randn(batch, 4, size.frames, size.latent, size.latent, device=device)
    t, text = torch.full((batch,), 500, device=device), torch.randn(batch, TOKENS, size.text, device=device)
    for done in range(steps + 1):
        if done == 1:
            synchronize(family)
            start = time.perf_counter()
        for _ in range(2 // batch):
            family.predict(x, t, text)
    synchronize(family)
    return (time.perf_counter() - start) / steps


def bench_size(out: Path, steps: int, size: Size | None = None) -> str:
    """Measure each mode, write `out` (JSON) and return the table."""
    on_gpu = torch.cuda.is_available()
    size = size or (Size() if on_gpu else SMALL)
    with tempfile.TemporaryDirectory() as folder:
        write_random_base(Path(folder), size)
        costs = [measure(Path(folder), size, mode, steps) for mode in MODES]
    device = describe_device(torch.device("cuda" if on_gpu else "cpu"))
    write_whole(
        out, json.dumps({"device": device, **asdict(size), "costs": [asdict(c) for c in costs]}).encode()
    )
    lines = [
        f"UNet of widths {size.widths}, {size.frames} frames of {8 * size.latent}², on {device}",
        "",
        "| memory mode | learning step | generation step | learning peak |",
        "|---|---|---|---|",
        *map(_line, costs),
    ]
    return "\n".join(lines) + "\n"


def _line(c: Cost) -> str:
    if c.learning_step < 0:
        return f"| {c.mode} | out of memory | | |"
    peak = f"{c.learning_peak_gib:.2f} GiB"
    return f"| {c.mode} | {c.learning_step:.3f} s | {c.generation_step:.3f} s | {peak} |"
