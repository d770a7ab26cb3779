"""`restage bench methods`: every method on the starter, side by side.

Each row learns each motion from one clip; prompts differ from that clip in subject, colour and background.
A cell (a row's clips of one motion) is finished when its `cell.json` is there: the bench goes on where it
stopped.
"""

import json
import shutil
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast, get_args

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock

from backend.api.bases import shipped
from backend.api.library import write_whole
from backend.api.protocol import Clip, Edit, Generate, Learn, Motion, Quality, Sampling, Stacking
from backend.bench.measures import measured
from backend.bench.reference import film
from backend.bench.rows import ROWS, TRIALS, Row, Trial, known_shots, prompts_for, trial_named, words_of
from backend.bench.speed import peak_bytes, reset_peak
from backend.diffusion.tensors import read_tensors
from backend.errors import UserError
from backend.media import clips
from backend.media.motion import motion_fidelity
from backend.media.sheets import contact_sheet
from backend.starter.world import Shot, caption
from backend.tasks import perform
from backend.tasks.run import Run

Frames = npt.NDArray[np.uint8]
SCHEMA = 3  # of a finished cell: since 2 with the reference's own caption, since 3 with timing in `spread`
SCORERS = {  # kind → files that it has
    "clip": ("config.json",),
    "pick": ("config.json",),
    "lpips": ("alex.pth", "alexnet-owt-7be5be79.pth"),
}
NO_SCORERS: Mapping[str, Path] = MappingProxyType({})
BASE_FRAMES, BASE_SIZE = 8, 64


@dataclass(frozen=True)
class Plan:
    """What is run: `quality` and the numbers of prompts and seeds are the same in every cell."""

    out: Path
    library: Path
    base: str
    rows: tuple[str, ...]
    trials: tuple[str, ...]
    prompts: int
    seeds: int
    quality: Quality
    steps: int | None = None  # of learning, in place of what `quality` says
    stacking: Stacking = "added"  # all else would lay the learned camera over clips that stand still
    scorers: Mapping[str, Path] = field(default_factory=dict)  # kind → folder (bench.learned_scores)


def plan_of(
    out: Path,
    library: Path,
    base: str,
    *,
    full: bool,
    rows: Sequence[str] = (),
    motions: Sequence[str] = (),
    quality: str = "normal",
    stacking: str = "added",
    scorers: Mapping[str, Path] = NO_SCORERS,
) -> Plan:
    """Core: the core rows and motions, three prompts, two seeds. Full: all of them, five and three."""
    _check("row", rows, ROWS)
    _check("motion", motions, [trial.name for trial in TRIALS])
    _check("quality", [quality], get_args(Quality))
    _check("stacking", [stacking], get_args(Stacking))
    for kind, folder in scorers.items():
        if missing := [name for name in SCORERS[kind] if not (folder / name).is_file()]:
            raise UserError(
                f"There is no {kind} model in {folder}.", f"Give a folder with its weights and {missing[0]}."
            )
    chosen = tuple(rows) or tuple(name for name, row in ROWS.items() if full or row.core)
    trials = tuple(t.name for t in TRIALS if (t.name in motions if motions else full or t.core))
    prompts, seeds = (5, 3) if full else (3, 2)
    return Plan(
        out, library, base, chosen, trials, prompts, seeds, quality=cast(Quality, quality), scorers=scorers,
        stacking=cast(Stacking, stacking),
    )  # fmt: skip


def _check(what: str, given: Sequence[str], known: Collection[str]) -> None:
    """Raises UserError with what is known."""
    if unknown := [name for name in given if name not in known]:
        raise UserError(f"There is no {what} {unknown[0]!r}.", f"Choose among {', '.join(known)}.")


