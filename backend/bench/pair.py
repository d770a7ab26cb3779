"""`restage bench pair`: two motions of one subject, or of one camera, each learned alone, in one clip.

What is wanted is the sum of both. Beside how closely a clip follows it stands how much each of the two has of
the way that is seen, by least squares: of a perfect sum 1 and 1, of one motion alone 1 and 0, of what has too
little room for the whole sum less of both. The ceiling is made of the world's own clips: of a subject's, the
one carried along the other; of a camera's, a still one filmed by both. It goes on where it was stopped: what
is learned or made already stays.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from backend.api.library import write_whole
from backend.bench.intervals import mean_of
from backend.bench.measures import Frames
from backend.bench.methods import at_base_rate, keep_to, write_reference
from backend.bench.rows import Trial, pair_of
from backend.bench.stacked import FOLLOWED, SHOWN_ON, Way, learned, made_once
from backend.media.carrying import carried, subject_way
from backend.media.filming import camera_move, filmed, move_in
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
OF_SUBJECT, OF_CAMERA = slice(0, 2), slice(3, 7)  # across and down; pan, tilt, zoom, roll (motion_signal)
LEAST = 0.3  # of its own way: a motion that has less of what is seen is hardly seen


class Seen(NamedTuple):
    """How closely subject or camera follow the sum, and how much of each motion is in how they go."""

    follows: float
    first: float
    second: float


def bench_pair(
    out: Path, library: Path, base: str, names: tuple[str, str], prompts: int, seeds: int, steps: int | None
) -> str:
    """Learn both, make clips each way; write and return the table. `out` is a folder. Raises UserError for
    what is no pair (`rows.pair_of`)."""
    trials = pair_of(*names)
    part = part_of(trials[0])
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
        found[way].append(seen(references, made, part))
        shown += [(f"{prompt}: {way}", made)] if seed == 0 else []
    if (best := _ceiling(out, trials, references)) is not None:
        found["ceiling"] = [seen(references, best, part)]
    contact_sheet(shown, out / "pair.png")
    return _written(out, names, found)


def part_of(trial: Trial) -> slice:
    """The columns of a motion signal in which it moves."""
    return OF_SUBJECT if trial.shot.camera == "locked" else OF_CAMERA


def seen(references: Sequence[Frames], made: Frames, part: slice) -> Seen:
    """Of clips (F, H, W, 3): the two that were learned from, and one that is to have both their motions."""
    steps = min(common_steps(len(one), len(made)) for one in references)
    first, second, goes = (motion_signal(clip, steps)[:, part] for clip in (*references, made))
    shares, *_ = np.linalg.lstsq(np.stack([first.ravel(), second.ravel()], axis=1), goes.ravel(), rcond=None)
    return Seen(signal_fidelity(goes, first + second), *map(float, shares))


def _ceiling(out: Path, trials: Sequence[Trial], references: Sequence[Frames]) -> Frames | None:
    """Both motions in one clip, from the world's own."""
    if part_of(trials[0]) == OF_CAMERA:
        still = Trial("still", replace(trials[0].shot, camera="locked"))
        scene = at_base_rate(write_reference(out / "references", still, 0))
        paths = [own.path for own in map(move_in, references) if own is not None]
        move = camera_move(paths, (scene.shape[2], scene.shape[1]))
        return None if move is None else filmed(scene, move)
    way = subject_way(references[1])
    return None if way is None else carried(references[0], [way])


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
    write_whole(out / "pair.json", json.dumps(figures, indent=2).encode())
    write_whole(out / "pair.md", table.encode())
    return table
