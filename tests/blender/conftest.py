"""Starts Blender, headless or with a window, on one of the scripts beside this, away from the artist's own.

`python3 build.py test` names the zip and an interpreter with `import bpy` for each Blender version.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from backend.media import clips

HERE = Path(__file__).parent
VERSIONS = ("42", "52")  # what differs between Blenders differs between these two
ALL = (*VERSIONS, "50")  # and the one that the demo starts
LIMIT = 600.0  # seconds that a whole script may take on a slow machine

Drive = Callable[..., dict[str, Any]]


@pytest.fixture(params=VERSIONS)
def drive(request: pytest.FixtureRequest, tmp_path: Path) -> Drive:
    """Run a script in headless Blender, once for each version; what it tells."""
    variable = f"RESTAGE_BPY_{request.param}"
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: run python3 build.py test")
    return driver(os.environ[variable], tmp_path)


@pytest.fixture
def drive_newest(tmp_path: Path) -> Drive:
    """The same on one version, for what does not differ between them."""
    if "RESTAGE_BPY_52" not in os.environ:
        pytest.skip("RESTAGE_BPY_52 is not set: run python3 build.py test")
    return driver(os.environ["RESTAGE_BPY_52"], tmp_path)


def driver(python: str, folder: Path) -> Drive:
    def drive(script: str, **given: Any) -> dict[str, Any]:
        command = [python, str(HERE / script), json.dumps(arguments(folder) | given)]
        done = subprocess.run(
            command, env=surroundings(folder), capture_output=True, text=True, timeout=LIMIT, cwd=folder
        )
        assert done.returncode == 0, done.stdout + done.stderr
        facts: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return facts

    return drive


def arguments(folder: Path) -> dict[str, Any]:
    return {"zip": os.environ["RESTAGE_ZIP"], "folder": str(folder)}


def surroundings(folder: Path) -> dict[str, str]:
    """The environment of a Blender that finds and leaves nothing outside `folder`."""
    for name in ("settings", "library"):
        (folder / name).mkdir(exist_ok=True)
    return os.environ | {
        "BLENDER_USER_RESOURCES": str(folder / "settings"),
        "RESTAGE_LIBRARY": str(folder / "library"),
        "RESTAGE_PYTHON": os.environ.get("RESTAGE_PYTHON", sys.executable),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "1",  # for toys, two threads are slower than one
    }


@pytest.fixture(scope="session")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 frames at 30000/1001 fps, 128×96: a white square goes from left to right over grey."""
    path = tmp_path_factory.mktemp("movies") / "movie.mp4"
    frames = np.full((48, 96, 128, 3), 90, np.uint8)
    for i, frame in enumerate(frames):
        frame[24:40, 4 + 2 * i : 20 + 2 * i] = 240
    clips.write(path, frames, Fraction(30000, 1001), {})
    return path


@pytest.fixture(scope="session")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 64×48 pixels."""
    path = tmp_path_factory.mktemp("stills") / "still.png"
    Image.fromarray(np.full((48, 64, 3), 120, np.uint8)).save(path)
    return path


def gone(process: int, limit: float = 20.0) -> bool:
    """Whether a process ends in time. One that has not is ended, so that nothing is left behind."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
    os.kill(process, signal.SIGKILL)
    return False


@pytest.fixture
def display(tmp_path: Path) -> Iterator[Path]:
    """A screen that nobody sees: a folder with its `name` and its pixels, in Xvfb_screen0."""
    folder = tmp_path / "screen"
    folder.mkdir()
    read, write = os.pipe()
    size = ["-screen", "0", "1600x1200x24", "-fbdir", str(folder)]
    command = ["Xvfb", "-displayfd", str(write), *size, "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with open(read) as told:
            (folder / "name").write_text(f":{told.readline().strip()}")
        yield folder
        server.terminate()
