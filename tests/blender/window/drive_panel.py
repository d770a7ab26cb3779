"""Inside a Blender with a window: the Restage tab in each of its states, its buttons found and clicked.

One JSON object is the last argument. A picture of each state, as the screen holds it (.xwd), and facts.json
are left in its folder.
"""

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parents[1]))
import driving

LIMIT = 400.0  # seconds for one step on a slow machine
given = driving.arguments()
folder = Path(given["folder"])
told: dict[str, Any] = {"version": bpy.app.version_string}


def window() -> Any:
    return bpy.context.window_manager.windows[0]


def area() -> Any:
    return window().screen.areas[0]


def region(kind: str) -> Any:
    return next(region for region in area().regions if region.type == kind)


def within(kind: str) -> Any:
    return bpy.context.temp_override(window=window(), area=area(), region=region(kind))


def steps() -> Iterator[Any]:
    """Each yield is a condition to wait for, while the window goes on drawing."""
    session = driving.install(given["zip"])
    yield from lay_out()
    yield from no_scene()
    yield from picture("no strip")
    strip = driving.add_movie(given["movie"])
    with within("WINDOW"):
        bpy.ops.sequencer.view_all()
    yield from picture("strip")
    bpy.context.window.scene.view_settings.view_transform = "Standard"
    settings = bpy.context.window.scene.restage
    settings.base, settings.quality = given["base"], "draft"
    settings.preview_prompt = given["prompt"]
    strip.restage.motion, strip.restage.looks = given["motion"], given["looks"]
    yield from click("bpy.ops.restage.learn()")
    yield lambda: any(job.done > 1 or job.ended for job in session.jobs.values())
    yield from picture("learning")
    yield lambda: not session.busy
    yield from generate(session, settings)
    yield from result(settings)
    settings.base = "no such base"
    yield from click("bpy.ops.restage.generate()")
    yield lambda: not session.busy
    yield from picture("failed")
    settings.base = given["base"]
    lists(settings)
    yield from picture("lists")
    told["speed-matched"] = speed_matched()
    open_options()
    yield from picture("options")
    del os.environ["RESTAGE_PYTHON"]
    yield lambda: session.environment != "ready"
    yield from picture("not set up")
    area().type, bpy.context.preferences.active_section = "PREFERENCES", "ADDONS"
    bpy.context.window_manager.addon_search = "Restage"
    bpy.ops.preferences.addon_expand(module=driving.PACKAGE)
    yield from picture("preferences")


def no_scene() -> Iterator[Any]:
    """The window has a scene, and its sequencer shows none."""
    window().workspace.sequencer_scene = None
    yield from picture("no scene")
    with within("UI"):
        told["pressable without a scene"] = bpy.ops.restage.new_seed.poll()
    window().workspace.sequencer_scene = window().scene


def generate(session: Any, settings: Any) -> Iterator[Any]:
    """A clip, and what the session and the sequencer say of it."""
    settings.prompt = given["prompt"]
    yield from click("bpy.ops.restage.generate()")
    yield lambda: not session.busy
    with within("WINDOW"):
        bpy.ops.sequencer.view_all()
    yield from picture("made")
    told["jobs"] = [[type(job.request).__name__, job.state] for job in session.jobs.values()]
    told["strips"] = driving.strips_now()
    told["process"] = driving.backend_process(session)


def lay_out() -> Iterator[Any]:
    """One large sequencer with a preview, its sidebar open at the Restage tab."""
    view = bpy.context.preferences.view
    view.ui_scale, view.show_splash = given["scale"], False
    with within("WINDOW"):
        bpy.ops.screen.screen_full_area()
    yield True
    area().type = "SEQUENCE_EDITOR"
    space = area().spaces.active
    space.view_type, space.show_region_ui = "SEQUENCER_PREVIEW", True
    space.timeline_overlay.show_strip_source = False  # where this machine keeps its files is no matter
    window().workspace.sequencer_scene = window().scene
    scene = window().scene
    scene.frame_current, scene.frame_end = given["playhead"], 60
    scene.render.resolution_x = scene.render.resolution_y = 320
    yield True
    region("UI").active_panel_category = "Restage"


def result(settings: Any) -> Iterator[Any]:
    """The result is selected, and its settings are taken by their button."""
    told["seed drawn"] = settings.seed
    editor = window().scene.sequence_editor
    editor.active_strip = editor.strips[given["prompt"]]
    settings.prompt, settings.seed = "something else", 3
    yield from picture("result")
    yield from click("bpy.ops.restage.take_settings()", across=2 / 3)
    told["settings taken"] = [settings.prompt, settings.seed, settings.keep_seed]
    editor.active_strip = editor.strips["movie"]


