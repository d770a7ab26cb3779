"""`restage` as a program, in a folder of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAKE = Path(__file__).with_name("fake_restage.py")
Restage = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts `restage` around fake tasks, with its library in tmp_path/library."""
    started = []
    added = {"PYTHONPATH": str(ROOT), "RESTAGE_LIBRARY": str(tmp_path / "library")}

    def start(*words: str | Path) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, FAKE, *words],
            cwd=tmp_path,
            env=os.environ | added,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def restage(start: Start) -> Restage:
    """Runs it to its end."""

    def restage(*words: str | Path) -> "subprocess.CompletedProcess[str]":
        process = start(*words)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    return restage
