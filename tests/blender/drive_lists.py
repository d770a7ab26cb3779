"""Inside Blender, without a backend: strengths over time, looks, and lists of what is learned from."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import driving

given = driving.arguments()
session = driving.install(given["zip"])
folder = Path(given["folder"])
strips, requests = driving.module("strips"), driving.module("requests_from_scene")
presets, protocol = driving.module("backend.api.presets"), driving.module("backend.api.protocol")
facts, over_time = driving.module("facts"), driving.module("over_time")
told: dict[str, Any] = {"version": bpy.app.version_string}


def settings() -> Any:
    return bpy.context.scene.restage


def preset(name: str, kind: str = "subject", words: str = "") -> str:
    """A motion, or looks, in the library, as if learned on the starter."""
    base = facts.base_of("starter", folder / "library")
    weights = presets.BaseWeights(
        base=base.name, architecture=base.architecture, fingerprint="1", file="starter.safetensors"
    )
    motion = "" if kind == "style" else name.lower()
    made = presets.Preset(title=name, motion=motion, kind=kind, looks=words, weights=(weights,))
    where = folder / "library" / "presets" / name
    presets.write_preset(where, made)
    return str(where)


def sent() -> Any:
    return requests.generate(bpy.context)


def said(operator: Any, **settings: Any) -> str:
    """The sentence with which an operator refuses; nothing when it does what it should."""
    try:
        operator(**settings)
    except RuntimeError as error:
        return str(error).removeprefix("Error: ").strip()
    return ""


def key(row: Any, frame: float, strength: float) -> None:
    row.strength = strength
    row.keyframe_insert("strength", frame=frame)


def linear(row: Any) -> None:
    for point in over_time.curve_of(row).keyframe_points:
        point.interpolation = "LINEAR"


def strengths(motion: Any) -> Any:
    return [key.strength for key in motion.curve] or round(motion.strength, 3)


def over_the_clip() -> dict[str, Any]:
    """The starter makes 8 frames in a second: 24 frames of this timeline, from the strip's start at 10."""
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    driving.add_movie(given["movie"])
    settings().base, settings().prompt = "starter", "a red ball"
    seen: dict[str, Any] = {}
    for path in [preset(name) for name in ("Circle", "Zoom", "Shake")]:
        bpy.ops.restage.motion_add(folder=path)
    circle, zoom, shake = settings().motions
    key(circle, 10, 0.0)
    key(circle, 31, 1.4)  # when the last of the 8 frames is shown
    linear(circle)
    circle.over_time = True
    seen["rising"] = [strengths(motion) for motion in sent().motions]
    seen["moments"] = [round(k.at, 3) for k in sent().motions[0].curve]
    session.look()
    seen["said"] = over_time.in_words(circle, session.span(scene))
    circle.over_time = False
    seen["switched off"] = len(sent().motions[0].curve)
    circle.over_time = zoom.over_time = True
    seen["without keyframes"] = [strengths(sent().motions[1]), over_time.in_words(zoom, session.span(scene))]
    key(shake, 1, 0.5)
    key(shake, 99, 0.5)
    shake.over_time = True
    seen["constant"] = [strengths(sent().motions[2]), over_time.in_words(shake, session.span(scene))]
    seen["stretched"] = stretched()
    settings().base = "somebody/never-fetched"
    seen["unknown length"] = said(lambda: bpy.ops.restage.generate())
    settings().base = "starter"
    return seen


def stretched() -> list[float]:
    """Over the 48 frames of the strip, of which the keyframes take the first half."""
    settings().as_long = True
    try:
        return strengths(sent().motions[0])
    finally:
        settings().as_long = False


def rows_that_go() -> dict[str, Any]:
    """Keyframes go with their row, and stay with the rows that follow it."""
    before = strengths(sent().motions[0])
    settings().motions[2].driver_add("strength").driver.expression = "0.5"
    bpy.ops.restage.motion_remove(index=1)
    drivers = [curve.data_path for curve in bpy.context.scene.animation_data.drivers]
    settings().motions[1].driver_remove("strength")
    seen: dict[str, Any] = {"drivers": drivers}
    seen |= {"after the second": strengths(sent().motions[0]) == before}
    seen["third is second"] = over_time.curve_of(settings().motions[1]) is not None
    bpy.ops.restage.motion_remove(index=0)
    seen["left"] = [settings().motions[0].title, over_time.curve_of(settings().motions[0]).evaluate(50)]
    bpy.ops.restage.motion_remove(index=0)
    bpy.ops.restage.motion_add(folder=preset("Circle"))
    seen["a new row has none"] = over_time.curve_of(settings().motions[0]) is None
    return seen


