"""The demo's part inside headless Blender: demo_in_blender.py ZIP FOLDER (build.py demo starts it).

Installs the packaged extension, puts FOLDER/reference.mp4 on the timeline, and does what an artist does with
the buttons' own operators, as FOLDER/plan.json says. Leaves demo.blend, timeline.mp4 and results.json there,
and each clip in FOLDER/restage.
"""

import importlib
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import bpy

PACKAGE = "bl_ext.user_default.restage"
SIDE = 512  # of the rendered timeline, in pixels: two clips by two
SHOWN = 5.0  # seconds between two lines of progress
STARTED = time.monotonic()


def say(line: str) -> None:
    print(f"    {time.monotonic() - STARTED:6.1f} s  {line}", flush=True)


def install(archive: Path) -> Any:
    """Install and enable the zip in this profile; return the add-on's session."""
    bpy.ops.wm.read_factory_settings(use_empty=False)
    bpy.ops.extensions.package_install_files(
        filepath=str(archive), repo="user_default", enable_on_install=True
    )
    session = importlib.import_module(f"{PACKAGE}.session").session
    session.look()
    say(f"Restage is installed in Blender {bpy.app.version_string}")
    return session


def add_reference(path: Path, plan: dict[str, Any]) -> Any:
    """The reference as the active strip, with what is seen and how it moves in words."""
    editor = bpy.context.scene.sequence_editor_create()
    strip = editor.strips.new_movie("Reference", str(path), 1, 1)
    strip.select, editor.active_strip = True, strip
    strip.restage.looks, strip.restage.motion = plan["looks"], plan["motion"]
    return strip


def finish(session: Any, name: str) -> dict[str, Any]:
    """Pump, as the timer does in a window, until the newest job has ended; what came of it."""
    started = shown = time.monotonic()
    job, pause = list(session.jobs.values())[-1], threading.Event()
    while not job.ended:
        session.pump()
        if time.monotonic() > shown + SHOWN:
            shown = time.monotonic()
            say(f"{job.phase} {job.done}/{job.total}")
        pause.wait(0.05)
    if job.state != "done":
        sys.exit(f"{name}: {job.state}. {job.note} {job.hint}")
    seconds = time.monotonic() - started
    say(f"{name}: done in {seconds:.1f} s")
    return {"name": name, "outputs": list(job.outputs), "seconds": round(seconds, 1), "note": job.note}


def do_everything(session: Any, plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Learn, generate each variation, edit; each as a button would."""
    settings = bpy.context.scene.restage
    settings.base, settings.quality = plan["base"], plan["quality"]
    bpy.ops.restage.learn()
    done = [{"kind": "learn", **finish(session, "Learn the motion")}]
    for prompt in plan["variations"]:
        settings.prompt, settings.seed = prompt, plan["seed"]
        bpy.ops.restage.generate()
        done.append({"kind": "variation", "prompt": prompt, **finish(session, prompt)})
    settings.prompt, settings.follow = plan["edit"], plan["follow"]
    bpy.ops.restage.edit()
    done.append({"kind": "edit", "prompt": plan["edit"], **finish(session, f"edit: {plan['edit']}")})
    return done


def lay_out_in_a_grid() -> None:
    """All strips at once: the reference top left, then the results in reading order."""
    strips = sorted(bpy.context.scene.sequence_editor.strips, key=lambda strip: strip.channel)
    for place, strip in enumerate(strips):
        strip.blend_type = "ALPHA_OVER"
        size = strip.elements[0].orig_width
        strip.transform.scale_x = strip.transform.scale_y = SIDE / 2 / size
        strip.transform.offset_x = (place % 2 - 0.5) * SIDE / 2
        strip.transform.offset_y = (0.5 - place // 2) * SIDE / 2


def render_timeline(path: Path) -> None:
    render = bpy.context.scene.render
    render.image_settings.media_type = "VIDEO"
    render.ffmpeg.format, render.ffmpeg.codec = "MPEG4", "H264"
    render.ffmpeg.constant_rate_factor = "HIGH"
    render.filepath, render.use_file_extension = str(path), False
    bpy.ops.render.render(animation=True)


def main() -> None:
    archive, folder = map(Path, sys.argv[1:])
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    session = install(archive)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.view_settings.view_transform = "Standard"  # others change the colours of clips
    bpy.context.preferences.filepaths.save_version = 0
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "demo.blend"))  # results go beside it
    reference = add_reference(folder / "reference.mp4", plan)
    scene.frame_start, scene.frame_end = 1, reference.frame_final_duration
    done = do_everything(session, plan)
    lay_out_in_a_grid()
    say("Rendering the timeline")
    render_timeline(folder / "timeline.mp4")
    bpy.ops.file.make_paths_relative()
    bpy.ops.wm.save_mainfile()
    facts = {"blender": bpy.app.version_string, "backend": session.about_backend, "jobs": done}
    session.stop()
    (folder / "results.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
