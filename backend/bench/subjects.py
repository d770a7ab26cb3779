"""`restage bench subjects`: two motions of one subject, each learned alone, in one clip.

What is wanted is the sum of both ways. Beside how closely a clip follows it stands how much each of the two
has of the way that is seen, by least squares: of a perfect sum 1 and 1, of one motion alone 1 and 0, of what
has too little room for the whole sum less of both. The ceiling is the world's own clip of the one, carried
along its clip of the other. It goes on where it was stopped: what is learned or made already stays.
"""

import json
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.api.library import write_whole
from backend.bench.intervals import mean_of
from backend.bench.measures import Frames
from backend.bench.methods import at_base_rate, keep_to, write_reference
from backend.bench.rows import subjects_trial
from backend.bench.stacked import FOLLOWED, SHOWN_ON, Way, learned, made_once
from backend.errors import UserError
from backend.media.carrying import carried, subject_way
from backend.media.motion import common_steps, motion_signal, signal_fidelity
from backend.media.sheets import contact_sheet
from backend.starter.world import caption
from backend.tasks.run import Run

WAYS = {
    "the first": Way(1.0, 0.0),
    "the second": Way(0.0, 1.0),
    "both, added": Way(1.0, 1.0),
    "both, balanced": Way(1.0, 1.0, balance=1.0),
    "both, filmed": Way(1.0, 1.0, "filmed"),
}
LEAST = 0.3  # of its own way: a motion that has less of what is seen is hardly seen


class Seen(NamedTuple):
    """How closely a subject follows the sum, and how much of each motion is in how it goes."""

    follows: float
    first: float
    second: float


def bench_subjects(
    out: Path, library: Path, base: str, names: tuple[str, str], prompts: int, seeds: int, steps: int | None
) -> str:
    """Learn both, make clips each way; write and return the table. `out` is a folder. Raises UserError for
    what no subject does, and for one motion twice."""
    trials = [subjects_trial(name) for name in names]
    if names[0] == names[1]:
        raise UserError("A motion is not stacked with itself here.", "Choose two motions.")
    run = Run(out / "job", library, lambda *_: None, lambda *_: None, lambda: "")
    run.folder.mkdir(parents=True, exist_ok=True)
    looks = [caption(shot).looks for shot in SHOWN_ON]
    keep_to(out, base, steps=steps, motions=list(names), shown_on=looks)
    motions = [learned(trial, out, base, steps, run) for trial in trials]
    references = [at_base_rate(write_reference(out / "references", trial, 0)) for trial in trials]
    shown = [(f"reference: {t.name}", r) for t, r in zip(trials, references, strict=True)]
    found = {way: list[Seen]() for way in WAYS}
    for (number, prompt), seed, way in product(enumerate(looks[:prompts]), range(seeds), WAYS):
        path = out / f"{number}-{seed}-{way}.mp4"
        made = made_once(path, prompt, WAYS[way], motions, base, seed, run)
        found[way].append(seen(references, made))
        shown += [(f"{prompt}: {way}", made)] if seed == 0 else []
    first, second = references
    ways = [way for way in [subject_way(second)] if way is not None]
    if ways and (both := carried(first, ways)) is not None:
        found["ceiling"] = [seen(references, both)]
    contact_sheet(shown, out / "subjects.png")
    return _written(out, names, found)


def seen(references: list[Frames], made: Frames) -> Seen:
    """Of clips (F, H, W, 3): the two that were learned from, and one that is to have both their motions."""
    steps = min(common_steps(len(one), len(made)) for one in references)
    first, second, goes = (_way(clip, steps) for clip in (*references, made))
    shares, *_ = np.linalg.lstsq(np.stack([first.ravel(), second.ravel()], axis=1), goes.ravel(), rcond=None)
    return Seen(signal_fidelity(goes, first + second), *map(float, shares))


def _way(clip: Frames, steps: int) -> npt.NDArray[np.float64]:
    """How a clip's subject goes, across and down (steps, 2), in heights of the frame."""
    signal: npt.NDArray[np.float64] = motion_signal(clip, steps)[:, :2]
    return signal


def _written(out: Path, names: tuple[str, str], found: dict[str, list[Seen]]) -> str:
    columns = ("follows the sum", f"of the {names[0]}", f"of the {names[1]}", f"≥ {FOLLOWED}, with both")
    lines = [f"| acting | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    figures: dict[str, dict[str, Any]] = {}
    for way, clips in found.items():
        means = [mean_of(list(column)) for column in zip(*clips, strict=True)]
        both = mean_of([c.follows >= FOLLOWED and min(c.first, c.second) >= LEAST for c in clips])
        cells = [*(mean.decimal() for mean in means), both.percent()]
        lines.append(f"| {way} | {' | '.join(cells)} |")
        figures[way] = dict(zip(columns, map(asdict, (*means, both)), strict=True))
    table = "\n".join(lines) + "\n"
    write_whole(out / "subjects.json", json.dumps(figures, indent=2).encode())
    write_whole(out / "subjects.md", table.encode())
    return table
