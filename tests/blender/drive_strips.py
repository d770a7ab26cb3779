"""Inside Blender, without a backend: which frames of a file a strip shows, and where results land."""

import sys
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import driving

given = driving.arguments()
session = driving.install(given["zip"])
strips, requests = driving.module("strips"), driving.module("requests_from_scene")
UserError = driving.module("backend.errors").UserError
MOVIE = given["movie"]
told: dict[str, Any] = {"ranges": {}, "places": {}, "reasons": {}, "rates": {}}


def fresh() -> tuple[Any, Any]:
    """An empty scene at the movie's rate, and the movie in it on channel 1 at frame 10."""
    driving.new_scene()
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 30, 1.001
    return scene, driving.add_movie(MOVIE)


def clip(strip: Any) -> dict[str, Any]:
    """The range that would be sent, and the frames of the file that Blender shows at the strip's two ends."""
    made = strips.clip_of(strip, bpy.context.scene)
    start = int(getattr(strip, strips.START))
    ends = [start, start + int(getattr(strip, strips.DURATION)) - 1]
    return {
        "sent": [made.first_frame, made.frame_count, made.reverse],
        "shown": [driving.shown_frame(Path(given["folder"]) / "shown.png", frame) for frame in ends],
    }


def ranges() -> dict[str, Any]:
    seen = {}
    scene, strip = fresh()
    seen["whole"] = clip(strip)
    strip.frame_offset_start, strip.frame_offset_end = 5, 3
    seen["handles moved in"] = clip(strip)
    strip.use_reverse_frames = True
    seen["reversed"] = clip(strip)
    scene, strip = fresh()
    right = strip.split(frame=30, split_method="HARD")
    seen["hard split, left"], seen["hard split, right"] = clip(strip), clip(right)
    right.use_reverse_frames = True
    seen["hard split, right, reversed"] = clip(right)
    scene, strip = fresh()
    right = strip.split(frame=30, split_method="SOFT")
    seen["soft split, right"] = clip(right)
    scene, strip = fresh()
    strip.frame_offset_start, strip.frame_offset_end = -4, -6
    seen["handles moved out"] = clip(strip)
    scene, strip = fresh()
    scene.render.fps, scene.render.fps_base = 24, 1.0
    seen["another rate"] = clip(strip)
    return seen


def land(change: Any = None, count: int = 1, scene: Any = None) -> Any:
    """Where results go that were asked for before `change` happened to the timeline."""
    scene = scene or bpy.context.scene
    place = strips.place_of(scene, strips.active_strip(scene))
    try:
        if change:
            change(scene, strips.active_strip(scene))
        strips.insert(place, (MOVIE,) * count, "result", ("{}",) * count)
    except UserError as error:
        return str(error)
    results = [strip for strip in strips.all_strips(scene) if strips.REQUEST in strip.keys()]  # noqa: SIM118 (a strip is no dict)
    return [[strip.channel, int(getattr(strip, strips.START))] for strip in results]


def rename(scene: Any, strip: Any) -> None:
    strip.name = scene.name = "another name"


def move(scene: Any, strip: Any) -> None:
    strip.channel, strip.frame_start = 3, 50


def delete(scene: Any, strip: Any) -> None:
    strips.strips_in(scene.sequence_editor).remove(strip)


def crowd(scene: Any, strip: Any) -> None:
    """The channel above is taken at the very end of the result, the next is locked, the third is muted."""
    strips.strips_in(scene.sequence_editor).new_movie("crowd", MOVIE, 2, 57)
    scene.sequence_editor.channels[3].lock = scene.sequence_editor.channels[4].mute = True


def forget(scene: Any, strip: Any) -> None:
    """As undoing something older than the request does; then the strip is moved."""
    strip.restage.id = ""
    move(scene, strip)


def switch(scene: Any, strip: Any) -> None:
    bpy.context.window.scene = bpy.data.scenes.new("another")


def remove_scene(scene: Any, strip: Any) -> None:
    switch(scene, strip)
    bpy.data.scenes.remove(scene)


def places() -> dict[str, Any]:
    seen = {}
    changes = {"as it was": None, "renamed": rename, "moved": move, "deleted": delete, "crowded": crowd,
               "id undone": forget, "scene switched": switch}  # fmt: skip
    for name, change in changes.items():
        scene, _ = fresh()
        seen[name] = land(change, scene=scene)
    fresh()
    seen["two at once"] = land(count=2)
    scene, _ = fresh()
    seen["scene deleted"] = land(remove_scene)
    scene, strip = fresh()
    meta = strips.strips_in(scene.sequence_editor).new_meta("meta", 1, 1)
    strip.move_to_meta(meta)
    seen["in a meta strip"] = land(scene=scene)
    scene, strip = fresh()
    delete(scene, strip)
    scene.frame_current = 33
    seen["at the playhead"] = land(scene=scene)
    scene, strip = fresh()
    strips.own_id(strip, strips.all_strips(scene))
    right = strip.split(frame=30, split_method="SOFT")
    scene.sequence_editor.active_strip = right
    seen["the right half of a split strip"] = land(scene=scene)
    return seen


