"""`python -m backend.bench OUT.json`: every figure in one run, as ratios against a named baseline beside it.

Each measurement runs in a process of its own, so that one's memory is not another's; the two ways take turns,
so that a busy machine slows both.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from backend.api.library import default_library, write_whole

ROUNDS = 2
API = "from backend.api import client, environment, library, presets, protocol, settings"
ADDON = "import restage; restage.register()"
BASELINES = {
    "learn": "nothing cached, the absorber beside the layers, autoencoder and text model kept",
    "generate": "the motion's LoRA beside the layers instead of merged into the weights",
    "import": "import torch and diffusers, which a model inside Blender would pay",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m backend.bench", description=__doc__)
    parser.add_argument("out", type=Path, help="where the figures go as JSON")
    parser.add_argument("--base", default="starter")
    parser.add_argument("--steps", type=int, default=20, help="learning steps that are timed")
    parser.add_argument("--blender", type=Path, help="a Python with bpy, to time the add-on in")
    parser.add_argument("--extension", type=Path, help="the add-on's folder, named restage")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "base": options.base,
            "learn": both_ways("learn", options.base, options.steps, folder),
            "generate": both_ways("generate", options.base, 1, folder),
            "import": imports(options.blender, options.extension),
        }
    write_whole(options.out, json.dumps(figures, indent=2).encode())
    print("\n".join(table(figures)))


def both_ways(what: str, base: str, steps: int, folder: str) -> dict[str, Any]:
    """Medians over the rounds of both ways: {"ours": {…}, "plain": {…}}."""
    found: dict[str, list[dict[str, float]]] = {"plain": [], "ours": []}
    for _ in range(ROUNDS):
        for way, rounds in found.items():
            print(f"Measuring: {what}, {way} way", file=sys.stderr, flush=True)
            arguments = [what, way, base, str(steps), folder, str(default_library())]
            rounds.append(json.loads(output_of("-m", "backend.bench.speed", *arguments)))
    return {
        way: {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
        for way, rounds in found.items()
    } | {"baseline": BASELINES[what]}


def imports(blender: Path | None, extension: Path | None) -> dict[str, Any]:
    """Seconds, the best of some fresh processes."""
    print("Measuring: imports", file=sys.stderr, flush=True)
    found = {
        "ours": {"seconds": min(seconds_of(API) for _ in range(5))},
        "plain": {"seconds": min(seconds_of("import torch, diffusers") for _ in range(2))},
    }
    if blender and extension:
        first = f"import bpy, sys; sys.path.insert(0, {str(extension.parent)!r})"
        found["ours"]["addon_seconds"] = min(seconds_of(ADDON, blender, first) for _ in range(3))
        found["plain"]["addon_seconds"] = found["plain"]["seconds"]
    return {**found, "baseline": BASELINES["import"]}


def seconds_of(statement: str, python: str | Path = sys.executable, first: str = "") -> float:
    code = (
        f"{first}\nimport time; start = time.perf_counter()\n{statement}\nprint(time.perf_counter() - start)"
    )
    return float(output_of("-c", code, python=python))


def output_of(*arguments: str, python: str | Path = sys.executable) -> str:
    """The last line that a fresh interpreter prints."""
    done = subprocess.run([python, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def table(figures: dict[str, Any]) -> list[str]:
    learn, generate, load = (figures[name] for name in ("learn", "generate", "import"))
    rows = [
        ("learning, steps a second", learn, "steps_per_second", "{:.2f}", 1),
        ("learning, peak memory in MiB beyond the libraries", learn, "peak_mib", "{:.0f}", 1),
        ("a clip, seconds", generate, "seconds", "{:.2f}", 1),
        ("import of what Blender loads of the backend, ms", load, "seconds", "{:.1f}", 1000),
    ]
    if "addon_seconds" in load["ours"]:
        rows.append(("import and register of the add-on, ms", load, "addon_seconds", "{:.1f}", 1000))
    lines = [f"{figures['base']} on {figures['machine']}", f"{'':52}{'here':>9}{'plain':>9}{'ratio':>8}"]
    for title, measured, name, form, unit in rows:
        ours, plain = measured["ours"][name] * unit, measured["plain"][name] * unit
        numbers = f"{form.format(ours):>9}{form.format(plain):>9}{ours / plain:>8.2f}"
        lines.append(f"{title:52}{numbers}")
    lines += [f"plain way of {name}: {text}" for name, text in BASELINES.items()]
    return lines


if __name__ == "__main__":
    main()