def run_cells(plan: Plan, progress: Callable[[str, int, int], None]) -> None:
    """Run every cell of the plan that is not finished yet."""
    settings = {"schema": SCHEMA, "quality": plan.quality, "steps": plan.steps, "stacking": plan.stacking}
    keep_to(plan.out, plan.base, **settings, prompts=plan.prompts, seeds=plan.seeds)
    trials = [t for t in TRIALS if t.name in plan.trials]
    cells = [(row, trial) for trial in trials for row in plan.rows]
    for done, (row, trial) in enumerate(cells):
        folder = cell_folder(plan, row, trial)
        progress(f"{ROWS[row].title}: {trial.name}", done, len(cells))
        if not (folder / "cell.json").exists():
            write_whole(folder / "cell.json", json.dumps(_cell(plan, ROWS[row], trial, folder)).encode())
    progress("done", len(cells), len(cells))


def keep_to(folder: Path, base: str, **settings: Any) -> None:
    """Note what a bench is run with. Raises UserError when its folder holds one of other settings, or of
    another starter."""
    settings |= {"base": base, "shipped": shipped(base)}
    noted = folder / "settings.json"
    if not noted.exists():
        write_whole(noted, json.dumps(settings).encode())
    elif (before := json.loads(noted.read_text(encoding="utf-8"))) != settings:
        raise UserError(
            f"{folder} holds a bench with other settings: {before}.", "Give another folder as --out."
        )


def cell_folder(plan: Plan, row: str, trial: Trial) -> Path:
    return plan.out / "cells" / row / trial.name.replace(" ", "-")


def _cell(plan: Plan, row: Row, trial: Trial, folder: Path) -> dict[str, Any]:
    reference = write_reference(plan.out / "references", trial, 0)
    shown = at_base_rate(reference)
    run = Run(folder / "job", plan.library, lambda *_: None, lambda *_: None, lambda: "")
    run.folder.mkdir(parents=True, exist_ok=True)
    motions, cost = _learned(plan, row, trial, run)

    def made(name: str, shot: Shot, seed: int) -> Frames:
        out = folder / f"{name}-{seed}.mp4"
        sampling = Sampling(stacking=plan.stacking)
        of_both = {"out": str(out), "motions": motions, "base": plan.base, "seed": seed, "sampling": sampling}
        if not out.exists():
            perform(_making(row, trial, reference, shot, of_both), run)
        return at_base_rate(out)

    own = [motion_fidelity(shown, made("own", trial.shot, seed)) for seed in range(plan.seeds)]
    results = []
    for number, shot in enumerate(prompts_for(trial, plan.prompts)):
        for seed in range(plan.seeds):
            one = measured(shown, made(str(number), shot, seed), shot, trial.shot)
            results.append({"prompt": number, "seed": seed, **asdict(one)})
    return {"schema": SCHEMA, "cost": cost, "own": own, "results": results}


def _learned(plan: Plan, row: Row, trial: Trial, run: Run) -> tuple[tuple[Motion, ...], dict[str, float]]:
    """The motion that the row learns of the trial, and what that costs; written once for all who learn it."""
    if row.method is None:
        return (), {"seconds": 0.0, "parameters": 0, "peak_mib": 0.0}
    cell = cell_folder(plan, row.learner, trial)
    folder, noted = cell / "motion", cell / "cost.json"
    cell.mkdir(parents=True, exist_ok=True)
    with FileLock(cell / "learning.lock"):  # rows may be run side by side
        if not noted.exists():
            write_whole(noted, json.dumps(_learn(plan, row, trial, folder, run)).encode())
    return (Motion(path=str(folder)),), json.loads(noted.read_text(encoding="utf-8"))


def _learn(plan: Plan, row: Row, trial: Trial, folder: Path, run: Run) -> dict[str, float]:
    """What it cost to learn the motion into `folder`, from its first step on: what was stopped began for
    nothing."""
    for begun_before in (folder, run.folder):
        shutil.rmtree(begun_before, ignore_errors=True)
    run.folder.mkdir()
    on_gpu = torch.cuda.is_available()
    reset_peak(on_gpu=on_gpu)
    begun = time.monotonic()
    perform(_learning(plan, row, trial, folder), run)
    files = list(folder.rglob("*.safetensors"))
    return {
        "seconds": time.monotonic() - begun,
        "parameters": sum(t.numel() for file in files for t in read_tensors(file)[0].values()),
        "peak_mib": peak_bytes(on_gpu=on_gpu) / 2**20,
    }


