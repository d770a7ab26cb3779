"""Prompt and motions → clips."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from backend.api.protocol import Edit, Generate, Motion
from backend.api.values import to_plain
from backend.diffusion.sampling import follow_source
from backend.errors import UserError
from backend.families.base import Family
from backend.media import clips
from backend.media.finishing import smoothed
from backend.tasks.bases import Acting, LoadedMotion, load_looks, load_motions, open_base
from backend.tasks.compositing import Noise
from backend.tasks.finish import finished, second_base
from backend.tasks.following import followed, inverted_latent
from backend.tasks.making import Making, Native, clip_noise, making, native, which
from backend.tasks.prompted import unsaid
from backend.tasks.run import Result, Run

SAME = (
    "All clips are the same: they start wholly from the clip that they follow, and the seed changes nothing. "
    "Set Follow below 1 for different ones."
)


def generate(request: Generate, run: Run) -> Result:
    """Raises UserError for an empty prompt, sizes the base cannot make, and motions of another base."""
    check_output(request.out, request.prompt)
    family = open_base(request.base, request.compute, run)
    motions, looks = load_motions(request.motions, family), load_looks(request.looks, family)
    s = native(request.sampling, family, motions)
    start = followed(request, motions, s.frames)
    size = (s.width, s.height)
    second = second_base(request, size, family, run)
    makes = making(request, s, family, motions, looks, run, start.motion if start else None)
    inverted = inverted_latent(family, start.clip, s.frames, size, s.steps, run) if start else None
    acted: list[Acting] = [*motions, *looks]

    def made() -> Generator[np.ndarray[Any, Any]]:
        with makes.ready as make:
            for i in range(request.count):
                plain = clip_noise(family, s, request.seed + i)
                noise = Noise.same(plain)
                if start and inverted is not None:
                    led = follow_source(inverted, plain, start.shares.to(plain))
                    noise = Noise.led(plain, led, start.motion.preset.kind)
                yield make(noise, which(i, request.count))

    request = replace(request, follow=start.follow if start else 0.0)
    outputs = write_results(request, made(), s, family, second, acted, run)
    alike = start is not None and bool(start.shares.min() == 1)
    return Result(outputs, notes_on(request, acted, makes, alike=alike))


def notes_on(
    request: Generate | Edit, acted: Sequence[Acting], makes: Making, *, alike: bool
) -> tuple[str, ...]:
    """What the artist should know of what acted, of the prompt and of how clips were made; `alike`: they all
    start from one latent, whatever their seeds are."""
    motions = [one for one in acted if isinstance(one, LoadedMotion)]
    of_each = tuple(one.note for one in acted if one.note)
    # Of several, filmed, each makes a clip, and the others' do start from their own noise.
    # So does what a second pass is given.
    alone = len(motions) < 2 and not request.finish.base.strip()
    same = (SAME,) if alike and alone and request.count > 1 else ()
    return of_each + unsaid(request.prompt, motions) + tuple(makes.notes) + same


def check_output(out: str, prompt: str) -> None:
    """What is seen and where the clip goes, checked before any work is done."""
    if not prompt.strip():
        raise UserError(
            "The prompt is empty.", "Write what should be seen, such as: a blue star over a brown ground."
        )
    name = Path(out).name
    if Path(name).suffix.lower() != ".mp4":
        raise UserError(f"The result {name!r} is not an .mp4 file.", "End the name of the result in .mp4.")


def numbered(out: Path, index: int) -> Path:
    """a.mp4, a-2.mp4, a-3.mp4 …"""
    return out if index == 0 else out.with_name(f"{out.stem}-{index + 1}{out.suffix}")


def write_results(
    request: Generate | Edit,
    made: Generator[np.ndarray[Any, Any]],
    s: Native,
    family: Family,
    second: Family | None,
    acted: Sequence[Acting],
    run: Run,
) -> tuple[str, ...]:
    """The clips, finished, at the asked-for rate, each with all that it takes to make it alone inside and
    beside it. Both bases are as they were when this ends, however it does.
    """
    request = replace(request, motions=_whose(request.motions, acted), sampling=s.sampling())
    in_time = smoothed if request.finish.between == "interpolate" else clips.resample
    written = []
    with closing(made), closing(finished(request, made, family, second, acted, run)) as done:
        for i, frames in enumerate(done):
            path = numbered(Path(request.out), i)
            one = replace(request, seed=request.seed + i, count=1, out=str(path))
            shown = in_time(frames, family.profile.fps, s.rate, s.length)
            clips.write(path, shown, s.rate, _metadata(one, family, acted))
            written.append(str(path))
    return tuple(written)


def _whose(motions: Sequence[Motion], acted: Sequence[Acting]) -> tuple[Motion, ...]:
    """The motions, each with whose it was: its preset may say otherwise later."""
    whose = {one.asked: one.preset.moves for one in acted if isinstance(one, LoadedMotion)}
    return tuple(replace(motion, kind=whose.get(motion, motion.kind)) for motion in motions)


def _metadata(request: Generate | Edit, family: Family, acted: Sequence[Acting]) -> dict[str, Any]:
    return {
        "schema": 1,
        "request": to_plain(request),
        "base": vars(family.fingerprint) | {"name": family.profile.name, "version": family.profile.version},
        "motions": {_named(m): m.hash for m in acted if isinstance(m, LoadedMotion)},
        "looks": {Path(x.asked.path).name: x.hash for x in acted if not isinstance(x, LoadedMotion)},
    }


def _named(motion: LoadedMotion) -> str:
    step = motion.asked.step
    return f"{motion.preset.title}, after {step} steps" if step else motion.preset.title
