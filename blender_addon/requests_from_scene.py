"""What the artist set → the protocol's messages: the one place where both vocabularies meet."""

import json
import random
import re
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import bpy

from . import facts, sources, stack, strips
from .backend.api.library import default_library
from .backend.api.protocol import Compute, Edit, Finish, Generate, Learn, Request, Sampling
from .backend.api.sense import check_sense
from .backend.api.settings import Method
from .backend.api.values import from_plain, to_plain, with_paths
from .backend.errors import UserError
from .properties import METHODS, NOT_ASKED, set_value, set_values, value_of, values_of

AnyRequest = TypeVar("AnyRequest", bound=Request)
SHIPPED = Path(__file__).parent / "presets"  # motions that come with Restage


def preferences(context: Any) -> Any:
    return context.preferences.addons[__package__].preferences


def library(context: Any) -> Path:
    chosen = preferences(context).library
    return Path(bpy.path.abspath(chosen)).resolve() if chosen else default_library()


def why_not_learn(context: Any) -> str:
    """Why nothing can be learned now, in a sentence; nothing when it can. For `poll`: reads no file."""
    scene = strips.shown_scene(context)
    strip = strips.active_strip(scene)
    settings = scene.restage
    if sources.only_looks(settings) and sources.listed(settings):
        return why_not_base(scene) or why_not_method(settings)
    reason = strips.why_not_a_source(strip) or why_not_base(scene) or why_not_method(settings)
    if reason or sources.only_looks(settings):
        return reason
    return "" if strip.restage.motion.strip() else "Write how it moves first"


def why_not_method(settings: Any) -> str:
    """Why what is listed and set makes no sense with the method."""
    try:
        check_sense(values_of(METHODS[settings.method], getattr(settings, settings.method)))
    except UserError as error:
        return str(error)
    return sources.why_not(settings)


def why_not_generate(context: Any) -> str:
    scene = strips.shown_scene(context)
    return why_not_base(scene) or ("" if scene.restage.prompt.strip() else "Write a prompt first")


def why_not_base(scene: Any) -> str:
    return "" if scene.restage.base.strip() else "Name a base model first (in the options)"


def why_not_edit(context: Any) -> str:
    strip = strips.active_strip(strips.shown_scene(context))
    return strips.why_not_a_source(strip) or why_not_generate(context)


def learn(context: Any) -> Learn:
    """Learn the motion of the active strip. Raises UserError when a file cannot be used."""
    scene = strips.shown_scene(context)
    strip, settings = strips.active_strip(scene), scene.restage
    usable = not (sources.only_looks(settings) and strips.why_not_a_source(strip))
    given = sources.given(settings, strips.clip_of(strip, scene) if usable else None)
    motion, job = strip.restage.motion.strip() if usable else "", uuid.uuid4().hex
    title = motion[:1].upper() + motion[1:]
    if sources.only_looks(settings):
        seen = (*given["clips"], *given["stills"])[0].looks
        title = f"Looks: {seen}" if seen else "Looks"
    return Learn(
        job=job,
        clips=given["clips"],
        stills=given["stills"],
        regular=given["regular"],
        motion=motion,
        title=title,
        out=str(library(context) / "presets" / f"{file_name(title)}-{job[:6]}"),
        base=settings.base,
        method=method_of(settings),
        quality=settings.quality,
        steps=value_of(settings, "steps"),
        seed=settings.learn_seed,
        checkpoints=settings.checkpoints,
        preview_prompt=settings.preview_prompt.strip(),
        compute=compute(context),
    )


def method_of(settings: Any) -> Method:
    """The chosen method as it is set; of files beside the .blend their whole paths."""
    method = values_of(METHODS[settings.method], getattr(settings, settings.method))
    whole: Method = with_paths(method, bpy.path.abspath)
    return whole


def generate(context: Any) -> Generate:
    """A new clip from the prompt and the stack of motions."""
    settings = strips.shown_scene(context).restage
    return Generate(follow=value_of(settings, "start"), **_prompted(context))


def edit(context: Any) -> Edit:
    """The active strip again with another prompt. Raises UserError when its file cannot be used."""
    scene = strips.shown_scene(context)
    clip = strips.clip_of(strips.active_strip(scene), scene)
    settings = scene.restage
    steps = value_of(settings, "inversion_steps")
    return Edit(clip=clip, follow=settings.follow, inversion_steps=steps, **_prompted(context))


