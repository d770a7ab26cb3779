"""Inside Blender: the main job, from the installed zip, by the buttons' own operators."""

import sys
from pathlib import Path

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import driving

given = driving.arguments()
session = driving.install(given["zip"])
scene = bpy.context.scene
scene.render.fps, scene.render.fps_base = 30, 1.001
source = driving.add_movie(given["movie"])
before = driving.strips_now()
settings = scene.restage
settings.base, settings.quality = given["base"], "draft"
source.restage.motion, source.restage.looks = "moving to the right", "a white square over grey"

bpy.ops.restage.learn()
learned = driving.finish(session)
motions = [(motion.path, motion.strength) for motion in settings.motions]

settings.prompt, settings.count = "a red ball moving to the right", 2
bpy.ops.restage.generate()
made = driving.finish(session)
after_generate = driving.strips_now()

settings.prompt, settings.count, settings.as_long, settings.follow = "a blue star", 1, True, 0.5
bpy.ops.restage.edit()
edited = driving.finish(session)
after = driving.strips_now()

requests = {
    strip.name: strip.get(driving.module("strips").REQUEST)
    for strip in driving.module("strips").all_strips(scene)
}
process = session.backend._process.pid
pixel = driving.render(Path(given["folder"]) / "frame.png", 12)
driving.tell(
    version=bpy.app.version_string,
    before=before,
    learned=learned.outputs,
    motions=motions,
    made=made.outputs,
    after_generate=after_generate,
    edited=edited.outputs,
    after=after,
    requests=requests,
    process=process,
    pixel=pixel,
    rate=[scene.render.fps, scene.render.fps_base],
)
