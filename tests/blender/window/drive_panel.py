"""Inside a Blender with a window: the Restage tab in every state, by its own timer; a picture of each.

One JSON object is the last argument; what was seen is written to facts.json in its folder when all went well.
"""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parents[1]))
import driving

LIMIT = 200.0  # seconds for one step on a slow machine
given = driving.arguments()
folder = Path(given["folder"])


def sequencer() -> Any:
    """The window's largest area, made the sequencer, with its sidebar open at the Restage tab."""
    window = bpy.context.window_manager.windows[0]
    area = max(window.screen.areas, key=lambda area: area.width * area.height)
    area.type = "SEQUENCE_EDITOR"
    area.spaces.active.show_region_ui = True
    region = next(region for region in area.regions if region.type == "UI")
    return window, area, region


def in_sidebar() -> Any:
    window, area, region = sequencer()
    return bpy.context.temp_override(window=window, area=area, region=region)


def steps() -> Iterator[Any]:
    """Each yield is a condition to wait for, with the window redrawing meanwhile."""
    session = driving.install(given["zip"])
    yield True
    view = bpy.context.preferences.view
    view.ui_scale, view.show_splash, view.show_tooltips = given.get("scale", 1.3), False, False
    scene = bpy.context.window.scene
    window, area, region = sequencer()
    window.workspace.sequencer_scene = scene
    yield lambda: "Restage" in tabs(region)
    region.active_panel_category = "Restage"
    yield from picture("nothing selected")
    strip = driving.add_movie(given["movie"])
    yield from picture("strip selected")
    strip.restage.motion, strip.restage.looks = given["motion"], given["looks"]
    settings = scene.restage
    settings.base, settings.quality, settings.prompt = given["base"], "draft", given["prompt"]
    with in_sidebar():
        bpy.ops.restage.learn()
    yield lambda: any(job.done or job.ended for job in session.jobs.values())
    yield from picture("learning")
    yield lambda: not session.busy
    with in_sidebar():
        bpy.ops.restage.generate()
    yield lambda: not session.busy
    yield from picture("made")


def tabs(region: Any) -> list[str]:
    return [cls.bl_category for cls in bpy.types.Panel.__subclasses__() if hasattr(cls, "bl_category")]


def picture(name: str) -> Iterator[Any]:
    for _ in range(3):
        yield True
    with in_sidebar():
        bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=2)
        bpy.ops.screen.screenshot(filepath=str(folder / f"{name}.png"))


def go(script: Iterator[Any], waiting: list[Any]) -> float | None:
    """A timer: the next step once the last one's condition holds."""
    condition, deadline = waiting
    try:
        if condition is not True and not condition():
            assert time.monotonic() < deadline, "a condition did not come true"
            return 0.1
        waiting[:] = next(script), time.monotonic() + LIMIT
    except StopIteration:
        bpy.ops.wm.quit_blender()
        return None
    except BaseException:  # Blender would only drop the timer, and its window would stay
        traceback.print_exc()
        os._exit(1)
    for area in bpy.context.window_manager.windows[0].screen.areas:
        area.tag_redraw()
    return 0.3


waiting = [True, 0.0]
script = steps()
bpy.app.timers.register(lambda: go(script, waiting), first_interval=1.0, persistent=True)
