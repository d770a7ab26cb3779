"""Inside Blender, without a backend: the list of motions, seeds, and what a result tells of its making."""

import json
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))
import driving

given = driving.arguments()
session = driving.install(given["zip"])
library = Path(given["folder"]) / "library"
strips, requests = driving.module("strips"), driving.module("requests_from_scene")
presets, protocol = driving.module("backend.api.presets"), driving.module("backend.api.protocol")
facts = driving.module("facts")
told: dict[str, Any] = {}


def settings() -> Any:
    return bpy.context.scene.restage


def motions() -> list[Any]:
    return [[motion.title, round(motion.strength, 3)] for motion in settings().motions]


def learned(name: str, architecture: str, strength: float = 1.0) -> str:
    """A motion in the library, as if it had been learned on the base of that architecture."""
    weights = tuple(
        presets.BaseWeights(
            base="toy", architecture=architecture, fingerprint="1", file="toy.safetensors", step=step
        )
        for step in (0, 75, 150)
    )
    preset = presets.Preset(title=name, motion=name.lower(), strength=strength, weights=weights)
    presets.write_preset(library / "presets" / name, preset)
    return str(library / "presets" / name)


def generate_allowed() -> str:
    """Why Generate is grey; nothing when it can be pressed."""
    session.look()
    reason = str(session.why_not_motions(settings()))
    assert bool(reason) != bpy.ops.restage.generate.poll()
    return reason


def adding() -> dict[str, Any]:
    seen: dict[str, Any] = {}
    toy = facts.base_of(given["base"], library).architecture
    fits, other = learned("Circle", toy, 0.6), learned("Zoom", "another")
    settings().base, settings().prompt = given["base"], "a red ball"
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.restage.motion_add(folder=fits)
    bpy.ops.ed.undo_push(message="added")
    seen["added"] = motions()
    bpy.ops.ed.undo()
    seen["undone"] = motions()
    bpy.ops.ed.redo()
    seen["fits"] = generate_allowed()
    bpy.ops.restage.motion_add(folder=other)
    seen["two"], seen["does not fit"] = motions(), generate_allowed()
    settings().motions[1].strength = 0
    seen["switched off"] = generate_allowed()
    bpy.ops.restage.motion_remove(index=1)
    settings().base = "starter"
    seen["other base"] = generate_allowed()
    bpy.context.preferences.system.use_online_access = True  # to fetch it by
    settings().base = "somebody/never-fetched"
    seen["unknown base"] = generate_allowed()
    settings().base = given["base"]
    shutil.rmtree(fits)
    session.motions.clear()
    seen["deleted"] = generate_allowed()
    bpy.ops.restage.motion_remove(index=0)
    seen["removed"] = motions()
    return seen


def menu(row: Any) -> list[Any]:
    """What the motion's menu offers: each text with its step, the chosen one marked."""
    offered: list[Any] = []

    def operator(name: str, text: str = "", icon: str = "") -> Any:
        offered.append((text, icon, types.SimpleNamespace()))
        return offered[-1][-1]

    layout = types.SimpleNamespace(operator=operator, separator=lambda: None)
    context = types.SimpleNamespace(restage_motion=row)
    draw = driving.module("drawing_stack").RESTAGE_MT_motion.draw
    draw(types.SimpleNamespace(layout=layout), context)
    steps = [(text, icon, vars(press)) for text, icon, press in offered if "row" in vars(press)]
    return [[text, press["step"], icon == "RADIOBUT_ON"] for text, icon, press in steps]


def checkpoints() -> dict[str, Any]:
    """Of a motion that was kept after 75 and 150 steps; one that is not there any more is said."""
    folder = learned("Wave", facts.base_of(given["base"], library).architecture)
    driving.module("stack").add_learned(bpy.context.scene, Path(folder))
    row = settings().motions[0]
    seen: dict[str, Any] = {"at first": row.step}
    session.look()
    seen["offered"] = menu(row)
    row.step = 80
    session.motions[row.path] = None  # replaced by one without checkpoints: the way back must stay
    seen["offered without any"] = menu(row)
    session.motions.clear()
    session.look()
    for step in (75, 80, 0):
        bpy.ops.restage.motion_checkpoint(row=row.path_from_id(), step=step)
        seen[str(step)] = [generate_allowed(), requests.generate(bpy.context).motions[0].step]
    bpy.ops.restage.motion_remove(index=0)
    return seen


