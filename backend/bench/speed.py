"""One measurement in its own process: `python -m backend.bench.speed WHAT WAY BASE STEPS FOLDER LIBRARY`.

WHAT is learn or generate; WAY is ours or plain. The figures are printed as one line of JSON. On a CPU, peak
memory is what Linux says of the process.
"""

import contextlib
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from backend.api.protocol import Clip, Compute, Learn, Sampling
from backend.api.settings import CustomizeAVideo, resolved
from backend.bench.reference import LOOKS, MOTION, write_reference
from backend.diffusion.adapters import (
    Lora,
    add_lora,
    learning,
    lora_parameters,
    lora_state,
    merged,
    remove_loras,
)
from backend.families.base import Family
from backend.media import clips
from backend.methods import METHODS
from backend.methods.base import Adapter, Example, Material, Step
from backend.tasks import making
from backend.tasks.bases import open_base
from backend.tasks.course import make_optimizer, make_scaler, take_step
from backend.tasks.prepare import prepare, seeded
from backend.tasks.prompted import guided, read_prompt
from backend.tasks.run import Run

PROCESS = Path("/proc/self")
WARM_UP = 3  # steps that are not timed: allocations, threads, kernels chosen


def main() -> None:
    what, way, base, steps, folder, library = sys.argv[1:]
    run = Run(Path(folder) / way, Path(library), lambda *_: None, lambda *_: None, lambda: "")
    request = Learn(
        job="bench", clips=(Clip(path=str(reference_in(Path(folder))), looks=LOOKS),), motion=MOTION, out=""
    )
    family = open_base(base, Compute(), run)
    own = family.profile.own(CustomizeAVideo)
    request = replace(request, method=resolved(CustomizeAVideo(), own))
    measure = {"learn": measure_learning, "generate": measure_generating}[what]
    print(json.dumps(measure(request, family, run, way == "plain", int(steps))))


def reference_in(folder: Path) -> Path:
    path = folder / "reference.mp4"
    if not path.exists():
        write_reference(path)
    return path


def measure_learning(request: Learn, family: Family, run: Run, plain: bool, steps: int) -> dict[str, float]:
    """Steps a second and peak memory of the stage that learns the motion, what precedes it included."""
    before = start_of_memory(family)
    method = METHODS[CustomizeAVideo](request.method, Material())
    stage = method.stages(steps)[-1]
    learned = {adapter.name: random_lora(family, adapter) for adapter in method.adapters}
    examples = [] if plain else prepare(request, method, family, run).examples
    for adapter in method.adapters:
        if plain or adapter.name in stage.learn:
            inject(family, adapter)
    optimizer = make_optimizer(family, stage)
    scaler = make_scaler(family)
    with merged(family.denoiser, [] if plain else [learned[name] for name in stage.act]):
        for done in range(-WARM_UP, steps):
            if done == 0:
                synchronize(family)
                start = time.perf_counter()
            now = [encoded_again(request, family)] if plain else examples
            take_step(stage, Step(family, now, seeded(done + WARM_UP)), optimizer, scaler)
        synchronize(family)
        seconds = time.perf_counter() - start
    return {
        "steps_per_second": steps / seconds,
        "peak_mib": (peak_bytes(on_gpu=family.plan.device.type == "cuda") - before) / 2**20,
    }


def encoded_again(request: Learn, family: Family) -> Example:
    """What a loop without caches does for every step: read, encode and embed."""
    p = family.profile
    clip = request.clips[0]
    frames = clips.read(clip, frames=p.frames, fps=p.fps, size=(p.width, p.height))
    latents, text = family.encode(frames), family.embed([f"{clip.looks} {request.motion}"])
    return Example(latents=latents, crops=latents, text=text, looks_text=text)


def measure_generating(request: Learn, family: Family, run: Run, plain: bool, steps: int) -> dict[str, float]:
    """Seconds for `steps` clips at the base's own size and steps, with one motion acting, without loading."""
    motion = METHODS[CustomizeAVideo](request.method, Material()).adapters[-1]
    lora = random_lora(family, motion)
    if plain:
        inject(family, motion)
    s = making.native(Sampling(), family)
    prompted = read_prompt(family, f"a blue star over a brown ground {request.motion}", s.guidance)
    predict = guided(family, prompted)
    acts = learning(family.denoiser, (), (motion.name,)) if plain else contextlib.nullcontext()
    with merged(family.denoiser, [] if plain else [lora]), acts:
        making.make_clip(family, predict, making.clip_noise(family, s, 0), replace(s, steps=2), run)
        start = time.perf_counter()
        for seed in range(steps):
            making.make_clip(family, predict, making.clip_noise(family, s, seed), s, run)
        synchronize(family)
    return {"seconds": (time.perf_counter() - start) / steps}


def inject(family: Family, adapter: Adapter) -> None:
    pattern = "|".join(f"({family.layers(group)})" for group in adapter.layers)
    add_lora(family.denoiser, adapter.name, pattern, adapter.rank, adapter.scale, seed=0)
    with torch.no_grad():  # a fresh LoRA's B is zero: nothing would act
        for parameter in lora_parameters(family.denoiser, adapter.name).values():
            parameter.add_(1e-4)


def random_lora(family: Family, adapter: Adapter) -> Lora:
    inject(family, adapter)
    lora = Lora(lora_state(family.denoiser, adapter.name), adapter.scale)
    remove_loras(family.denoiser)
    return lora


def synchronize(family: Family) -> None:
    if family.plan.device.type == "cuda":
        torch.cuda.synchronize()


def start_of_memory(family: Family) -> int:
    """Bytes taken now, by the libraries; the peak counts from here."""
    on_gpu = family.plan.device.type == "cuda"
    reset_peak(on_gpu=on_gpu)
    return torch.cuda.memory_allocated() if on_gpu else status_bytes("VmRSS")


def reset_peak(*, on_gpu: bool) -> None:
    """Let the peak count from what this process holds now."""
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    elif (of_peak := PROCESS / "clear_refs").exists():
        of_peak.write_text("5")


def peak_bytes(*, on_gpu: bool) -> int:
    return torch.cuda.max_memory_allocated() if on_gpu else status_bytes("VmHWM")


def status_bytes(name: str) -> int:
    """A figure of Linux's about this process; 0 on other systems, which do not tell."""
    if not (status := PROCESS / "status").exists():
        return 0
    rows = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(rows[name].split()[0]) * 1024


if __name__ == "__main__":
    main()
