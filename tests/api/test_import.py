"""What Blender pays for importing `backend.api` when the add-on is enabled: 50 ms at most."""

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


def test_it_takes_less_than_50_ms_where_the_standard_library_is_loaded_as_in_blender(tmp_path: Path) -> None:
    """Processor time, and the best of some: the machine may be busy."""
    there = (
        "contextlib, dataclasses, inspect, json, pathlib, queue, re, shutil, subprocess, threading, typing"
    )
    program = f"import {there}, time; t = time.process_time(); {API}; print(time.process_time() - t)"
    assert min(float(told(program, tmp_path)) for _ in range(5)) < 0.050
