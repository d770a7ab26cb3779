"""Inside Blender: what is wrong on disk, or in what the backend says, never ends the timer."""

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
facts, strips, timer = driving.module("facts"), driving.module("strips"), driving.module("session")
protocol, client = driving.module("backend.api.protocol"), driving.module("backend.api.client")
operators = driving.module("operators")
told: dict[str, Any] = {"bases": {}}


def settings() -> Any:
    return bpy.context.scene.restage


def base(name: str, **profile: Any) -> dict[str, Any]:
    """What is known of a base with this profile, and whether it can be used, after a tick of the timer."""
    if profile:
        (folder / name).mkdir()
        (folder / name / "restage.json").write_text(json.dumps({"schema": 1, **profile}))
    settings().base = str(folder / name) if profile else name
    timer.tick()
    known = session.bases[settings().base]
    return {"window": known.window, "wrong": known.wrong.replace(str(folder), "…"), "why not": grey()}


def grey() -> bool:
    """Whether the button is grey for the same reason."""
    wrong = session.bases[settings().base].wrong
    return bool(wrong) and not bpy.ops.restage.generate.poll() and operators.why_not_act(bpy.context) == wrong


def bases() -> dict[str, Any]:
    settings().prompt = "a red ball"
    seen = {
        "nobody's home": base("~nobody-is-called-so/base"),
        "a fraction": base("fraction", frames=24, fps="24000/1001"),
        "no frames": base("null", frames=None, fps=8),
        "no rate": base("zero", frames=16, fps="8/0"),
        "words": base("words", frames=16, fps="eight"),
    }
    (folder / "words" / "restage.json").write_text('{"schema": 1, "frames": 16, "fps": 8}')
    timer.tick()
    seen["put right"] = {"window": session.bases[settings().base].window, "why not": grey()}
    settings().base = "starter"
    return seen


def hub() -> dict[str, Any]:
    """A base of the hub that is not here, without and with leave to go online; as the second base too."""
    chosen = bpy.context.preferences.system
    seen = {}
    for name, online in (("offline", False), ("online", True)):
        chosen.use_online_access = online
        for where, which in (("base", settings()), ("second", settings().finish)):
            before, which.base = which.base, "somebody/model"
            timer.tick()
            seen[f"{name}, {where}"] = operators.why_not_act(bpy.context)
            which.base = before
    chosen.use_online_access = False
    asked = protocol.Generate(job="take", prompt="a ball", out="take.mp4", base="somebody/model")
    try:
        session.submit(asked, strips.place_of(bpy.context.scene, None), "take")
    except driving.module("backend.errors").UserError as error:
        seen["offline, another take"] = str(error)
    config = session.library / "models" / "somebody" / "model" / "unet" / "config.json"
    settings().base = "somebody/model"
    for file, name in ((config, "in part"), (config.parents[1] / "model_index.json", "whole")):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
        timer.tick()
        seen[f"offline, {name}"] = operators.why_not_act(bpy.context)
    settings().base = "starter"
    return seen


def libraries() -> dict[str, str]:
    """Libraries that cannot be one, chosen in the preferences, where an update looks at them at once."""
    file = folder / "file"
    file.write_bytes(b"")
    seen = {}
    chosen = bpy.context.preferences.addons[driving.PACKAGE].preferences
    for name, path in {
        "a file": file,
        "too long": folder / ("long" * 80),
        "good": folder / "library",
    }.items():
        chosen.library = str(path)
        session._searched = None, 0.0
        timer.tick()
        seen[name] = str(session.troubles).replace(str(folder), "…")
    return seen


def lora() -> Any:
    """A row of a LoRA whose name no disk takes."""
    row = settings().looks.add()
    row.title, row.path, row.strength = "lora", str(folder / ("x" * 300 + ".safetensors")), 1.0
    timer.tick()
    seen = [str(session.troubles), session.why_not_motions(settings())]
    settings().looks.clear()
    return seen


def backend(*messages: Any) -> Any:
    """A process that says so and waits for its end."""
    lines = [client.encode(message).decode() for message in messages]
    program = folder / "program.py"
    program.write_text(
        f"import sys\nsys.stdout.writelines({lines!r})\nsys.stdout.flush()\nsys.stdin.read()\n"
    )
    return client.Backend(Path(sys.executable), folder / "library", program=(program,))


def messages() -> dict[str, Any]:
    """Of two jobs that finish the first says nothing of what it made, which no backend does."""
    clip = protocol.Clip(path=given["movie"])
    asked = (
        protocol.Learn(job="one", clips=(clip,), motion="rolling", out="one"),
        protocol.Generate(job="two", prompt="two", out="two.mp4"),
    )
    for request in asked:
        place = strips.place_of(bpy.context.scene, None)
        session.jobs[request.job] = driving.module("jobs").Job(request, place, request.job)
    session.backend = backend(
        protocol.Ready(version=protocol.VERSION, device="cpu"),
        protocol.Finished(job="one", outputs=(), seconds=1.0),
        protocol.Finished(job="two", outputs=(given["movie"],), seconds=1.0),
    )
    driving.wait(session, lambda: not session.busy)
    seen = {"ended": [job.state for job in session.jobs.values()], "said": str(session.troubles)}
    session.end_backend()
    return seen | {"strips": list(driving.strips_now())}


def unforeseen() -> dict[str, Any]:
    """What nobody thought of: the tick goes on, says so, and stops saying it once it is gone."""
    whole, seen = facts.learned_in, {}
    row = settings().motions.add()
    row.path = str(folder / "motion")
    facts.learned_in = lambda path: 1 / 0
    seen["intervals"] = [timer.tick(), timer.tick()]
    seen["said"] = str(session.troubles)
    facts.learned_in = whole
    timer.tick()
    seen["afterwards"] = str(session.troubles)
    return seen


told["bases"], told["hub"], told["libraries"], told["lora"] = bases(), hub(), libraries(), lora()
told["unforeseen"], told["messages"] = unforeseen(), messages()
driving.tell(**told)