def asks_how(folder: str, *kinds: str) -> bool:
    """Whether the list asks how motions of these come together."""
    settings().motions.clear()
    for kind in kinds:
        driving.module("stack").add_learned(bpy.context.scene, Path(folder))
        settings().motions[-1].kind = kind
    shown = driving.Shown()
    driving.module("drawing_stack").draw_stack(shown, settings(), "")
    return "own_stacking" in shown.names


def whose() -> dict[str, Any]:
    """A motion's menu gives it to the camera, and back; what acts apart is left to the base."""
    folder = learned("Wave", facts.base_of(given["base"], library).architecture)
    driving.module("stack").add_learned(bpy.context.scene, Path(folder))
    row, seen = settings().motions[0], {}
    session.look()
    for name, kind in (("given", "camera"), ("taken back", "subject")):
        bpy.ops.restage.motion_whose(folder=folder, kind=kind)
        said = requests.generate(bpy.context).motions[0].kind
        seen[name] = [presets.read_preset(Path(folder)).kind, session.is_cameras(row), said]
    stacked = (["subject"], ["camera"], ["subject", "subject"], ["camera", "subject"], ["camera", "camera"])
    seen["asked how"] = [asks_how(folder, *kinds) for kinds in stacked]
    asks_how(folder, "subject")
    seen["sent"] = [requests.generate(bpy.context).sampling.stacking]
    settings().sampling.own_stacking = True
    seen["sent"].append(requests.generate(bpy.context).sampling.stacking)
    settings().sampling.own_stacking = False
    presets.write_preset(Path(folder), presets.Preset(title="Ink", motion="", kind="style"))
    seen["looks"] = refused(lambda: bpy.ops.restage.motion_whose(folder=folder))
    shutil.rmtree(folder)
    seen["gone"] = refused(lambda: bpy.ops.restage.motion_whose(folder=folder))
    bpy.ops.restage.motion_remove(index=0)
    return seen


def refused(press: Any) -> str:
    try:
        press()
    except RuntimeError as error:
        return str(error).replace(str(library), "…").strip()
    return ""


def sent_by(operator: Any) -> Any:
    """What a script's call of an operator would send."""
    sent: list[Any] = []
    session.submit = lambda request, place, title: sent.append(request)
    try:
        assert operator() == {"FINISHED"}
    finally:
        del session.submit
    return sent[0]


def pressed() -> int:
    """The seed that a press of Generate takes. (Without a window Blender only ever executes.)"""
    button = types.SimpleNamespace(execute=lambda context: {"FINISHED"})
    driving.module("operators").RESTAGE_OT_generate.invoke(button, bpy.context, None)
    return int(sent_by(bpy.ops.restage.generate).seed)


def seeds() -> dict[str, Any]:
    """Whether presses of a button take another seed."""
    settings().keep_seed, settings().seed = False, 7
    seen = {"by a script": sent_by(bpy.ops.restage.generate).seed}
    first, second = pressed(), pressed()
    seen["as it comes"] = [first != second, settings().seed == second]
    bpy.ops.restage.new_seed()
    kept = settings().seed
    seen["rolled"], seen["kept"] = kept != second, [pressed() == kept for _ in range(2)]
    return seen


def results() -> dict[str, Any]:
    """A result's own request: into the settings and out of them again, and as another take."""
    movie = str(given["movie"])
    strip = driving.add_movie(movie)
    seen: dict[str, Any] = {"a source": requests.made_by(strip) is None}
    seen["a source has no settings"] = not bpy.ops.restage.take_settings.poll()
    motion = learned("Circle", "any")
    sampling = protocol.Sampling(frames=8, guidance=3.5, rate=protocol.Rate(num=24), length=48)
    made = protocol.Edit(
        job="old", prompt="a blue star", out="old.mp4", seed=41, follow=0.25, inversion_steps=12,
        base="toy", balance=0.5,
        finish=protocol.Finish(between="repeat", enlarge="4x", base="large", strength=0.25),
        motions=(protocol.Motion(path=motion, strength=0.5, step=75, kind="subject"),), sampling=sampling,
        clip=protocol.Clip(path=movie, frame_count=48),
    )  # fmt: skip
    strip[strips.REQUEST] = requests.as_json(made)
    settings().sampling.own_steps, settings().sampling.steps = True, 99  # the result left them to the base
    settings().count, settings().keep_seed = 3, False
    bpy.ops.restage.take_settings()
    seen["motions"] = motions()
    again = requests.edit(bpy.context)
    leave = ("job", "out", "compute", "clip")
    seen["differs"] = [
        name for name in vars(made) if name not in leave and getattr(made, name) != getattr(again, name)
    ]
    bpy.context.scene.restage.prompt = "something else"
    take = sent_by(bpy.ops.restage.another_take)
    seen["another take"] = [name for name in vars(made) if getattr(made, name) != getattr(take, name)]
    strip[strips.REQUEST] = json.dumps({"schema": 1, "request": {"type": "Generate", "of": "long ago"}})
    seen["of another version"] = requests.made_by(strip) is None
    return seen


