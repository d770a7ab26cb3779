"""`restage bench finishing`: frames between frames against what the starter's world shows at those moments.

Each shot is rendered at the base's rate and at three times that. From the first are made the frames between:
held, blended, and by optical flow (`media/finishing.py`); each way is as good as its PSNR to the second. Once
for what the world teaches, and once for the motions that are learned on it, whose subjects go much further
from frame to frame.
"""

import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import asdict, replace
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


def leaping_shots(seed: int) -> Iterator[world.Shot]:
    """Shots of one subject and the motions outside the vocabulary in turn, under a still camera."""
    rng = random.Random(seed)
    for motion in itertools.cycle(world.MOTIONS_OUTSIDE):
        yield replace(world.sample_shot(rng, motion=motion, camera="locked"), count=1)


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
    """Compare on `count` shots of each kind; write and return the table."""
    kinds = {"taught": moving_shots(seed), "to learn": leaping_shots(seed)}
    found = {
        kind: [compared(shot) for shot in itertools.islice(shots, count)] for kind, shots in kinds.items()
    }
    means = {
        kind: {way: mean_of([one[way] for one in of_kind]) for way in of_kind[0]}
        for kind, of_kind in found.items()
    }
    lines = [f"| PSNR of the frames between, dB | {' | '.join(kinds)} |", "|---|---|---|"]
    for way in means["taught"]:
        cells = [f"{m[way].mean:.1f} ({m[way].low:.1f} to {m[way].high:.1f})" for m in means.values()]
        lines.append(f"| {way} | {' | '.join(cells)} |")
    lines += ["", f"{count} shots of each, {RATE} frames at {SIZE}×{SIZE}."]
    for kind, of_kind in found.items():
        gains = [one["flow"] - one["held"] for one in of_kind]
        nearer = f"nearer than held frames on {sum(gain > 0 for gain in gains)} of those {kind}"
        lines.append(f"Flow is {nearer}, the least gain {min(gains):.1f} dB.")
    table = "\n".join(lines) + "\n"
    psnrs = {kind: {way: asdict(mean) for way, mean in ways.items()} for kind, ways in means.items()}
    write_whole(out, json.dumps({"count": count, "seed": seed, "psnr": psnrs}, indent=2).encode())
    write_whole(out.with_suffix(".md"), table.encode())
    return table
