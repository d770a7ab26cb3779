"""Clips and words → a learned motion in a preset folder."""

import shutil
from dataclasses import replace
from pathlib import Path

from backend.api.protocol import Learn
from backend.api.sense import NO_PLACE, check_sense, taken
from backend.api.settings import STEPS, Absorbing, MotionDirector, resolved
from backend.errors import UserError
from backend.families.base import Family
from backend.methods import METHODS
from backend.methods.base import Material, Method
from backend.tasks import regular
from backend.tasks.bases import open_base
from backend.tasks.course import Learning
from backend.tasks.given import NOTHING, Given, read_given
from backend.tasks.keep import keep_learned, places
from backend.tasks.prepare import prepare
from backend.tasks.prompted import with_token
from backend.tasks.regular import with_sampled
from backend.tasks.run import Result, Run

ONE_CLIP = (
    "A textual inversion stands for one clip's looks, and there are several clips.",
    "Choose the absorber “spatial LoRA”, or learn from one clip.",
)


def learn(request: Learn, run: Run) -> Result:
    """Learn into the preset folder `request.out`; goes on from the newest checkpoint in the job's folder.

    Raises UserError for clips, settings or a base that cannot be used, and Stopped (a checkpoint has been
    written).
    """
    check_material(request)
    check_sense(request.method)
    check_taken(request)
    family = open_base(request.base, request.compute, run)
    request = settled(request, family)
    given = given_absorber(request, family)
    method = build_method(request, given)
    places(method, Path(request.out))
    request = replace(
        request,
        motion=method.motion_words(request.motion.strip()),
        preview_prompt=with_token(request.preview_prompt, [request.method]),
    )
    prepared = prepare(request, method, family, run, given.hash)
    prepared = with_sampled(prepared, request, method, family, run)
    learned = Learning(request, family, method, prepared, run, given).all_stages()
    outputs = keep_learned(request, family, method, learned, Path(request.out))
    for held in ("checkpoints", "kept"):
        shutil.rmtree(run.folder / held, ignore_errors=True)
    for cache in ("prepared.safetensors", regular.FILE):
        (run.folder / cache).unlink(missing_ok=True)
    noted = (given.note,) if given.note else ()
    return Result(outputs, noted + prepared.notes + method.notes)


def check_material(request: Learn) -> None:
    """Raises UserError when there is nothing to learn from, or no words for it."""
    only_looks = isinstance(request.method, MotionDirector) and request.method.learns == "looks"
    if not request.clips and not (only_looks and request.stills):
        raise UserError("There is no clip to learn from.", "Select a movie strip, or name a clip.")
    if not request.motion.strip() and not only_looks:
        raise UserError("The motion has no words.", "Say how it moves, such as: moving in a circle.")


def check_taken(request: Learn) -> None:
    """Raises UserError for what is given and would not be used."""
    name = str(type(request.method).__doc__).split(" (")[0]
    takes = taken(request.method)
    if request.stills and "stills" not in takes:
        raise UserError(f"{name} learns nothing from stills.", "Leave them out, or use another method.")
    if len(request.clips) > 1 and "clips" not in takes:
        raise UserError(*ONE_CLIP)
    if request.regular and "regular" not in takes:
        raise UserError(
            f"Regularization clips are given, and {name} is not to use them as it is set.",
            "Leave them out, or let it learn a motion with “given clips” and no absorber that is given.",
        )


def settled(request: Learn, family: Family) -> Learn:
    """The request with nothing left open: the base's own values, else the paper's."""
    kind, profile = type(request.method), family.profile
    own = profile.own(kind)
    paper = STEPS[kind](len(request.clips)) if kind in STEPS else profile.steps
    steps = request.steps or own.get("steps", paper)[request.quality]
    looks = [clip.looks.strip() for clip in (*request.clips, *request.stills)]
    title = request.title or request.motion.strip() or f"Looks: {looks[0]}"
    return replace(request, method=resolved(request.method, own), steps=steps, title=title)


def given_absorber(request: Learn, family: Family) -> Given:
    match request.method:
        case Absorbing(absorber="given", given=place):
            return read_given(place, family)
    return NOTHING


def build_method(request: Learn, given: Given) -> Method:
    """Raises UserError when a new word has nothing to start from, or an absorber's no place in captions."""
    if given.vectors and len(request.clips) > 1:
        raise UserError(*ONE_CLIP)
    material = Material(
        looks=tuple(clip.looks.strip() for clip in request.clips),
        stills=tuple(clip.looks.strip() for clip in request.stills),
        regular=len(request.regular),
        given_word=bool(given.vectors),
    )
    method = METHODS[type(request.method)](request.method, material)
    if any(not word.start for word in method.words):
        raise UserError("Nothing is said of what is seen.", "Say it in a few words, such as: a red ball.")
    if getattr(request.method, "caption", "") == "motion only" and (given.vectors or method.words):
        raise UserError(*NO_PLACE)
    return method
