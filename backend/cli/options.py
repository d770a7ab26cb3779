"""What can be written on the command line, and how it becomes part of a request."""

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from backend.api import protocol
from backend.api.bases import shipped
from backend.api.library import default_library
from backend.api.protocol import (
    Clip,
    Finish,
    Learn,
    Memory,
    Precision,
    Rate,
    Request,
    Sampling,
    encode,
)
from backend.api.settings import Absorbing, Method
from backend.api.values import ProtocolError, from_plain, with_paths
from backend.errors import UserError

R = TypeVar("R", bound=Request)
METHODS: dict[str, type[Method]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower(): kind for kind in get_args(Method) or (Method,)
}


def option(*names: str, help: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, **more)


Prompt = Annotated[str, option("--prompt", help="What should be seen.")]
OutFile = Annotated[Path, option("--out", metavar="FILE.mp4", help="Where the clip goes.")]
Base = Annotated[str, option("--base", help="Base model: starter, a diffusers folder, or a hub name.")]
Seed = Annotated[int, option("--seed", help="The same seed gives the same result.")]
Count = Annotated[int, option("--count", help="How many clips, each with the next seed.")]
Size = Annotated[str | None, option("--size", metavar="WxH", help="Pixels; the base's own unless given.")]
Fps = Annotated[str | None, option("--fps", help="Of the written file: 24, 23.976 or 24000/1001.")]
SampleSteps = Annotated[int | None, option("--steps", help="Denoising steps.")]
Guidance = Annotated[float | None, option("--guidance", help="Classifier-free guidance; 1 is without.")]
Stacked = Annotated[protocol.Stacking | None, option("--stacking", help=f"{protocol.STACKING_HELP}.")]
First = Annotated[int, option("--from", metavar="FRAME", help="First frame of the clip that is used.")]
Used = Annotated[int | None, option("--frames", help="Frames of the clip that are used; all unless given.")]
Device = Annotated[str, option("--device", help="auto, cpu, cuda, cuda:1 or mps.")]
Precisely = Annotated[Precision, option("--precision", help="Of the model's weights.")]
Held = Annotated[Memory, option("--memory", help="Faster, or with less memory.")]
Length = Annotated[int | None, option("--length", help="Frames of the written file.")]
Finishing = Annotated[
    list[str],
    option(
        "--finish",
        metavar="KEY=VALUE",
        help="Afterwards: enlarge=2x; between=repeat holds frames where the rate is higher than the base's,"
        " between=interpolate makes some; base=NAME goes over the enlarged clip once more, by strength=0.6.",
    ),
]
Json = Annotated[bool, option("--json", help="One protocol message a line on stdout, and nothing else.")]
LIBRARY = default_library()


def expanded(path: str | Path) -> Path:
    """With its ~ or ~user written out. Raises UserError for a user who is not there."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"There is no home folder {Path(path).parts[0]}.",
            "Write the path in full, or with ./ before a name that begins with ~.",
        ) from error


def absolute(path: str | Path) -> str:
    """Requests hold absolute paths: the process that reads them may have another working folder."""
    return os.path.abspath(expanded(path))


Library = Annotated[
    Path,
    option(
        "--library",
        envvar="RESTAGE_LIBRARY",
        help="Where jobs, motions and models are kept.",
        callback=lambda path: Path(absolute(path)),
    ),
]


def base(name: str) -> str:
    """A base model's folder becomes absolute, a name stays."""
    return absolute(name) if name not in ("", "starter") and expanded(name).is_dir() else name


def clips(
    paths: Sequence[Path], looks: Sequence[str], first: int, frames: int | None, reverse: bool
) -> tuple[Clip, ...]:
    """One Clip for each path. `looks` is one for all, or one for each; raises UserError otherwise."""
    if len(looks) not in (0, 1, len(paths)):
        raise UserError(
            f"There are {len(paths)} clips and {len(looks)} --looks.",
            "Give --looks once, or once for each clip.",
        )
    each = list(looks) * len(paths) if len(looks) == 1 else list(looks) or [""] * len(paths)
    return tuple(
        Clip(path=absolute(path), first_frame=first, frame_count=frames, reverse=reverse, looks=words)
        for path, words in zip(paths, each, strict=True)
    )


def material(
    paths: Sequence[Path], looks: Sequence[str], **used: Any
) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """What is learned from: movies → clips, pictures → stills. Raises UserError as `clips` does."""
    from backend.media.stills import is_still  # only now: it loads a library for pictures

    given = clips(paths, looks, **used)
    clips_given = tuple(clip for clip in given if not is_still(clip.path))
    return clips_given, tuple(clip for clip in given if is_still(clip.path))


