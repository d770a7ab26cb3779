"""`restage bench stacked`: the motion of a subject and that of a camera, each learned alone, in one clip.

Beside what the base makes stands the ceiling: the world's own clips that have both. It goes on where it was
stopped: what is learned or made already stays.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

from backend.api.library import write_whole
from backend.api.protocol import Clip, Generate, Learn, Motion, Sampling, Stacking
from backend.bench.intervals import Mean, mean_of
from backend.bench.methods import at_base_rate, keep_to, write_reference
from backend.bench.rows import Trial, trial_named, words_of
from backend.media.motion import layer_fidelity
from backend.media.sheets import contact_sheet
from backend.starter.world import Shot, caption
from backend.tasks import perform
from backend.tasks.run import Run

SUBJECT = trial_named("circle")
CAMERA = Trial("pan", Shot(subject="heart", colour="purple", background="checkered floor", camera="pan left"))
# Which motions act, how strongly, and how together. The base may know a pan by words: what words alone do
# stands beside.
WAYS: dict[str, tuple[float, float, Stacking]] = {
    "words": (0.0, 0.0, "added"),
    "subject": (1.0, 0.0, "added"),
    "camera": (0.0, 1.0, "added"),
    "both, added": (1.0, 1.0, "added"),
    "both, apart": (1.0, 1.0, "apart"),
}
FOLLOWED = 0.8
# Other subjects, colours and grounds than the references'. On these grounds a camera is found at 64 pixels
# through the starter's autoencoder; on fields, skies and stripes often not that of the world's own clips.
SHOWN_ON = (
    Shot(subject="star", colour="blue", background="brick wall"),
    Shot(subject="box", colour="orange", background="tiled floor"),
    Shot(subject="triangle", colour="yellow", background="forest"),
)


def bench_stacked(
    out: Path, library: Path, base: str, prompts: int, seeds: int, steps: int | None = None
) -> str:
    """Learn both, make clips each way; write and return the table. `out` is a folder."""
    run = Run(out / "job", library, lambda *_: None, lambda *_: None, lambda: "")
    run.folder.mkdir(parents=True, exist_ok=True)
    keep_to(out, base, steps=steps, shown_on=[caption(shot).looks for shot in SHOWN_ON])
    trials = (SUBJECT, CAMERA)
    motions = [_learned(trial, out, base, steps, run) for trial in trials]
    references = [at_base_rate(write_reference(out / "references", trial, 0)) for trial in trials]
    shown = [(f"reference: {t.name}", r) for t, r in zip(trials, references, strict=True)]
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in (*WAYS, "ceiling")}
    for number, shot in enumerate(SHOWN_ON[:prompts]):
        truth = Trial(f"both {number}", replace(shot, motion=SUBJECT.shot.motion, camera=CAMERA.shot.camera))
        filmed = at_base_rate(write_reference(out / "references", truth, 0))
        found["ceiling"].append(layer_fidelity(references[0], references[1], filmed))
        for seed, way in product(range(seeds), WAYS):
            path = out / f"{number}-{seed}-{way}.mp4"
            if not path.exists():
                *strengths, stacking = WAYS[way]
                acting = [Motion(path=str(m), strength=s) for m, s in zip(motions, strengths, strict=True)]
                words = [words_of(trial)[1] for trial in trials] if way == "words" else []
                perform(Generate(job="bench", prompt=" ".join([caption(shot).looks, *words]), out=str(path),
                                 base=base, seed=seed, motions=tuple(m for m in acting if m.strength),
                                 sampling=Sampling(stacking=stacking)),
                        run)  # fmt: skip
            made = at_base_rate(path)
            found[way].append(layer_fidelity(references[0], references[1], made))
            shown += [(f"{caption(shot).looks}: {way}", made)] if seed == 0 else []
    contact_sheet(shown, out / "stacked.png")
    return _written(out, found)


def _learned(trial: Trial, out: Path, base: str, steps: int | None, run: Run) -> Path:
    """The motion of one clip, by the default method."""
    folder = out / trial.name
    if not folder.exists():
        looks, motion = words_of(trial)
        clip = Clip(path=str(write_reference(out / "references", trial, 0)), looks=looks)
        perform(Learn(job="bench", clips=(clip,), motion=motion, out=str(folder), base=base,
                      steps=steps, checkpoints=1), run)  # fmt: skip
    return folder


def _written(out: Path, found: dict[str, list[tuple[float, float]]]) -> str:
    lines = ["| acting | subject follows | camera follows | both ≥ 0.8 |", "|---|---|---|---|"]
    figures: dict[str, dict[str, Any]] = {}
    for way, pairs in found.items():
        subject, camera, both = _means(pairs)
        lines.append(f"| {way} | {subject.decimal()} | {camera.decimal()} | {both.percent()} |")
        figures[way] = {"subject": asdict(subject), "camera": asdict(camera), "both": asdict(both)}
    table = "\n".join(lines) + "\n"
    write_whole(out / "stacked.json", json.dumps(figures, indent=2).encode())
    write_whole(out / "stacked.md", table.encode())
    return table


def _means(pairs: Sequence[tuple[float, float]]) -> tuple[Mean, Mean, Mean]:
    subject, camera = zip(*pairs, strict=True)
    return mean_of(subject), mean_of(camera), mean_of([min(pair) >= FOLLOWED for pair in pairs])
