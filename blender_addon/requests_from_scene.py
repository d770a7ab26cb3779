"""What the artist set → the protocol's messages: the one place where both vocabularies meet."""

import re
import uuid
from pathlib import Path
from typing import Any

import bpy

from . import strips
from .backend.api.library import default_library
from .backend.api.protocol import Compute, Edit, Generate, Learn, Motion, Sampling
from .properties import METHODS, NOT_ASKED, value_of, values_of

SHIPPED = Path(__file__).parent / "presets"  # motions that come with Restage


def preferences(context: Any) -> Any:
    return context.preferences.addons[__package__].preferences


def library(context: Any) -> Path:
    chosen = preferences(context).library
    return Path(bpy.path.abspath(chosen)).resolve() if chosen else default_library()


def why_not_learn(context: Any) -> str:
    """Why nothing can be learned now, in a sentence; nothing when it can. For `poll`: reads no file."""
    strip = strips.active_strip(strips.shown_scene(context))
    if reason := strips.why_not_a_source(strip):
        return reason
    return "" if strip.restage.motion.strip() else "Write how it moves first"


def why_not_generate(context: Any) -> str:
    return "" if strips.shown_scene(context).restage.prompt.strip() else "Write a prompt first"


def why_not_edit(context: Any) -> str:
    strip = strips.active_strip(strips.shown_scene(context))
    return strips.why_not_a_source(strip) or why_not_generate(context)


def learn(context: Any) -> Learn:
    """Learn the motion of the active strip. Raises UserError when its file cannot be used."""
    scene = strips.shown_scene(context)
    strip = strips.active_strip(scene)
    settings, motion = scene.restage, strip.restage.motion.strip()
    method = METHODS[settings.method]
    job = uuid.uuid4().hex
    return Learn(
        job=job,
        clips=(strips.clip_of(strip, scene),),
        motion=motion,
        title=motion[:1].upper() + motion[1:],
        out=str(library(context) / "presets" / f"{file_name(motion)}-{job[:6]}"),
        base=settings.base,
        method=values_of(method, getattr(settings, settings.method)),
        quality=settings.quality,
        steps=value_of(settings, "steps"),
        seed=settings.learn_seed,
        compute=compute(context),
    )


def generate(context: Any) -> Generate:
    """A new clip from the prompt and the stack of motions."""
    return Generate(**_prompted(context))


def edit(context: Any) -> Edit:
    """The active strip again with another prompt. Raises UserError when its file cannot be used."""
    scene = strips.shown_scene(context)
    clip = strips.clip_of(strips.active_strip(scene), scene)
    settings = scene.restage
    steps = value_of(settings, "inversion_steps")
    return Edit(clip=clip, follow=settings.follow, inversion_steps=steps, **_prompted(context))


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
        "motions": tuple(Motion(path=m.path, strength=m.strength) for m in settings.motions),
        "base": settings.base,
        "seed": settings.seed,
        "count": settings.count,
        "sampling": sampling(scene),
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
