"""A real Blender with a window: the Restage tab in every state, its buttons found by mouse and clicked."""

import itertools
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from .conftest import HERE, LIMIT, arguments, gone, surroundings

pytestmark = [pytest.mark.blender, pytest.mark.slow]

WIDTH, HEIGHT = 1600, 1200
STATES = [
    "no scene",
    "no strip",
    "strip",
    "learning",
    "made",
    "result",
    "failed",
    "lists",
    "options",
    "not set up",
    "preferences",
]


@pytest.fixture(scope="module")
def blender() -> Path:
    """Blender 5.2 out of a Debian tree, made once under build/; `RESTAGE_WINDOW` names another place."""
    tree = Path(os.environ.get("RESTAGE_WINDOW", HERE.parents[1] / "build" / "window"))
    if not (tree / "complete").exists():
        if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("apt-get"):
            pytest.skip(
                f"a Blender with a window is made by root on Debian: {HERE / 'window' / 'setup.sh'} {tree}"
            )
        subprocess.run([HERE / "window" / "setup.sh", tree], check=True, timeout=LIMIT)
    return tree / "usr" / "bin" / "blender"


def test_the_tab_is_drawn_in_every_state_and_its_buttons_do_the_main_job(
    blender: Path, display: Path, movie: Path, still: Path, toy_base: Path, tmp_path: Path
) -> None:
    told = open_window(blender, display, tmp_path, movie=str(movie), picture=str(still), base=str(toy_base))
    assert told["version"].startswith("5.2")
    assert not told["pressable without a scene"]
    assert told["jobs"] == [["Learn", "done"], ["Generate", "done"]]
    assert told["strips"]["movie"] == ["MOVIE", 1, 10, 48]
    assert told["strips"]["a red ball"] == ["MOVIE", 2, 10, 12]
    assert told["seed drawn"] > 0, "a press of the button draws a seed (0 would be drawn once in a million)"
    assert told["settings taken"] == ["a red ball", told["seed drawn"], True]
    assert told["speed-matched"] == [38, 0, 47], "38 frames at 24 show frames 0 to 46 at 29.97"
    pictures = {state: screen(tmp_path / f"{state}.xwd") for state in STATES}
    keep(pictures)
    sidebars = [picture[:, 1120:] for picture in pictures.values()]
    for before, after in itertools.pairwise(sidebars):
        changed = (np.abs(before.astype(int) - after).max(axis=2) > 40).mean()
        assert changed > 0.002, "the sidebar shows another state, but looks the same"
    assert gone(told["process"])


def open_window(blender: Path, display: Path, folder: Path, **given: str) -> dict[str, Any]:
    words = {"motion": "moving to the right", "looks": "a white square over grey", "prompt": "a red ball"}
    numbers = {"scale": 1.3, "playhead": 20, "screen": str(display / "Xvfb_screen0")}
    script = ["--python", str(HERE / "window" / "drive_panel.py"), "--"]
    options = [
        "--factory-startup",
        "--enable-event-simulate",
        "--window-geometry",
        "0",
        "0",
        str(WIDTH),
        str(HEIGHT),
    ]
    command = [str(blender), *options, *script, json.dumps(arguments(folder) | words | numbers | given)]
    environment = surroundings(folder) | {"DISPLAY": (display / "name").read_text()}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LIMIT, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text())
    return facts


def screen(path: Path) -> np.ndarray:
    """An X window dump of 24-bit colours: rows of red, green, blue."""
    data = path.read_bytes()
    header = struct.unpack(">25I", data[:100])
    size, width, height, row, colours = header[0], header[4], header[5], header[12], header[19]
    start = size + 12 * colours
    pixels = np.frombuffer(data[start : start + row * height], np.uint8).reshape(height, row // 4, 4)
    return pixels[:, :width, 2::-1]


def keep(pictures: dict[str, np.ndarray]) -> None:
    """For a person to look at: build/window-pictures/."""
    folder = HERE.parents[1] / "build" / "window-pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
