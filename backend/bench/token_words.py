"""`restage bench token`: a motion token beside ordinary words, which say how many do it and how fast.

V* is learned twice from five clips of one motion, with known clips beside them as in the methods' table:
from five of one subject at one speed, and as words need it: two of the five show two and three subjects, and
in a share of the steps a clip goes at half its speed. Of several subjects what is followed is their middle.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch

from backend.api.library import write_whole
from backend.api.protocol import Clip, Generate, Learn, Motion
from backend.api.settings import MotionToken
from backend.bench.intervals import mean_of
from backend.bench.measures import Frames
from backend.bench.methods import at_base_rate, keep_to, known_clips, movie, varied
from backend.bench.rows import Trial, V, subjects_trial
from backend.media.sheets import contact_sheet
from backend.starter.judge import judge, path_cosine, subject_mask
from backend.starter.silhouettes import way
from backend.starter.world import Shot, caption, render
from backend.starter.world.shots import SHRUNK
from backend.tasks import perform
from backend.tasks.run import Run


@dataclass(frozen=True)
class Lesson:
    """What V* is learned from: subjects of each clip, and the share of steps with one at half its speed."""

    title: str
    counts: tuple[int, ...]
    slowed: float


@dataclass(frozen=True)
class Asked:
    """What stands beside V* in a prompt."""

    count: int
    words: str = ""
    speed: str = ""  # the world's own word for it


LESSONS = {
    "alike": Lesson("five clips of one", (1, 1, 1, 1, 1), 0.0),
    "varied": Lesson("of one, two and three, slowed", (1, 1, 2, 3, 1), 0.3),
}
ASKED = {
    "V*": Asked(1),
    "slowly": Asked(1, "slowly", "slowly"),
    "very slowly": Asked(1, "very slowly", "slowly"),
    "two": Asked(2),
    "three": Asked(3),
}
SHOWN_ON = (
    Shot(subject="star", colour="blue", background="brick wall"),
    Shot(subject="box", colour="orange", background="tiled floor"),
    Shot(subject="bird", colour="purple", background="gray wall"),
    Shot(subject="heart", colour="yellow", background="night sky"),
)
COLUMNS = ("follows", "way", "as many", "colour and subject")


class Seen(NamedTuple):
    """How closely the subjects' middle goes the world's own way, how far, as a share of it, and whether as
    many are judged to be there as were asked for, and with those looks."""

    follows: float
    way: float
    as_many: bool
    looks: bool


def bench_token(
    out: Path, library: Path, base: str, motion: str, prompts: int, seeds: int, steps: int
) -> str:
    """Learn V* both ways and make clips for each kind of prompt; write and return the table."""
    run = Run(out / "job", library, lambda *_: None, lambda *_: None, lambda: "")
    run.folder.mkdir(parents=True, exist_ok=True)
    trial = subjects_trial(motion)
    lessons = [asdict(lesson) | {"counts": list(lesson.counts)} for lesson in LESSONS.values()]
    shown_on = [caption(shot).looks for shot in SHOWN_ON]
    keep_to(out, base, steps=steps, motion=motion, lessons=lessons, shown_on=shown_on)
    found: dict[str, list[Seen]] = {}
    shown: list[tuple[str, Frames]] = []
    for name, lesson in LESSONS.items():
        acting = (Motion(path=str(_learned(name, lesson, trial, out, base, steps, run))),)
        for (word, asked), seed in product(ASKED.items(), range(seeds)):
            for number, truth in enumerate(truths(trial, asked, prompts)):
                path = out / f"{name}-{word.replace('*', '')}-{number}-{seed}.mp4"
                prompt = f"{caption(truth).looks} {V} {asked.words}".strip()
                if not path.exists():
                    perform(Generate(job="bench", prompt=prompt, out=str(path), base=base, seed=seed,
                                     motions=acting), run)  # fmt: skip
                made = at_base_rate(path)
                found.setdefault(f"{lesson.title} | {word}", []).append(seen(made, truth))
                shown += [(f"{name}: {prompt}", made)] if seed == 0 else []
    contact_sheet(shown, out / "token.png")
    return _written(out, found)


def truths(trial: Trial, asked: Asked, prompts: int) -> Iterator[Shot]:
    """The motion by as many as are asked for, with looks that no clip of V* has together."""
    for shot in SHOWN_ON[:prompts]:
        size, phase = trial.shot.size * SHRUNK[asked.count], trial.shot.phase
        moving = replace(shot, motion=trial.shot.motion, phase=phase, speed=asked.speed)
        yield replace(moving, count=asked.count, size=size)


def _learned(name: str, lesson: Lesson, trial: Trial, out: Path, base: str, steps: int, run: Run) -> Path:
    folder = out / name
    if folder.exists():
        return folder
    references = []
    for number, count in enumerate(lesson.counts):
        shot = varied(trial, number)[0]
        shot = replace(shot, count=count, size=shot.size * SHRUNK[count])
        path = movie(out / "references" / f"{number}-{count}.mp4", shot)
        references.append(Clip(path=str(path), looks=caption(shot).looks))
    perform(
        Learn(
            job="bench", clips=tuple(references), motion=V, out=str(folder), base=base, steps=steps,
            method=MotionToken(slowed=lesson.slowed), regular=known_clips(out / "references", 7),
            checkpoints=1,
        ),
        run,
    )  # fmt: skip
    return folder


def seen(made: Frames, truth: Shot) -> Seen:
    """Of a clip (F, H, W, 3) beside the world's own of that shot."""
    frames = torch.from_numpy(made).movedim(-1, 1) / 255
    own = render([truth], size=frames.shape[-1], frames=len(frames), fps=8.0).frames[0]
    path, wanted = (way(subject_mask(clip, truth.background))[0] for clip in (frames, own))
    verdict = judge(frames, truth.background, 8.0)
    return Seen(
        path_cosine(path, wanted),
        _length(path) / _length(wanted),
        verdict.count == truth.count,
        (verdict.colour, verdict.subject) == (truth.colour, truth.subject),
    )


def _length(path: torch.Tensor) -> float:
    return float(path.diff(dim=0).norm(dim=1).sum())


def _written(out: Path, found: dict[str, list[Seen]]) -> str:
    lines = [f"| learned from | asked for | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    figures = {}
    for row, clips in found.items():
        means = [mean_of(list(column)) for column in zip(*clips, strict=True)]
        cells = [mean.decimal() for mean in means[:2]] + [share.percent() for share in means[2:]]
        lines.append(f"| {row} | {' | '.join(cells)} |")
        figures[row] = dict(zip(COLUMNS, map(asdict, means), strict=True))
    table = "\n".join(lines) + "\n"
    write_whole(out / "token.json", json.dumps(figures, indent=2).encode())
    write_whole(out / "token.md", table.encode())
    return table
