"""Clips and words → a learned motion in a preset folder."""

import shutil
from dataclasses import replace
from pathlib import Path

from backend.api.protocol import Learn
from backend.api.sense import NO_PLACE, check_sense, only_looks, taken
from backend.api.settings import STEPS, Absorbing, resolved
from backend.api.settings import Method as Settings
from backend.diffusion.paths import EpsilonPath
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
    asked, request = request.method, settled(request, family)
    check_settled(asked, request, family)
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
    looks = only_looks(request.method)
    if not request.clips and not (looks and request.stills):
        raise UserError("There is no clip to learn from.", "Select a movie strip, or name a clip.")
    if not request.motion.strip() and not looks:
        raise UserError("The motion has no words.", "Say how it moves, such as: moving in a circle.")


def check_taken(request: Learn) -> None:
    """Raises UserError for what is given and would not be used."""
    name = str(type(request.method).__doc__).split(" (")[0]
    takes = taken(request.method)
    if request.stills and "stills" not in takes:
        raise UserError(f"{name} learns nothing from stills.", "Leave them out, or use another method.")
    if len(request.clips) > 1 and "clips" not in takes:
        raise UserError(*ONE_CLIP)
    if len(request.clips) > 1 and request.method.follow:
        raise UserError(
            "Several clips are learned from, and new ones can only start from one.",
            "Leave to the base how closely they follow it, or learn from one clip.",
        )
    if not request.stills and getattr(request.method, "subject_share", None) is not None:
        raise UserError(
            "There is a share of the steps for a subject, and no stills of it.",
            "Give stills, or leave the share to the base.",
        )
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


def check_settled(asked: Settings, request: Learn, family: Family) -> None:
    """What was `asked` for against what the base says of the rest. Raises UserError as `check_sense` does,
    and where clean clips are compared on a base that predicts noise (`losses.compared`)."""
    method = request.method
    if only_looks(asked):
        return
    check_sense(replace(asked, loss=method.loss))
    if method.compare == "clip" and isinstance(family.path, EpsilonPath):
        raise UserError(
            f"{family.profile.name} predicts noise: compared as clean clips, what is noisy would count "
            f"thousands of times as much as what is not.",
            "Compare the noise, or learn on a base that predicts v.",
        )


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