def _learning(plan: Plan, row: Row, trial: Trial, out: Path) -> Learn:
    motion = row.words or words_of(trial)[1]
    several = tuple(
        Clip(path=str(write_reference(plan.out / "references", trial, i)), looks=varied(trial, i)[1])
        for i in range(row.clips)
    )
    regular = known_clips(plan.out / "references", row.regular)
    assert row.method is not None, "rows without a method have nothing to learn"
    return Learn(
        job="bench", clips=several, motion=motion, out=str(out), title=trial.name, base=plan.base,
        method=row.method, quality=plan.quality, steps=plan.steps, checkpoints=1, regular=regular,
    )  # fmt: skip


def _making(
    row: Row, trial: Trial, reference: Path, shot: Shot, of_both: Mapping[str, Any]
) -> Generate | Edit:
    looks, motion = words_of(trial)
    # A motion's own words are added to the prompt by the task.
    prompt = caption(shot).looks if row.method else f"{caption(shot).looks} {motion}"
    if not row.follow:
        return Generate(job="bench", prompt=prompt, **of_both)
    clip = Clip(path=str(reference), looks=looks)
    return Edit(job="bench", prompt=prompt, clip=clip, follow=row.follow, **of_both)


def varied(trial: Trial, number: int) -> tuple[Shot, str]:
    """The reference's motion on the `number`-th subject, and its looks in words; 0 is the reference."""
    if number == 0:
        return trial.shot, words_of(trial)[0]
    looks = prompts_for(trial, number + 8)[-1]
    shot = replace(trial.shot, subject=looks.subject, colour=looks.colour, background=looks.background)
    return shot, caption(shot).looks


def write_reference(folder: Path, trial: Trial, number: int) -> Path:
    """One second of the motion as a movie file, written once."""
    return movie(folder / f"{trial.name.replace(' ', '-')}-{number}.mp4", varied(trial, number)[0])


def known_clips(folder: Path, count: int) -> tuple[Clip, ...]:
    """Clips of motions inside the vocabulary, under their captions, written once."""
    return tuple(
        Clip(path=str(movie(folder / f"known-{i}.mp4", shot)), looks=caption(shot).full)
        for i, shot in enumerate(known_shots(count))
    )


def movie(path: Path, shot: Shot) -> Path:
    """One second of a shot at `path`, written once."""
    if not path.exists():
        film(path, shot)
    return path


def at_base_rate(path: Path) -> Frames:
    """All of the clip (F, H, W, 3) in the starter's size and number of frames.

    A base whose clips last two seconds learned the reference over two: they are watched twice as fast.
    """
    rate = BASE_FRAMES / Fraction(clips.probe(path).seconds).limit_denominator(1000)
    size = (BASE_SIZE, BASE_SIZE)
    return clips.read(Clip(path=str(path)), frames=BASE_FRAMES, fps=rate, size=size)


def read_cells(plan: Plan, row: str) -> dict[str, dict[str, Any]]:
    """The finished cells of a row: motion → cell."""
    found = {}
    for trial in TRIALS:
        path = cell_folder(plan, row, trial) / "cell.json"
        if trial.name in plan.trials and path.exists():
            found[trial.name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write_sheets(plan: Plan) -> None:
    """One contact sheet a row: each reference over the clips made after it."""
    for row in plan.rows:
        shown = []
        for name, cell in read_cells(plan, row).items():
            trial = trial_named(name)
            reference = write_reference(plan.out / "references", trial, 0)
            shown.append((f"reference: {name}", at_base_rate(reference)))
            made = len({one["prompt"] for one in cell["results"]})
            for number, shot in enumerate(prompts_for(trial, made)):
                clip = cell_folder(plan, row, trial) / f"{number}-0.mp4"
                shown.append((caption(shot).looks, at_base_rate(clip)))
        if shown:
            contact_sheet(shown, plan.out / f"{row}.jpg")
