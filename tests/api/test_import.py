"""What Blender pays for importing `backend.api` when the add-on is enabled: little."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
API = "import backend.api.client, backend.api.environment, backend.api.presets"
# What each of these costs at Blender's start is more than all messages together.
HEAVY = {"asyncio", "ctypes", "decimal", "fractions", "hashlib", "http", "multiprocessing", "socket", "ssl"}


def told(program: str, bytecode: Path) -> str:
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=kept | {"PYTHONPYCACHEPREFIX": str(bytecode)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    assert eval(told(f"import sys; {API}; print({HEAVY} & set(sys.modules))", tmp_path)) == set()


def test_nothing_but_bisect_comes_on_top_of_what_blender_has_loaded(tmp_path: Path) -> None:
    """So its time is that of its own lines; a limit in milliseconds would measure the machine."""
    there = (
        "contextlib, dataclasses, inspect, json, pathlib, queue, re, shutil, subprocess, threading, typing"
    )
    program = f"import sys, {there}; before = set(sys.modules); {API}; print(set(sys.modules) - before)"
    loaded = {name for name in eval(told(program, tmp_path)) if name.partition(".")[0] != "backend"}
    assert loaded <= {"bisect", "_bisect"}