def lists(settings: Any) -> None:
    """A strength over time, a camera's motion, looks from a file, and what MotionDirector learns from."""
    motion, start = settings.motions[0], driving.strips_now()["movie"][2]
    for frame, strength in ((start, 0.0), (start + 6, 1.2), (start + 30, 0.4)):
        motion.strength = strength
        motion.keyframe_insert("strength", frame=frame)
    motion.over_time = True
    learned = driving.module("session").session.motions[motion.path]
    bpy.ops.restage.motion_checkpoint(row=motion.path_from_id(), step=learned.checkpoints[-1])
    camera = Path(shutil.copytree(motion.path, folder / "camera"))
    bpy.ops.restage.motion_whose(folder=str(camera))
    driving.module("stack").add_learned(window().scene, camera)
    driving.module("session").session.look()
    looks = folder / "ink drawing.safetensors"
    looks.touch()
    bpy.ops.restage.looks_open(filepath=str(looks))
    settings.method = "MotionDirector"
    still = Path(given["picture"])
    bpy.ops.restage.sources_files(rows="stills", directory=str(still.parent), files=[{"name": still.name}])
    settings.stills[0].looks = given["looks"]
    movie = Path(given["movie"])
    bpy.ops.restage.sources_files(rows="clips", directory=str(movie.parent), files=[{"name": movie.name}])
    settings.clips[0].looks = given["looks"]


def open_options() -> None:
    """The closed panels, drawn once more open: a script cannot open a panel."""
    drawn_by = dict.fromkeys(("learn_options", "make_options", "make_finish"), "panels")
    for name, module in {"learn_sources": "panels_sources", **drawn_by}.items():
        closed = getattr(driving.module(module), f"RESTAGE_PT_{name}")
        bpy.utils.register_class(type(f"RESTAGE_PT_{name}_opened", (closed,), {"bl_options": set()}))


def click(command: str, across: float = 1 / 3) -> Iterator[Any]:
    """Move the mouse down the tab till it is over the button that does `command`, and press it.

    `across` is where, of the sidebar's width: some buttons share a row.
    """
    side = region("UI")
    x = side.x + round(side.width * across)
    for y in range(side.y + side.height - 10, side.y, -12):
        window().event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
        yield True
        if command_under_mouse() == command:
            yield True  # a button that was lit before goes out a little later
        if command_under_mouse() == command:
            window().event_simulate(type="LEFTMOUSE", value="PRESS", x=x, y=y)
            yield True
            window().event_simulate(type="LEFTMOUSE", value="RELEASE", x=x, y=y)
            yield True
            return
    raise AssertionError(f"no button for {command}")


def command_under_mouse() -> str:
    """What Blender's own "Copy Python Command" gives for the button that is lit."""
    with within("UI"):
        if not bpy.ops.ui.copy_python_command_button.poll():
            return ""
        bpy.context.window_manager.clipboard = ""
        bpy.ops.ui.copy_python_command_button()
    return str(bpy.context.window_manager.clipboard)


def speed_matched() -> list[Any]:
    """What is sent of a strip that the menu added at a rate that is not the scene's: it matches the speed."""
    scene = bpy.context.window.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    before = set(driving.strips_now())
    with within("WINDOW"):
        bpy.ops.sequencer.movie_strip_add(
            filepath=given["movie"],
            frame_start=500,
            channel=9,
            use_framerate=False,
            adjust_playback_rate=True,
            move_strips=False,
        )
    strips = driving.module("strips")
    (strip,) = [s for s in strips.all_strips(scene) if s.type == "MOVIE" and s.name not in before]
    clip = strips.clip_of(strip, scene)
    return [getattr(strip, strips.DURATION), clip.first_frame, clip.frame_count]


def picture(name: str) -> Iterator[Any]:
    """Keep what the screen shows once it is drawn. (Blender's own screenshot is black under software GL.)"""
    for _ in range(4):
        yield True
    shutil.copy(given["screen"], folder / f"{name}.xwd")


def go(script: Iterator[Any], waiting: list[Any]) -> float | None:
    """A timer: the next step once the last one's condition holds."""
    condition, deadline = waiting
    try:
        if condition is not True and not condition():
            assert time.monotonic() < deadline, "a condition did not come true"
            return 0.1
        waiting[:] = next(script), time.monotonic() + LIMIT
    except StopIteration:
        (folder / "facts.json").write_text(json.dumps(told))
        bpy.ops.wm.quit_blender()
        return None
    except BaseException:  # Blender would only drop the timer, and its window would stay
        traceback.print_exc()
        os._exit(1)
    area().tag_redraw()
    return 0.1


script, waiting = steps(), [True, 0.0]
bpy.app.timers.register(lambda: go(script, waiting), first_interval=1.0)
