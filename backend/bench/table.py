"""The table of `restage bench methods`, as Markdown and JSON."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from backend.api.library import write_whole
from backend.api.protocol import Clip
from backend.bench.intervals import Mean, mean_of
from backend.bench.measures import Summary, diversity, summary
from backend.bench.methods import (
    Frames,
    Plan,
    at_base_rate,
    cell_folder,
    read_cells,
    write_reference,
    write_sheets,
)
from backend.bench.rows import ROWS, TRIALS, Trial, prompts_for, words_of
from backend.media import clips
from backend.media.motion import fidelity_bounds
from backend.starter.world import caption

Score = Callable[[Frames, str], dict[str, float]]


def bounds(plan: Plan) -> dict[str, float]:
    """Ceiling and floor of motion fidelity (`media.motion.fidelity_bounds`), means over the references."""
    paths = [write_reference(plan.out / "references", t, 0) for t in TRIALS if t.name in plan.trials]
    found = [fidelity_bounds(at_base_rate(path)) for path in paths]
    return {
        "ceiling": mean_of([b.ceiling for b in found]).mean,
        "floor": mean_of([b.floor for b in found]).mean,
    }


def figures(plan: Plan) -> dict[str, Any]:
    """All finished rows, ready for JSON."""
    cells = {row: read_cells(plan, row) for row in plan.rows}
    base = diversity(list(cells.get("caption", {}).values()))
    scores = {
        row: {column: asdict(mean_of(values)) for column, values in of.items()}
        for row, of in learned_scores(plan).items()
    }
    return {
        "date": date.today().isoformat(),
        "base": plan.base,
        "quality": plan.quality,
        "motions": list(plan.trials),
        "prompts": plan.prompts,
        "seeds": plan.seeds,
        "bounds": bounds(plan),
        "rows": {row: asdict(summary(list(of.values()), base)) for row, of in cells.items() if of},
        "scores": scores,
        "motions_done": {row: list(of) for row, of in cells.items()},
        "fidelity_by_motion": {
            row: {name: mean_of([r["fidelity"] for r in cell["results"]]).mean for name, cell in of.items()}
            for row, of in cells.items()
        },
    }


def learned_scores(plan: Plan) -> dict[str, dict[str, list[float]]]:
    """Row → column → a value for each clip, by the models that the plan names; kept beside the clips."""
    if not (plan.clip or plan.pick):
        return {}
    from backend.bench.learned_scores import Scorer  # loads a large model

    named = {"clip": plan.clip, "pick": plan.pick}
    scorers = {kind: getattr(Scorer(folder), kind) for kind, folder in named.items() if folder}
    found: dict[str, dict[str, list[float]]] = {}
    for row in plan.rows:
        columns = found.setdefault(row, {})
        for name, cell in read_cells(plan, row).items():
            trial = next(t for t in TRIALS if t.name == name)
            for kind, score in scorers.items():
                folder, model = cell_folder(plan, row, trial), f"{kind} {named[kind]}"
                for values in _scored(folder, trial, cell, model, score):
                    for column, value in values.items():
                        columns.setdefault(column, []).append(value)
    return found


def _scored(
    folder: Path, trial: Trial, cell: dict[str, Any], model: str, score: Score
) -> Iterator[dict[str, float]]:
    """Each clip of a cell, as it is in its file, under all the words of its prompt."""
    kept = folder / "scores.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for one in cell["results"]:
        clip = f"{one['prompt']}-{one['seed']}.mp4"
        scores = known.setdefault(model, {})
        if clip not in scores:
            shot = prompts_for(trial, one["prompt"] + 1)[-1]
            scores[clip] = score(_whole(folder / clip), f"{caption(shot).looks} {words_of(trial)[1]}")
            write_whole(kept, json.dumps(known).encode())
        yield scores[clip]


def _whole(path: Path) -> Frames:
    facts = clips.probe(path)
    return clips.read(Clip(path=str(path)), frames=facts.frames, fps=facts.rate, size=None)


def markdown(found: dict[str, Any]) -> str:
    lines = [
        f"{found['date']}, base {found['base']}, quality {found['quality']}: {len(found['motions'])} motions "
        f"({', '.join(found['motions'])}) × {found['prompts']} prompts × {found['seeds']} seeds; 95 % "
        f"bootstrap intervals. Fidelity's ceiling {found['bounds']['ceiling']:.2f}, "
        f"floor {found['bounds']['floor']:.2f}.",
        "",
        "| row | fidelity | text right | leak | consistency | diversity | learning | parameters | peak |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    more = list(dict.fromkeys(column for of in found["scores"].values() for column in of))
    lines[-2:] = [f"{lines[-2]}{''.join(f' {column} |' for column in more)}", lines[-1] + "---|" * len(more)]
    for name, values in found["rows"].items():
        scores = [Mean(**found["scores"][name][column]).decimal() for column in more]
        lines.append(_line(name, values, scores))
    return "\n".join(lines) + "\n"


def _line(name: str, values: dict[str, Any], scores: list[str]) -> str:
    row = Summary(**{k: _again(v) for k, v in values.items()})
    cells = [
        ROWS[name].title,
        row.fidelity.decimal(),
        row.text.percent(),
        row.leak.percent(),
        row.consistency.decimal(),
        f"{row.diversity:.2f}",
        f"{row.seconds:.0f} s",
        f"{row.parameters:,}",
        f"{row.peak_mib:.0f} MiB",
        *scores,
    ]
    return f"| {' | '.join(cells)} |"


def _again(value: Any) -> Any:
    return Mean(**value) if isinstance(value, dict) else value


def write_table(plan: Plan) -> str:
    """Write methods.json, methods.md and the contact sheets into the plan's folder; return the table."""
    found = figures(plan)
    table = markdown(found)
    write_whole(plan.out / "methods.json", json.dumps(found, indent=2).encode())
    write_whole(plan.out / "methods.md", table.encode())
    write_sheets(plan)
    return table
