"""Inside Blender: jobs that are cancelled, fail, lose their backend, or outlive their .blend or add-on."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import driving

given = driving.arguments()
session = driving.install(given["zip"])
told: dict[str, Any] = {}


def begin(steps: int) -> Any:
    """Learn for so many steps; the job once it runs."""
    settings = bpy.context.scene.restage
    settings.own_steps, settings.steps = True, steps
    bpy.ops.restage.learn()
    job = list(session.jobs.values())[-1]
    driving.wait(session, lambda: job.ended or learning(job))
    return job


def learning(job: Any) -> bool:
    return job.phase.startswith("Learning") and job.done > 0


def clip_and_words() -> None:
    strip = driving.add_movie(given["movie"])
    strip.restage.motion = "moving to the right"
    settings = bpy.context.scene.restage
    settings.base, settings.prompt = given["base"], "a red ball"


def ending(job: Any) -> list[str]:
    return [job.state, job.note, job.hint]


def left(job: Any, *done: int) -> int | None:
    """Seconds left as steps of one phase are done, a minute after each other."""
    progress = driving.module("backend.api.protocol").Progress
    for steps in done:
        job.clock -= 60
        job.progress(progress(job="j", phase="Making the clip", done=steps, total=25))
    seconds = job.seconds_left
    return None if seconds is None else round(seconds)


another = driving.module("jobs").Job(None, None, "two clips")
told["left"] = [left(another, 1, 11), left(another, 1), left(another, 3)]

clip_and_words()
job = begin(100_000)
bpy.ops.restage.cancel(job=job.request.job)
driving.finish(session, "cancelled")
told["cancelled"] = [*ending(job), Path(job.request.out).exists()]

bpy.context.scene.restage.base = str(Path(given["folder"]) / "no base")
bpy.ops.restage.generate()
told["failed"] = ending(driving.finish(session, "failed"))
bpy.context.scene.restage.base = given["base"]
first = driving.backend_process(session)

job = begin(100_000)
os.kill(first, signal.SIGKILL)
told["killed"] = ending(driving.finish(session, "failed"))
bpy.ops.restage.generate()
told["after"] = ending(driving.finish(session))
told["another process"] = driving.backend_process(session) != first

bpy.ops.restage.generate()
bpy.context.scene.restage.id = ""  # as undo leaves it
told["id undone"] = [ending(driving.finish(session)), driving.strips_now()]

told["rows"] = len(session.jobs)
bpy.ops.restage.dismiss()
told["rows dismissed"] = len(session.jobs)

bpy.ops.restage.generate()
driving.new_scene()
job = driving.finish(session)
told["file changed"], told["kept"] = ending(job), Path(job.outputs[0]).is_file()
told["in the new file"] = driving.strips_now()
bpy.context.scene.frame_current = 7
bpy.ops.restage.place(job=job.request.job)
told["added to the new file"] = [ending(job), driving.strips_now()]

clip_and_words()
job = begin(100_000)
told["process"] = driving.backend_process(session)
bpy.ops.preferences.addon_disable(module=driving.PACKAGE)
told["rows disabled"] = len(session.jobs)
driving.tell(**told)
