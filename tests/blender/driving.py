"""For the scripts beside this that run inside Blender: install the zip, add a clip, wait for jobs.

Those scripts get one JSON object as their last argument, and print one as their last line.
"""

import importlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy

PACKAGE = "bl_ext.user_default.restage"
LIMIT = 300.0  # seconds that one job may take on a slow machine


def arguments() -> dict[str, Any]:
    return json.loads(sys.argv[-1])


def module(name: str) -> Any:
    """A module of the installed add-on."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def install(archive: str) -> Any:
    """Install and enable the built zip; return its session, which has looked at the environment."""
    assert os.environ["BLENDER_USER_RESOURCES"], "the artist's own Blender settings would be changed"
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=True)
    session = module("session").session
    session.look()
    return session


def new_scene() -> None:
    """An unsaved file with one empty scene; the add-on stays."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True, load_ui=False)


class Shown:
    """A layout that draws nothing: what it was asked for, texts of labels and names of the rest."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.names: list[str] = []
        self.operators: list[str] = []
        self.menus = 0

    def row(self, **_: Any) -> "Shown":
        return self

    column = row

    def menu(self, *_: Any, **__: Any) -> None:
        self.menus += 1

    def operator(self, name: str, **_: Any) -> Any:
        self.operators.append(name)
        return SimpleNamespace()

    def template_list(self, *_: Any, **__: Any) -> None:
        pass

    def separator(self) -> None:
        pass

    def context_pointer_set(self, name: str, _: Any) -> None:
        self.names.append(name)

    def label(self, text: str, **_: Any) -> None:
        self.texts.append(text)

    def prop(self, _: Any, name: str, **__: Any) -> None:
        self.names.append(name)


def backend_process(session: Any) -> int:
    return int(session.backend._process.pid)


def add_movie(path: str, channel: int = 1, frame: int = 10) -> Any:
    """A movie strip that is selected and active."""
    scene = bpy.context.scene
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strip = module("strips").strips_in(editor).new_movie(Path(path).stem, path, channel, frame)
    strip.select, editor.active_strip = True, strip
    return strip


def wait(session: Any, until: Callable[[], bool], limit: float = LIMIT) -> None:
    """Pump, as the timer does in a window, until a condition holds."""
    deadline, pause = time.monotonic() + limit, threading.Event()
    while not until():
        session.pump()
        assert time.monotonic() < deadline, [vars(job) for job in session.jobs.values()]
        pause.wait(0.02)


def finish(session: Any, state: str = "done") -> Any:
    """Wait for all jobs; the newest, which has ended as `state`."""
    wait(session, lambda: not session.busy)
    job = list(session.jobs.values())[-1]
    assert job.state == state, vars(job)
    return job


def strips_now(scene: Any = None) -> dict[str, list[Any]]:
    """Name -> type, channel, start, duration of every strip."""
    names = module("strips")
    return {
        s.name: [s.type, s.channel, getattr(s, names.START), getattr(s, names.DURATION)]
        for s in names.all_strips(scene or bpy.context.scene)
    }


def render(path: Path, frame: int) -> list[float]:
    """The mean red, green, blue of the middle of a frame of the timeline, in sRGB."""
    rows = rendered(path, frame)
    middle = [pixel for row in rows[44:52] for pixel in row[60:68]]
    return [sum(channel) / len(middle) for channel in zip(*middle, strict=True)]


def shown_frame(path: Path, frame: int) -> int:
    """Which frame of the test's movie is seen there: its square is 2 pixels farther right in each."""
    row = rendered(path, frame)[63]  # from below; the square is at 24 to 40 from above
    left = next(x for x, pixel in enumerate(row) if pixel[0] > 0.65)
    return round((left - 4) / 2)


def rendered(path: Path, frame: int) -> list[list[tuple[float, ...]]]:
    """One frame of the timeline: rows from below of red, green, blue in sRGB."""
    scene = bpy.context.scene
    scene.frame_current = frame
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 128, 96, 100
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    width, height = image.size
    values = list(image.pixels)
    bpy.data.images.remove(image)
    pixels = [tuple(values[i : i + 3]) for i in range(0, len(values), 4)]
    return [pixels[y * width : (y + 1) * width] for y in range(height)]


def tell(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)