def rates() -> dict[str, Any]:
    """What is asked for again of a clip of 48 frames at 24 fps, in a scene of another rate since."""
    driving.new_scene()
    scene, strip = bpy.context.scene, driving.add_movie(given["movie"])
    sampling = protocol.Sampling(rate=protocol.Rate(num=24), length=48)
    made = protocol.Generate(job="old", prompt="a star", out=given["movie"], sampling=sampling)
    learn = protocol.Learn(job="learn", clips=(protocol.Clip(path="a.mp4"),), motion="rolling", out="out")
    strip[strips.REQUEST] = requests.as_json(made)
    for request in (made, learn):
        place = session.place_of(scene, strip)
        session.jobs[request.job] = driving.module("jobs").Job(request, place, "star", "failed")
    seen: dict[str, Any] = {"another take": [], "start again": []}
    for fps, base in ((24, 1.0), (30, 1.001), (12, 1.0)):
        scene.render.fps, scene.render.fps_base = fps, base
        asked = {"another take": bpy.ops.restage.another_take,
                 "start again": lambda: bpy.ops.restage.again(job="old")}  # fmt: skip
        for name, operator in asked.items():
            one = sent_by(operator).sampling
            seen[name].append([one.rate.num, one.rate.den, one.length])
    seen["learning is resumed as asked"] = sent_by(lambda: bpy.ops.restage.again(job="learn")) == learn
    return seen | placed(session.jobs["old"])


def placed(job: Any) -> dict[str, Any]:
    """What is said of a clip at 30000/1001 fps that lands in scenes of that rate and of others."""
    seen: dict[str, Any] = {}
    render, job.outputs = bpy.context.scene.render, (given["movie"],)
    for fps, base in ((30, 1.001), (24, 1.0), (60, 1.0)):
        render.fps, render.fps_base, job.note = fps, base, "before"
        bpy.ops.restage.place(job="old")
        seen[f"placed at {fps}"] = job.note
    job.note = "of the backend"
    job.arrive()
    seen["arrived"] = job.note
    job.outputs = (str(library / "gone.mp4"),)
    seen["gone"] = refused(lambda: bpy.ops.restage.place(job="old"))
    operators, reported = driving.module("operators"), []
    operator = types.SimpleNamespace(report=lambda kind, text: reported.append([*kind, text]))
    operators.attempt(operator, lambda: bpy.data.movieclips.load("nowhere.mp4"))
    seen["refused by Blender"] = reported
    session.jobs.clear()
    return seen


def rows() -> list[str]:
    """What the panel asks for when it is set as each row of the methods' table says, where that differs."""
    wrong, properties = [], driving.module("properties")
    values, method = driving.module("backend.api.values"), driving.module("backend.api.settings").Method
    for name, plain in given["rows"].items():
        wanted = values.from_plain(method, plain)
        settings().method = type(wanted).__name__
        properties.set_values(type(wanted), getattr(settings(), settings().method), wanted)
        asked = requests.method_of(settings())
        wrong += [] if asked == wanted else [f"{name}: {asked} in place of {wanted}"]
        wrong += filter(None, [requests.why_not_method(settings())])
    return wrong


def asides() -> list[str]:
    strip = strips.active_strip(bpy.context.scene)
    seen = [facts.left_aside(strip)]
    strip.use_flip_x = True
    seen.append(facts.left_aside(strip))
    strip.crop.min_x, strip.strobe = 4, 2
    return [*seen, facts.left_aside(strip)]


driving.new_scene()
told["adding"], told["checkpoints"], told["whose"] = adding(), checkpoints(), whose()
told["seeds"], told["results"], told["asides"] = seeds(), results(), asides()
told["rates"], told["rows"] = rates(), rows()
told["same as the backend's"] = facts.base_of(given["base"], library).architecture
driving.tell(**told)
