"""Inside Blender: the main job, from the installed zip, by the buttons' own operators."""

import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import driving

given = driving.arguments()
session = driving.install(given["zip"])


def settings() -> Any:
    """Found anew each time: undo replaces the scene."""
    return bpy.context.scene.restage


def motions() -> list[Any]:
    return [(motion.path, motion.strength) for motion in settings().motions]


def undone(seen: Any) -> Any:
    """What `seen` gives after one undo; it is redone afterwards."""
    bpy.ops.ed.undo()
    before = seen()
    bpy.ops.ed.redo()
    return before


bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = 30, 1.001
source = driving.add_movie(given["movie"])
source.restage.motion, source.restage.looks = "moving to the right", "a white square over grey"
settings().base, settings().quality = given["base"], "draft"
settings().checkpoints, settings().preview_prompt = 2, "a red ball"
bpy.ops.ed.undo_push(message="a clip on the timeline")
told: dict[str, Any] = {"version": bpy.app.version_string, "before": driving.strips_now()}

bpy.ops.restage.learn()
told["learned"] = driving.finish(session).outputs
told["motions"], told["motions_undone"] = motions(), undone(motions)
job = next(iter(session.jobs.values()))
told["preview"] = [str(job.picture), job.pictured]
session.look()
told["checkpoints"] = session.motions[told["learned"][0]].checkpoints
bpy.ops.restage.motion_checkpoint(row=settings().motions[0].path_from_id(), step=told["checkpoints"][0])

settings().prompt, settings().count = "a red ball moving to the right", 2
bpy.ops.restage.generate()
told["made"] = driving.finish(session).outputs
told["generated"], told["generate_undone"] = driving.strips_now(), undone(driving.strips_now)

settings().prompt, settings().count = "a blue star", 1
settings().as_long, settings().follow = True, 0.5
bpy.ops.restage.edit()
told["edited"] = driving.finish(session).outputs
told["after"], told["edit_undone"] = driving.strips_now(), undone(driving.strips_now)

strips = driving.module("strips")
told["requests"] = {s.name: s.get(strips.REQUEST) for s in strips.all_strips(bpy.context.scene)}
told["process"] = driving.backend_process(session)
told["pixel"] = driving.render(Path(given["folder"]) / "frame.png", 12)
driving.tell(**told)