def taken_back() -> dict[str, Any]:
    """A result's settings give the same request again, with what changed over time."""
    lora = folder / "lora.safetensors"
    lora.write_bytes(b"")
    keys = tuple(protocol.Key(at=i / 7, strength=round(0.1 * i, 4)) for i in range(8))
    made = protocol.Generate(
        job="old", prompt="a blue star", out="old.mp4", seed=4,
        motions=(protocol.Motion(path=preset("Circle"), curve=keys, kind="camera"),  # now a subject's
                 protocol.Motion(path=preset("Brush", "style", "ink"), strength=0.5)),
        looks=(protocol.Looks(path=str(lora), strength=0.25, curve=()),),
        sampling=protocol.Sampling(rate=protocol.Rate(num=24), length=48),
    )  # fmt: skip
    strip = strips.active_strip(bpy.context.scene)
    strip[strips.REQUEST] = requests.as_json(made)
    bpy.ops.restage.take_settings()
    again = sent()
    session.look()
    taken = session.is_cameras(settings().motions[0])
    bpy.ops.restage.motion_whose(folder=preset("Circle"), kind="subject")
    given = sent().motions[0].kind
    del strip[strips.REQUEST]
    leave = ("job", "out", "compute")
    return {
        "rows": [[row.title, row.over_time] for row in (*settings().motions, *settings().looks)],
        "differs": [n for n in vars(made) if n not in leave and getattr(made, n) != getattr(again, n)],
        "whose": [taken, given],
    }


def looks() -> dict[str, Any]:
    seen: dict[str, Any] = {}
    settings().looks.clear()
    settings().motions.clear()
    absorbed = preset("Absorbed", "style", "<looks>")
    bpy.ops.restage.looks_add(folder=preset("Subject", "style", "a X* dog"))
    bpy.ops.restage.looks_open(filepath=str(folder / "lora.safetensors"))
    settings().looks[1].strength = 0.5
    request = sent()
    seen["sent"] = [[Path(one.path).name, one.strength] for one in (*request.motions, *request.looks)]
    seen["edited"] = requests.edit(bpy.context).looks == request.looks
    bpy.ops.restage.looks_add(folder=absorbed)
    session.look()
    seen["to say"] = [session.must_say(settings(), row) for row in settings().looks]
    seen["offered"] = [name for _, name, _ in driving.module("operators_scene").find(bpy.context, "looks")]
    seen["no LoRA"] = said(bpy.ops.restage.looks_open, filepath=given["movie"])
    (folder / "lora.safetensors").unlink()
    session.motions.clear()
    session.look()
    seen["gone"] = session.why_not_motions(settings())
    bpy.ops.restage.looks_remove(index=1)
    return seen | {"left": [row.title for row in settings().looks]}


def looks_menu() -> dict[str, Any]:
    """Learned looks are exported from their row, and absorb the looks of the next clip."""
    lora = folder / "ink.safetensors"
    lora.write_bytes(b"")
    where = str(folder / "library" / "presets" / "Brush")
    settings().looks.clear()
    bpy.ops.restage.looks_open(filepath=str(lora))
    bpy.ops.restage.looks_add(folder=where)
    session.look()
    shown = driving.Shown()
    driving.module("drawing_stack").draw_stack(shown, settings(), "")
    offered = []
    for settings().looks[1].step in (0, 100):  # absorbing is as learned to the end
        opened, context = driving.Shown(), SimpleNamespace(restage_motion=settings().looks[1])
        driving.module("drawing_stack").RESTAGE_MT_motion.draw(SimpleNamespace(layout=opened), context)
        offered.append([name.removeprefix("restage.") for name in opened.operators])
    settings().method = "MotionToken"
    bpy.ops.restage.looks_give(folder=where)
    own = settings().CustomizeAVideo
    seen = {
        "menus": shown.menus,
        "offered": offered,
        "given": [settings().method, own.absorber, own.given == where],
    }
    own.absorber, own.given = "spatial LoRA", ""
    settings().looks.clear()
    return seen


