"""Inside Blender, with a backend: motions from and for files, stills, looks, strength over time."""

import json
import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import driving

given = driving.arguments()
session = driving.install(given["zip"])
folder = Path(given["folder"])
told: dict[str, Any] = {"version": bpy.app.version_string}


def settings() -> Any:
    return bpy.context.scene.restage


def finish(state: str = "done") -> dict[str, Any]:
    """How the newest job ended, and what of it reached the backend."""
    job = driving.finish(session, state)
    asked = folder / "library" / "jobs" / job.request.job / "request.json"
    request = json.loads(asked.read_text("utf-8"))["request"]
    return {"outputs": list(job.outputs), "note": job.note, "hint": job.hint, "request": request}


def rows() -> dict[str, Any]:
    lists = {"motions": settings().motions, "looks": settings().looks}
    return {name: [row.title for row in found] for name, found in lists.items()}


def imported(file: str, words: str, state: str = "done") -> dict[str, Any]:
    bpy.ops.restage.motion_import(filepath=file, words=words)
    return finish(state) | {"rows": rows()}


def files() -> dict[str, Any]:
    """In, out for ComfyUI, and in again; a .pt; and what is no motion."""
    seen = {"diffusers": imported(given["motion"], "whirling")}
    bpy.ops.restage.motion_export(
        folder=settings().motions[0].path, filepath=str(folder / "whirl"), format="comfyui"
    )
    seen["exported"] = finish()
    seen["comfyui"] = imported(seen["exported"]["outputs"][0], "whirling again")
    seen["director"] = imported(given["director"], "swinging")
    seen["looks"] = imported(given["looks"], "inked", "failed")
    words = driving.module("exchange").words_in
    seen["its own words"] = [words(Path(given["motion"])), words(Path(given["director"]))]
    try:
        bpy.ops.restage.motion_import(filepath=given["motion"], words=" ")
    except RuntimeError as error:
        seen["no words"] = str(error)
    return seen


def stills() -> dict[str, Any]:
    """A motion of two clips and the looks of a still: both on their lists, both act on a new clip."""
    settings().motions.clear()
    strip = driving.add_movie(given["movie"])
    strip.restage.motion, strip.restage.looks = "moving to the right", "a white square"
    settings().method, settings().own_steps, settings().steps = "MotionDirector", True, 4
    paths = {"clips": Path(given["movie"]), "stills": Path(given["picture"])}
    for name, path in paths.items():
        bpy.ops.restage.sources_files(rows=name, directory=str(path.parent), files=[{"name": path.name}])
    settings().clips[0].first_frame, settings().stills[0].looks = 12, "a dog"
    bpy.ops.restage.learn()
    return finish() | {"rows": rows()}


def made() -> dict[str, Any]:
    """A new clip that starts without its motion, in the looks of the still and of somebody's LoRA."""
    motion = settings().motions[0]
    for frame, strength in ((10, 0.0), (18, 1.0)):
        motion.strength = strength
        motion.keyframe_insert("strength", frame=frame)
    motion.over_time = True
    bpy.ops.restage.looks_open(filepath=given["looks"])
    bpy.ops.restage.generate()
    seen = {"generated": finish()}
    bpy.ops.restage.edit()
    return seen | {"edited": finish(), "strips": sorted(driving.strips_now())}


driving.new_scene()
settings().base, settings().prompt, settings().quality = given["base"], "a red ball", "draft"
settings().keep_seed = True
told["files"], told["stills"], told["made"] = files(), stills(), made()
told["process"] = driving.backend_process(session)
driving.tell(**told)