def regular(given: Sequence[str]) -> tuple[Clip, ...]:
    """ "walk.mp4=a man walking" → a regularization clip with its caption. Raises UserError."""
    made = []
    for text in given:
        path, equals, words = text.partition("=")
        if not equals or not words.strip():
            raise UserError(f"{text!r} is not FILE=WORDS.", "Say in words what the clip shows.")
        made.append(Clip(path=absolute(path), looks=words.strip()))
    return tuple(made)


def size(text: str | None) -> tuple[int | None, int | None]:
    """ "576x320" → (576, 320). Raises UserError."""
    if text is None:
        return None, None
    found = re.fullmatch(r"(\d+)[x×](\d+)", text.strip().lower())
    if not found:
        raise UserError(f"The size {text!r} is not WIDTHxHEIGHT.", "Write it like 256x256.")
    return int(found[1]), int(found[2])


def rate(text: str | None) -> Rate | None:
    """ "24", "23.976" or "24000/1001" → the exact fraction. Raises UserError."""
    if text is None:
        return None
    try:
        fraction = Fraction(text).limit_denominator(1_000_000)
    except (ValueError, ZeroDivisionError) as error:
        raise UserError(f"{text!r} frames per second is not a number.", "Write 24, or 24000/1001.") from error
    if not 0 < fraction <= 1000:
        raise UserError(f"{text} frames per second cannot be shown.", "Write 24, or 24000/1001.")
    return Rate(num=fraction.numerator, den=fraction.denominator)


def sampling(pixels: str | None, fps: str | None, **others: Any) -> Sampling:
    width, height = size(pixels)
    return Sampling(width=width, height=height, rate=rate(fps), **others)


def method(name: str, settings: Sequence[str]) -> Method:
    """The method of that name with KEY=VALUE settings, checked by its own types. Raises UserError.

    A path, as of an absorber that is given, becomes absolute.
    """
    if name not in METHODS:
        raise UserError(f"There is no method {name!r}.", f"Choose {' or '.join(METHODS)}.")
    made: Method = with_paths(METHODS[name](**_chosen(METHODS[name], name, settings)), absolute)
    return made


def finish(settings: Sequence[str]) -> Finish:
    """From KEY=VALUE, checked by its own types. Raises UserError."""
    made = Finish(**_chosen(Finish, "--finish", settings))
    return dataclasses.replace(made, base=base(made.base))


def _chosen(kind: type, name: str, settings: Sequence[str]) -> dict[str, Any]:
    """Fields of a protocol type as KEY=VALUE. Raises UserError."""
    kinds = get_type_hints(kind)
    chosen: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or key not in kinds:
            raise UserError(f"{setting!r} is not a setting of {name}.", f"Settings are {', '.join(kinds)}.")
        try:
            chosen[key] = from_plain(kinds[key], _plain(text.strip()), key)
        except ProtocolError as error:
            raise UserError(
                f"The setting is not right: {error}.", f"It is: {explained(kind, key)}."
            ) from error
    return chosen


def explained(kind: type, key: str) -> str:
    """What a setting does, in the words that the panel has too."""
    (found,) = (f for f in dataclasses.fields(kind) if f.name == key)
    return str(found.metadata.get("help") or key)


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def named(request: R) -> R:
    """The request with a job id that the same request on unchanged files gets again: so it can be resumed."""
    digest = hashlib.sha256(encode(request))
    for path in _read_by(request):
        if path.is_file():
            facts = path.stat()
            digest.update(repr((str(path), facts.st_size, facts.st_mtime_ns)).encode())
    if isinstance(request, Learn):
        digest.update(shipped(request.base).encode())
    kind = type(request).__name__.lower()
    return dataclasses.replace(request, job=f"{kind}-{digest.hexdigest()[:16]}")


def _read_by(request: Request) -> list[Path]:
    """What a Learn reads. Not a base that is only named: that one may be fetched while it runs."""
    if not isinstance(request, Learn):
        return []
    clips = [Path(clip.path) for clip in (*request.clips, *request.stills, *request.regular)]
    given = request.method.given if isinstance(request.method, Absorbing) else ""
    models = [Path(place) for place in (request.base, given) if os.path.isabs(place)]
    # The parts of a pipeline, and the weights of a motion's looks, lie one folder down.
    inside = [path for folder in models for depth in ("*", "*/*") for path in sorted(folder.glob(depth))]
    return clips + models + inside