# ------------------------------------------------------------------ a result and what it was made from


def as_json(request: Generate | Edit) -> str:
    """The form in which a result's strip holds the request that makes it."""
    return json.dumps({"schema": 1, "request": to_plain(request)}, ensure_ascii=False)


def made_by(strip: Any) -> Generate | Edit | None:
    """The request that a strip is the result of; None for any other strip, or one of another Restage."""
    text = strip.get(strips.REQUEST) if strip else None
    if not isinstance(text, str):
        return None
    try:
        request: Generate | Edit = from_plain(Generate | Edit, json.loads(text)["request"])
    except (ValueError, KeyError, TypeError):  # a ProtocolError is a ValueError
        return None
    return request


def another_take(context: Any) -> Generate | Edit:
    """The request of the active result with a new seed. Raises UserError when there is none."""
    scene = strips.shown_scene(context)
    request = made_by(strips.active_strip(scene))
    if request is None:
        raise UserError("The strip was not made by Restage.", "Select a result.")
    job = uuid.uuid4().hex
    out = results(context) / f"{file_name(request.prompt)}-{job[:6]}.mp4"
    again = replace(request, job=job, out=str(out), seed=new_seed(), count=1, compute=compute(context))
    return at_rate_of(scene, again)


def at_rate_of(scene: Any, request: AnyRequest) -> AnyRequest:
    """What was asked for once, written at the rate that the scene has now, and as long in seconds."""
    if not isinstance(request, Generate | Edit):
        return request
    asked, rate = request.sampling, strips.scene_rate(scene)
    length = asked.length
    if length and asked.rate:
        length = max(1, round(length * rate.fraction() / asked.rate.fraction()))
    return replace(request, sampling=replace(asked, rate=rate, length=length))


def take_settings(request: Generate | Edit, settings: Any) -> None:
    """Set the panel as it was when `request` was made, so that the same buttons make it again."""
    settings.prompt, settings.base, settings.count = request.prompt, request.base, 1
    settings.seed, settings.keep_seed = request.seed, True
    set_values(Sampling, settings.sampling, request.sampling, NOT_ASKED)
    set_values(Finish, settings.finish, request.finish)
    settings.as_long, settings.balance = request.sampling.length is not None, request.balance
    stack.restore(request, settings.id_data, facts.base_of(request.base, library(bpy.context)))
    if isinstance(request, Edit):
        settings.follow = request.follow
        set_value(settings, "inversion_steps", request.inversion_steps)
    else:
        set_value(settings, "start", request.follow)


def new_seed() -> int:
    """Short enough to be read out and typed."""
    return random.randrange(1_000_000)


def compute(context: Any) -> Compute:
    return values_of(Compute, preferences(context))  # type: ignore[no-any-return]


def _prompted(context: Any) -> dict[str, Any]:
    """What Generate and Edit have in common."""
    scene = strips.shown_scene(context)
    settings, job = scene.restage, uuid.uuid4().hex
    return {
        "job": job,
        "prompt": settings.prompt.strip(),
        "out": str(results(context) / f"{file_name(settings.prompt)}-{job[:6]}.mp4"),
        **stack.parts(scene, facts.base_of(settings.base, library(context))),
        "base": settings.base,
        "seed": settings.seed,
        "count": settings.count,
        "balance": settings.balance,
        "sampling": sampling(scene),
        "finish": values_of(Finish, settings.finish),
        "compute": compute(context),
    }


def sampling(scene: Any) -> Sampling:
    """At the scene's rate, because Blender never adapts the speed of a movie strip that a script adds."""
    strip, settings = strips.active_strip(scene), scene.restage
    length = int(getattr(strip, strips.DURATION)) if strip and settings.as_long else None
    asked = values_of(Sampling, settings.sampling, NOT_ASKED)
    return Sampling(**vars(asked) | {"rate": strips.scene_rate(scene), "length": length})


def results(context: Any) -> Path:
    """Where new clips go: beside the saved .blend, else in the library."""
    if bpy.data.filepath:
        return Path(bpy.data.filepath).resolve().parent / "restage"
    return library(context) / "results"


def file_name(words: str) -> str:
    """Words as a short file name that every system takes."""
    return re.sub(r"[^a-z0-9]+", "-", words.casefold()).strip("-")[:40].strip("-") or "clip"
