"""`restage bench finishing`: frames between frames against what the starter's world shows at those moments.

Each shot is rendered at the base's rate and at three times that. From the first are made the frames between:
held, blended, and by optical flow (`media/finishing.py`); each way is as good as its PSNR to the second.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.api.library import write_whole
from backend.bench.intervals import mean_of
from backend.media.finishing import interpolated
from backend.starter import world

Clip = npt.NDArray[np.uint8]  # (F, H, W, 3)
RATE, TIMES, FRAMES, SIZE = 8, 3, 8, 64  # of the base, frames made of each, frames and pixels
LAST = TIMES * (FRAMES - 1)  # the last moment that lies between two frames, in frames at the higher rate


def moving_shots(seed: int) -> Iterator[world.Shot]:
    """Shots of the whole world in which something moves."""
    rng = random.Random(seed)
    while True:
        shot = world.sample_shot(rng)
        if shot.motion != "still" or shot.camera != "locked":
            yield shot


def psnr(made: npt.NDArray[Any], truth: Clip) -> float:
    """Of each frame, in decibels; their mean."""
    errors = ((made.astype(np.float64) - truth) ** 2).mean(axis=(1, 2, 3))
    return float(np.mean(10 * np.log10(255**2 / np.maximum(errors, 1e-3))))


def compared(shot: world.Shot) -> dict[str, float]:
    """Decibels of the frames between, by each way."""
    drawn = world.render([shot], size=SIZE, frames=LAST + 1, fps=float(RATE * TIMES)).frames[0]
    truth: Clip = (drawn * 255).round().byte().movedim(1, -1).numpy()
    keys = truth[::TIMES]
    moments = [Fraction(k, TIMES) for k in range(LAST + 1)]
    part = np.array([float(moment % 1) for moment in moments])[:, None, None, None]
    held, after = keys[[int(m) for m in moments]], keys[[-int(-m // 1) for m in moments]]
    ways: dict[str, npt.NDArray[Any]] = {
        "held": held,
        "blended": (1 - part) * held + part * after,
        "flow": interpolated(keys, moments),
    }
    between = [k for k in range(LAST + 1) if k % TIMES]
    return {name: psnr(way[between], truth[between]) for name, way in ways.items()}


def bench_finishing(count: int, seed: int, out: Path) -> str:
    """Compare on `count` shots; write and return the table."""
    found = [compared(shot) for _, shot in zip(range(count), moving_shots(seed), strict=False)]
    means = {name: mean_of([of[name] for of in found]) for name in found[0]}
    gains = [of["flow"] - of["held"] for of in found]
    lines = ["| frames between | PSNR, dB |", "|---|---|"]
    lines += [f"| {name} | {m.mean:.1f} ({m.low:.1f} to {m.high:.1f}) |" for name, m in means.items()]
    lines += ["", f"{count} shots of {RATE} frames at {SIZE}×{SIZE}; flow is nearer than held frames"]
    lines[-1] += f" on {sum(gain > 0 for gain in gains)} of them, by {min(gains):.1f} dB at least."
    table = "\n".join(lines) + "\n"
    figures = {"count": count, "seed": seed, "psnr": {name: asdict(m) for name, m in means.items()}}
    write_whole(out, json.dumps(figures, indent=2).encode())
    write_whole(out.with_suffix(".md"), table.encode())
    return table