def sources() -> dict[str, Any]:
    """What MotionDirector and the motion token are given besides the active strip."""
    scene = bpy.context.scene
    lists = driving.module("sources")
    seen: dict[str, Any] = {"used": {}}
    for method in ("CustomizeAVideo", "Vmc", "MotionDirector", "MotionToken"):
        settings().method = method
        seen["used"][method] = list(lists.used(settings()))
    settings().MotionToken.regularization = "sampled clips"
    seen["used"]["sampled"] = list(lists.used(settings()))
    settings().MotionToken.regularization = "given clips"
    first = strips.active_strip(scene)
    first.restage.motion, first.restage.looks = "hopping", "a white square"
    picture = strips.strips_in(scene.sequence_editor).new_image("still", given["picture"], 5, 1)
    picture.restage.looks = "a dog"
    for strip in strips.all_strips(scene):
        strip.select = strip == picture
    bpy.ops.restage.sources_strips(rows="stills")
    seen["a picture is no clip"] = said(bpy.ops.restage.sources_strips, rows="clips")
    hidden = strips.strips_in(scene.sequence_editor).new_image("hidden", given["picture"], 6, 1)
    hidden.select, picture.select = True, False
    meta = strips.strips_in(scene.sequence_editor).new_meta("closed", 7, 1)
    hidden.move_to_meta(meta)
    meta.select, first.select = False, True  # what lies in the closed meta keeps its flag
    bpy.ops.restage.sources_strips(rows="clips")  # the active strip itself: it is sent once
    movie = Path(given["movie"])
    bpy.ops.restage.sources_files(rows="clips", directory=str(movie.parent), files=[{"name": movie.name}])
    settings().clips[1].looks = "the whole file"
    seen["ranges"] = []  # what can be set of the row that is chosen in a list
    for name in ("clips", "stills"):
        driving.module("panels_sources").draw_list(shown := driving.Shown(), settings(), name)
        seen["ranges"].append(shown.names)
    return seen | learned(movie)


def learned(movie: Path) -> dict[str, Any]:
    bpy.ops.restage.sources_files(rows="regular", directory=str(movie.parent), files=[{"name": movie.name}])
    seen: dict[str, Any] = {"mute": requests.why_not_learn(bpy.context)}
    settings().regular[0].looks = "a square rolling"
    seen["can learn"] = requests.why_not_learn(bpy.context)
    seen["token"] = given_to(requests.learn(bpy.context))
    settings().method = "MotionDirector"
    seen["director"] = given_to(requests.learn(bpy.context))
    settings().method = "Vmc"
    seen["vmc"] = given_to(requests.learn(bpy.context))
    settings().method, own = "CustomizeAVideo", settings().CustomizeAVideo
    own.absorber, own.given = "given", "//looks.safetensors"
    # Of a shot that is not saved yet nobody knows where it will be; from then on it is its folder's.
    seen["a file beside the shot"] = requests.learn(bpy.context).method.given
    seen["is chosen in a browser"] = own.bl_rna.properties["given"].subtype
    own.absorber, own.given = "spatial LoRA", ""
    settings().method, settings().MotionDirector.learns = "MotionDirector", "looks"
    bpy.ops.restage.sources_remove(rows="clips")
    bpy.ops.restage.sources_remove(rows="clips")
    bpy.context.scene.sequence_editor.active_strip = None
    seen["stills alone"] = [requests.why_not_learn(bpy.context), given_to(requests.learn(bpy.context))]
    seen["their title"] = requests.learn(bpy.context).title
    settings().MotionDirector.own_rank = True
    seen["a rank for looks alone"] = requests.why_not_learn(bpy.context)
    settings().MotionDirector.own_rank = False
    text = folder / "notes.txt"
    text.write_text("no picture")
    seen["no picture"] = said(
        bpy.ops.restage.sources_files, rows="stills", directory=str(folder), files=[{"name": "notes.txt"}]
    )
    for strip in strips.all_strips(bpy.context.scene):
        strip.select = False
    seen["nothing selected"] = said(bpy.ops.restage.sources_strips, rows="stills")
    return seen


def given_to(request: Any) -> dict[str, Any]:
    return {
        name: [[Path(clip.path).name, clip.frame_count, clip.looks] for clip in getattr(request, name)]
        for name in ("clips", "stills", "regular")
    }


def left_open() -> dict[str, Any]:
    """What the options of learning show of the steps that are left to the base, and of the artist's."""
    seen = {}
    for chosen in (False, True):
        settings().own_steps, shown = chosen, driving.Shown()
        driving.module("panels").RESTAGE_PT_learn_options.draw_for(None, shown, bpy.context.scene, None)
        seen[str(chosen)] = ["Automatic" in shown.texts, "steps" in shown.names]
    return seen


driving.new_scene()
told["over time"], told["rows"], told["taken back"] = over_the_clip(), rows_that_go(), taken_back()
told["looks"], told["sources"] = looks(), sources()
told["left open"], told["looks' menu"] = left_open(), looks_menu()
driving.tell(**told)