def scenes() -> dict[str, Any]:
    """Whether the scene of a place is found after what happened, and has its id again."""
    seen = {}
    path = str(Path(given["folder"]) / "project" / "undone.blend")

    def found(place: Any) -> list[Any]:
        scene = strips.find_scene(place)
        return [scene and scene.name, bool(scene) and scene.restage.id == place.scene]

    scene, strip = fresh()
    bpy.ops.ed.undo_push(message="before")
    place = strips.place_of(scene, strip)
    bpy.ops.ed.undo_push(message="something else")
    bpy.ops.ed.undo()
    seen["the id undone indeed"] = bpy.context.scene.restage.id
    bpy.ops.wm.save_as_mainfile(filepath=path)
    seen["undone, saved"] = found(place)
    fresh()
    seen["a new .blend"] = found(place)
    bpy.ops.wm.open_mainfile(filepath=path)
    place = strips.place_of(bpy.context.scene, None)
    bpy.ops.wm.revert_mainfile()
    seen["reverted"] = found(place)
    bpy.context.scene.restage.id = "another"
    seen["another's"] = found(place)
    bpy.ops.wm.save_as_mainfile(filepath=path.replace("undone", "copied"))
    bpy.context.scene.restage.id = ""
    seen["a copy of its .blend"] = found(place)
    scene, strip = fresh()
    first = session.place_of(scene, strip)
    job = driving.module("jobs").Job(None, first, "waiting", "running")
    scene.restage.id, session.jobs["waiting"] = "", job
    seen["asked for more meanwhile"] = session.place_of(scene, strip) == first
    session.jobs.clear()
    return seen


def reasons() -> dict[str, str]:
    scene, strip = fresh()
    editor, context = scene.sequence_editor, bpy.context
    seen = {"no words": requests.why_not_learn(context), "no prompt": requests.why_not_edit(context)}
    strip.restage.motion = scene.restage.prompt = "words"
    seen["fine"] = requests.why_not_learn(context) + requests.why_not_generate(context)
    seen["fine"] += requests.why_not_edit(context)
    editor.active_strip = None
    scene.restage.base = ""
    seen["no base"] = requests.why_not_generate(context)
    scene.restage.property_unset("base")
    seen["no strip"] = requests.why_not_learn(context)
    editor.active_strip = strips.strips_in(editor).new_effect(**effect("COLOR"))
    seen["no movie"] = requests.why_not_learn(context)
    missing = str(Path(given["folder"]) / "missing.mp4")
    editor.active_strip = strips.strips_in(editor).new_movie("missing", missing, 6, 1)
    seen["missing"] = requests.why_not_learn(context)
    strip.filepath = missing  # its size is still known, as when a .blend is opened without its movies
    editor.active_strip = strip
    seen["went missing"] = requests.why_not_learn(context)
    try:
        bpy.ops.restage.learn()
    except RuntimeError as error:
        seen["pressed"] = str(error)
    seen["jobs"] = str(len(session.jobs))
    return seen


def no_scene() -> dict[str, Any]:
    """As in a window whose sequencer shows none of two scenes, and where Blender's own is another's."""
    scene, _ = fresh()
    bpy.data.scenes.new("another")
    strips.HEADLESS = False
    operators = [getattr(bpy.ops.restage, name) for name in dir(bpy.ops.restage)]
    seen = {"pressable": [one.idname_py() for one in operators if one.poll()]}
    try:
        bpy.ops.restage.new_seed()
    except RuntimeError as error:
        seen["pressed"] = str(error)
    panels = driving.module("panels")
    shown: list[str] = []
    panels.wrapped = lambda layout, text, icon="": shown.append(text)
    panels.RESTAGE_PT_strip.draw_for(None, None, None, strips.active_strip(None))
    seen["panel"] = shown
    seen["drawn"] = [cls.__name__ for cls in panels.CLASSES if cls.poll(bpy.context)]
    bpy.context.workspace.sequencer_scene = scene
    seen["chosen"] = [strips.shown_scene(bpy.context) == scene, bpy.ops.restage.new_seed.poll()]
    bpy.context.workspace.sequencer_scene, strips.HEADLESS = None, True
    return seen


def effect(kind: str) -> dict[str, Any]:
    length = "length" if bpy.app.version >= (5, 0, 0) else "frame_end"
    return {"name": kind, "type": kind, "channel": 5, "frame_start": 1, length: 20}


def rates() -> dict[str, list[int]]:
    seen = {}
    for fps, base in ((24, 1.0), (30, 1.001), (24, 1.001), (60, 1.001), (25, 1.0), (30, 1.5), (24, 1.00066)):
        render = bpy.context.scene.render
        render.fps, render.fps_base = fps, base
        rate = strips.scene_rate(bpy.context.scene)
        seen[f"{fps}/{base}"] = [rate.num, rate.den]
    return seen


def results() -> dict[str, str]:
    driving.new_scene()
    seen = {"unsaved": str(requests.results(bpy.context))}
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(given["folder"]) / "project" / "film.blend"))
    return seen | {"saved": str(requests.results(bpy.context))}


def again_and_again() -> dict[str, Any]:
    """Disabled, enabled, disabled, enabled: what is registered then."""
    for _ in range(2):
        bpy.ops.preferences.addon_disable(module=driving.PACKAGE)
        gone = not hasattr(bpy.types.Scene, "restage") and not dir(bpy.ops.restage)
        bpy.ops.preferences.addon_enable(module=driving.PACKAGE)
    return {"gone": gone, "back": bpy.context.scene.restage.base}


(Path(given["folder"]) / "project").mkdir()
told["ranges"], told["places"], told["scenes"], told["reasons"] = ranges(), places(), scenes(), reasons()
told["rates"], told["results"] = rates(), results()
told["no scene"] = no_scene() if hasattr(bpy.context, "sequencer_scene") else {}
told["registered"], told["version"] = again_and_again(), list(bpy.app.version[:2])
driving.tell(**told)
