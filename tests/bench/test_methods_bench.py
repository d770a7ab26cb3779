"""The table of methods: what its rows and prompts are, and that it goes on where it stopped."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.bench import methods as bench
from backend.bench.measures import diversity, half_way, measured
from backend.bench.methods import at_base_rate, plan_of, run_cells, write_reference
from backend.bench.rows import ROWS, TRIALS, prompts_for, trial_named, words_of
from backend.bench.table import write_table
from backend.errors import UserError
from backend.media.clips import write
from backend.starter.export import PROFILE
from backend.starter.world import MOTIONS_INSIDE, render
from backend.tasks.run import Run

QUIET = lambda *_: None  # noqa: E731


@pytest.mark.parametrize("trial", TRIALS, ids=lambda t: t.name)
def test_prompts_share_neither_subject_nor_colour_nor_background_with_the_reference(
    trial: bench.Trial,
) -> None:
    shots = prompts_for(trial, 5)
    for name in ("subject", "colour", "background"):
        values = [getattr(s, name) for s in shots]
        assert getattr(trial.shot, name) not in values
        # A camera's move shows before five grounds of the vocabulary: one may be the reference's.
        assert len(set(values)) == (5 if name != "background" or trial.shot.camera == "locked" else 4)
    if trial.shot.camera != "locked":
        assert not {"gray wall", "brown ground", "blue sea"} & {s.background for s in shots}


@pytest.mark.parametrize("trial", TRIALS, ids=lambda t: t.name)
def test_every_motion_is_outside_the_vocabulary_and_has_words(trial: bench.Trial) -> None:
    assert trial.shot.motion not in MOTIONS_INSIDE or trial.shot.camera in ("whip pan", "roll")
    looks, motion = words_of(trial)
    assert trial.shot.colour in looks
    assert motion
    assert "standing still" not in motion


def test_a_reference_measured_against_itself_is_followed_and_leaks_its_looks(tmp_path: Path) -> None:
    trial = TRIALS[0]
    frames = at_base_rate(write_reference(tmp_path, trial, 0))
    found = measured(frames, frames, prompts_for(trial, 1)[0], trial.shot)
    assert found.fidelity > 0.99
    assert found.leak
    assert not found.text
    assert measured(
        frames, frames, trial.shot, replace(trial.shot, subject="x", colour="x", background="x")
    ).text


def test_a_clip_of_two_seconds_is_compared_with_the_whole_reference(tmp_path: Path) -> None:
    trial = trial_named("circle")
    reference = at_base_rate(write_reference(tmp_path, trial, 0))
    slow = render([trial.shot], size=64, frames=16, fps=16).frames[0].movedim(1, -1)
    write(tmp_path / "slow.mp4", (slow * 255).round().byte().numpy(), Fraction(8), {})
    assert measured(reference, at_base_rate(tmp_path / "slow.mp4"), trial.shot, trial.shot).fidelity > 0.99


def test_the_way_is_half_gone_earlier_where_it_is_begun_faster() -> None:
    even, x = np.linspace(0, 1, 8), np.zeros(8)
    assert half_way(np.stack((even, x), 1)) == pytest.approx(0.5)
    assert half_way(np.stack((np.sqrt(even), x), 1)) == pytest.approx(0.25, abs=0.02)
    assert half_way(np.random.default_rng(0).normal(0, 0.005, (8, 2))) == 0.5  # tracked, and still


def test_diversity_is_the_distance_between_seeds() -> None:
    cell = {"results": [{"prompt": 0, "seed": s, "spread": [0.3 * s, 0, 0, 0.4 * s, 0]} for s in (0, 1)]}
    assert diversity([cell]) == pytest.approx(0.5)
    assert diversity([]) == 0


@pytest.mark.parametrize(
    ("what", "given"), [("row", {"rows": ["magic"]}), ("motion", {"motions": ["circle", "magic"]}),
                        ("quality", {"quality": "magic"}), ("stacking", {"stacking": "magic"})]
)  # fmt: skip
def test_what_is_unknown_is_refused_in_a_sentence(what: str, given: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"no {what} 'magic'"):
        plan_of(tmp_path, tmp_path, "starter", full=False, **given)


def test_only_the_motions_asked_for_are_run(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, tmp_path, "starter", full=False, motions=["bounce", "circle", "zigzag"])
    assert plan.trials == ("circle", "bounce", "zigzag")


def test_the_table_says_which_version_of_the_base_it_is_of(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, tmp_path, "starter", full=False, motions=["circle"])
    assert f"base starter {PROFILE['version']}, quality" in write_table(plan)


def test_the_core_is_four_motions_and_leaves_rows_to_the_full_table(tmp_path: Path) -> None:
    core, full = (plan_of(tmp_path, tmp_path, "starter", full=f) for f in (False, True))
    assert (len(core.trials), core.prompts, core.seeds, core.stacking) == (4, 3, 2, "added")
    assert set(core.rows) < set(full.rows) == set(ROWS)


def test_rows_that_differ_in_sampling_alone_share_what_is_learned() -> None:
    shared = {name: row.learner for name, row in ROWS.items() if row.method and row.learner != name}
    learners = {"customize": "customize", "vmc": "vmc-16", "director": "director", "token": "token"}
    assert shared == {f"{name}-inversion": learner for name, learner in learners.items()}


def test_the_bench_goes_on_where_it_stopped_and_writes_its_table(
    tmp_path: Path, toy_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ["caption", "t-lora"]
    plan = replace(
        plan_of(tmp_path / "out", tmp_path / "library", str(toy_base), full=False, rows=rows),
        trials=("circle",), prompts=1, seeds=2, steps=1, stacking="filmed",
    )  # fmt: skip
    run_cells(plan, QUIET)
    monkeypatch.setattr(bench, "perform", lambda *_: pytest.fail("a finished cell was run again"))
    run_cells(plan, QUIET)
    with pytest.raises(UserError, match="other settings"):
        run_cells(replace(plan, quality="best"), QUIET)
    table = write_table(plan)
    assert "base, caption only" in table
    assert "T-LoRA, no absorber" in table
    clip = bench.cell_folder(plan, "t-lora", TRIALS[0]) / "0-0.mp4.json"
    assert json.loads(clip.read_text())["request"]["sampling"]["stacking"] == "filmed"
    found = json.loads((plan.out / "methods.json").read_text())
    cells = json.loads((plan.out / "cells.json").read_text())
    assert cells["t-lora"]["circle"]["results"][0].keys() >= {"fidelity", "text", "leak", "spread"}
    assert found["rows"]["t-lora"]["parameters"] > 0
    assert found["rows"]["caption"]["fidelity"]["count"] == 2
    assert found["rows"]["t-lora"]["own"]["count"] == 2
    assert (plan.out / "t-lora.jpg").exists()
    (bench.cell_folder(plan, "t-lora", TRIALS[0]) / "cell.json").unlink()
    partial = write_table(replace(plan, rows=("caption", "t-lora"), trials=("circle", "pendulum")))
    assert "base, caption only (1 of 2 motions)" in partial
    assert "| base, caption only | " in partial.splitlines()[-1]
    assert partial.splitlines()[-1].endswith("| – |")


def test_learning_that_was_stopped_begins_anew_so_that_its_cost_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tmp_path, tmp_path, "starter", full=False, rows=["t-lora"], motions=["circle"])
    stopped = bench.cell_folder(plan, "t-lora", TRIALS[0]) / "job" / "checkpoints"
    stopped.mkdir(parents=True)
    (stopped / "400").write_text("a step")
    seen: list[bool] = []

    def learn(request: object, run: Run) -> None:
        seen.append(stopped.exists())
        raise UserError("Stopped again.", "")

    monkeypatch.setattr(bench, "perform", learn)
    with pytest.raises(UserError, match="Stopped again"):
        run_cells(plan, QUIET)
    assert seen == [False]
