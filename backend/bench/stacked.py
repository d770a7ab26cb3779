"""`restage bench stacked`: the motion of a subject and that of a camera, each learned alone, in one clip.

Beside what the base makes stands the ceiling: the world's own clips that have both. Whether the camera
follows is asked of two witnesses: the measure, which knows nothing of what is shown and finds no camera where
a ground bends too much, and the starter's judge, which knows the world's grounds (`judge.camera_of`). It goes
on where it was stopped: what is learned or made already stays.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch

from backend.api.library import write_whole
from backend.api.protocol import Clip, Generate, Learn, Motion, Sampling, Stacking
from backend.bench.intervals import mean_of
from backend.bench.measures import Frames
from backend.bench.methods import at_base_rate, keep_to, write_reference
from backend.bench.rows import Trial, trial_named, words_of
from backend.media.motion import layer_fidelity
from backend.media.sheets import contact_sheet
from backend.starter.judge import judge
from backend.starter.world import Shot, caption
from backend.tasks import perform
from backend.tasks.run import Run

SUBJECT = trial_named("circle")
CAMERA = trial_named("pan")


class Way(NamedTuple):
    """How strongly each of two motions acts, and how together."""

    first: float
    second: float
    stacking: Stacking = "added"
    balance: float = 0.0


# The base may know a pan by words: what words alone do stands beside.
WAYS = {
    "words": Way(0.0, 0.0),
    "subject": Way(1.0, 0.0),
    "camera": Way(0.0, 1.0),
    "both, added": Way(1.0, 1.0),
    "both, balanced": Way(1.0, 1.0, balance=1.0),
    "both, apart": Way(1.0, 1.0, "apart"),
    "both, filmed": Way(1.0, 1.0, "filmed"),
}
FOLLOWED = 0.8
# Other subjects, colours and grounds than the references'. On these grounds a camera is found at 64 pixels
# through the starter's autoencoder; on fields, skies and stripes often not that of the world's own clips.
SHOWN_ON = (
    Shot(subject="star", colour="blue", background="brick wall"),
    Shot(subject="box", colour="orange", background="tiled floor"),
    Shot(subject="triangle", colour="yellow", background="forest"),
    Shot(subject="ring", colour="white", background="forest"),
    Shot(subject="moon", colour="orange", background="brick wall"),
    Shot(subject="cross", colour="green", background="tiled floor"),
)

COLUMNS = {
    "subject": "subject follows",
    "camera": "camera follows",
    "both": f"both ≥ {FOLLOWED}",
    "judged": "camera, as judged",
    "both judged": f"subject ≥ {FOLLOWED}, camera as judged",
}


class Followed(NamedTuple):
    """How closely a clip's subject and camera follow their references; whether the judge sees that camera."""

    subject: float
    camera: float
    judged: bool


def bench_stacked(
    out: Path, library: Path, base: str, prompts: int, seeds: int, steps: int | None = None
) -> str:
    """Learn both, make clips each way; write and return the table. `out` is a folder."""
    run = Run(out / "job", library, lambda *_: None, lambda *_: None, lambda: "")
    run.folder.mkdir(parents=True, exist_ok=True)
    keep_to(out, base, steps=steps, shown_on=[caption(shot).looks for shot in SHOWN_ON])
    trials = (SUBJECT, CAMERA)
    motions = [learned(trial, out, base, steps, run) for trial in trials]
    references = [at_base_rate(write_reference(out / "references", trial, 0)) for trial in trials]
    shown = [(f"reference: {t.name}", r) for t, r in zip(trials, references, strict=True)]
    found: dict[str, list[Followed]] = {way: [] for way in (*WAYS, "ceiling")}
    for number, shot in enumerate(SHOWN_ON[:prompts]):
        truth = Trial(f"both {number}", replace(shot, motion=SUBJECT.shot.motion, camera=CAMERA.shot.camera))
        filmed = at_base_rate(write_reference(out / "references", truth, 0))
        found["ceiling"].append(_followed(references, filmed, shot))
        for seed, way in product(range(seeds), WAYS):
            words = [words_of(trial)[1] for trial in trials] if way == "words" else []
            path = out / f"{number}-{seed}-{way}.mp4"
            made = made_once(
                path, " ".join([caption(shot).looks, *words]), WAYS[way], motions, base, seed, run
            )
            found[way].append(_followed(references, made, shot))
            shown += [(f"{caption(shot).looks}: {way}", made)] if seed == 0 else []
    contact_sheet(shown, out / "stacked.png")
    return _written(out, found)


def learned(trial: Trial, out: Path, base: str, steps: int | None, run: Run) -> Path:
    """The motion of one clip, by the default method; learned once."""
    folder = out / trial.name
    if not folder.exists():
        looks, motion = words_of(trial)
        clip = Clip(path=str(write_reference(out / "references", trial, 0)), looks=looks)
        perform(Learn(job="bench", clips=(clip,), motion=motion, out=str(folder), base=base,
                      steps=steps, checkpoints=1), run)  # fmt: skip
    return folder


def made_once(
    path: Path, prompt: str, way: Way, motions: Sequence[Path], base: str, seed: int, run: Run
) -> Frames:
    """The clip at `path`, made with two motions that act that way unless it is there."""
    if not path.exists():
        acting = [Motion(path=str(m), strength=s) for m, s in zip(motions, way[:2], strict=True) if s]
        perform(Generate(job="bench", prompt=prompt, out=str(path), base=base, seed=seed,
                         motions=tuple(acting), balance=way.balance,
                         sampling=Sampling(stacking=way.stacking)), run)  # fmt: skip
    return at_base_rate(path)


def _followed(references: Sequence[Frames], made: Frames, shot: Shot) -> Followed:
    """Of a clip before the ground that was asked for."""
    seen = judge(torch.from_numpy(made).movedim(-1, 1) / 255, shot.background, 8.0)
    return Followed(*layer_fidelity(references[0], references[1], made), seen.camera == CAMERA.shot.camera)


def _written(out: Path, found: dict[str, list[Followed]]) -> str:
    lines = [f"| acting | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 1) + "|"]
    figures: dict[str, dict[str, Any]] = {}
    for way, clips in found.items():
        subject, camera = (mean_of([clip[layer] for clip in clips]) for layer in (0, 1))
        both = mean_of([min(clip.subject, clip.camera) >= FOLLOWED for clip in clips])
        judged = mean_of([clip.judged for clip in clips])
        so = mean_of([clip.judged and clip.subject >= FOLLOWED for clip in clips])
        cells = [subject.decimal(), camera.decimal(), *(share.percent() for share in (both, judged, so))]
        lines.append(f"| {way} | {' | '.join(cells)} |")
        means = (subject, camera, both, judged, so)
        figures[way] = dict(zip(COLUMNS, map(asdict, means), strict=True))
    table = "\n".join(lines) + "\n"
    write_whole(out / "stacked.json", json.dumps(figures, indent=2).encode())
    write_whole(out / "stacked.md", table.encode())
    return table
