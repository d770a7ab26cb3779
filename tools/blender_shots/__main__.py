"""Draws shots, writes the plan, and has Blender film it. See the package's docstring."""

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from .plan import draw, outlines, planned, tile


def main() -> None:
    given = arguments()
    folder: Path = given.out
    folder.mkdir(parents=True, exist_ok=True)
    write_plan(given)
    films = [given.blender, "-m", "tools.blender_shots.in_blender", str(folder.resolve())]
    done = subprocess.run(films, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout.strip().splitlines()[-1])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools.blender_shots", description="Shots rendered by Blender")
    parser.add_argument("--blender", required=True, help="an interpreter with `import bpy`")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--size", type=int, default=128, help="pixels of a side")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--seed", type=int, default=0, help="shot i has the seed seed + i")
    parser.add_argument(
        "--motions", nargs="*", default=[], help="draw from these, also outside the vocabulary"
    )
    parser.add_argument("--cameras", nargs="*", default=[])
    parser.add_argument("--counts", nargs="*", type=int, default=[], help="of subjects")
    parser.add_argument("--engine", choices=("workbench", "cycles"), default="workbench")
    return parser.parse_args()


def write_plan(given: argparse.Namespace) -> None:
    """FOLDER/plan.json and tiles.npz: everything that Blender is to build, as plain values."""
    seeds = range(given.seed, given.seed + given.count)
    among = {"motions": given.motions, "cameras": given.cameras, "counts": given.counts}
    drawn = [draw(seed, **among) for seed in seeds]
    plan = {
        "engine": given.engine,
        "size": given.size,
        "shots": [planned(s, i, given.frames, given.fps) for i, s in zip(seeds, drawn, strict=True)],
        "outlines": {name: outlines(name) for name in sorted({s.subject for s in drawn})},
    }
    text, kept = json.dumps(plan), given.out / "plan.json"
    if kept.exists() and kept.read_text() != text:
        raise SystemExit(f"{given.out} holds other shots: give another folder")
    kept.write_text(text)
    backgrounds = sorted({s.background for s in drawn})
    pictures: dict[str, Any] = {
        f"{b} {name}": picture for b in backgrounds for name, picture in tile(b).items()
    }
    np.savez_compressed(given.out / "tiles.npz", **pictures)


if __name__ == "__main__":
    main()
