"""Clips and words → a learned motion in a preset folder."""

import shutil
from dataclasses import replace
from pathlib import Path

from backend.api.protocol import Learn
from backend.api.settings import STEPS, CustomizeAVideo, check_sense, resolved
from backend.errors import UserError
from backend.families.base import Family
from backend.methods import METHODS
from backend.methods.base import Material, Method
from backend.tasks.bases import open_base
from backend.tasks.course import Learning
from backend.tasks.given import NOTHING, Given, read_given
from backend.tasks.keep import keep_learned, places
from backend.tasks.prepare import prepare
from backend.tasks.run import Result, Run


def learn(request: Learn, run: Run) -> Result:
    """Learn into the preset folder `request.out`; goes on from the newest checkpoint in the job's folder.

    Raises UserError for clips, settings or a base that cannot be used, and Stopped (a checkpoint has been
    written).
    """
    if not request.clips:
        raise UserError("There is no clip to learn from.", "Select a movie strip, or name a clip.")
    if not request.motion.strip():
        raise UserError("The motion has no words.", "Say how it moves, such as: moving in a circle.")
    check_sense(request.method)
    family = open_base(request.base, request.compute, run)
    request = settled(request, family)
    given = given_absorber(request, family)
    method = build_method(request, given)
    places(method, Path(request.out))
    request = replace(request, motion=method.motion_words(request.motion.strip()))
    prepared = prepare(request, method, family, run, given.hash)
    learned = Learning(request, family, method, prepared, run, given).all_stages()
    outputs = keep_learned(request, family, method, learned, Path(request.out))
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    (run.folder / "prepared.safetensors").unlink(missing_ok=True)
    return Result(outputs, prepared.notes)


def settled(request: Learn, family: Family) -> Learn:
    """The request with nothing left open: the base's own values, else the paper's."""
    kind, profile = type(request.method), family.profile
    own = profile.learn.get(kind.__name__, {})
    paper = STEPS[kind](len(request.clips)) if kind in STEPS else profile.steps
    steps = request.steps or own.get("steps", paper)[request.quality]
    title = request.title or request.motion.strip()
    return replace(request, method=resolved(request.method, own), steps=steps, title=title)


def given_absorber(request: Learn, family: Family) -> Given:
    match request.method:
        case CustomizeAVideo(absorber="given", given=place):
            return read_given(place, family)
    return NOTHING


def build_method(request: Learn, given: Given) -> Method:
    """Raises UserError when a new word has nothing to start from."""
    material = Material(
        looks=tuple(clip.looks.strip() for clip in request.clips),
        given_word=bool(given.vectors),
    )
    method = METHODS[type(request.method)](request.method, material)
    if any(not word.start for word in method.words):
        raise UserError("Nothing is said of what is seen.", "Say it in a few words, such as: a red ball.")
    return method
