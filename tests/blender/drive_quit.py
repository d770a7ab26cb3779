"""Inside Blender: it ends while a job runs. `how` is "quit" or "crash"."""

import os
import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import driving

given = driving.arguments()
session = driving.install(given["zip"])
strip = driving.add_movie(given["movie"])
strip.restage.motion = "moving to the right"
settings = bpy.context.scene.restage
settings.base, settings.own_steps, settings.steps = given["base"], True, 100_000
bpy.ops.restage.learn()
(job,) = session.jobs.values()
driving.wait(session, lambda: job.phase.startswith("Learning") and job.done > 0)
driving.tell(process=driving.backend_process(session), done=job.done)
if given["how"] == "crash":
    os._exit(0)
