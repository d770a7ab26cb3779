"""The table of `restage bench methods`, as Markdown and JSON."""

import json
from dataclasses import asdict
from datetime import date
from typing import Any

from backend.api.library import write_whole
from backend.bench.intervals import Mean, mean_of
from backend.bench.measures import Summary, diversity, summary
from backend.bench.methods import Plan, at_base_rate, read_cells, write_reference, write_sheets
from backend.bench.rows import ROWS, TRIALS
from backend.families.profile import read_profile
from backend.families.weights import find_base
from backend.media.motion import fidelity_bounds

COLUMNS = (
    "row", "fidelity", "own caption", "text right", "leak", "consistency", "diversity", "learning",
    "parameters", "peak",
)  # fmt: skip


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
    scores: dict[str, dict[str, list[float]]] = {}
    if plan.scorers:
        from backend.bench.learned_scores import scores_of  # loads a large library

        scores = scores_of(plan)
    return {
        "date": date.today().isoformat(),
        "base": plan.base,
        "version": read_profile(find_base(plan.base, plan.library), plan.base, None).version,
        "quality": plan.quality,
        "motions": list(plan.trials),
        "prompts": plan.prompts,
        "seeds": plan.seeds,
        "bounds": bounds(plan),
        "rows": {row: asdict(summary(list(of.values()), base)) for row, of in cells.items() if of},
        "scores": {
            row: {column: asdict(mean_of(values)) for column, values in of.items()}
            for row, of in scores.items()
        },
        "motions_done": {row: list(of) for row, of in cells.items()},
        "fidelity_by_motion": {
            row: {name: mean_of([r["fidelity"] for r in cell["results"]]).mean for name, cell in of.items()}
            for row, of in cells.items()
        },
    }


def markdown(found: dict[str, Any]) -> str:
    base = f"{found['base']} {found['version'] or ''}".strip()
    lines = [
        f"{found['date']}, base {base}, quality {found['quality']}: {len(found['motions'])} motions "
        f"({', '.join(found['motions'])}) × {found['prompts']} prompts × {found['seeds']} seeds; 95 % "
        f"bootstrap intervals. Fidelity's ceiling {found['bounds']['ceiling']:.2f}, "
        f"floor {found['bounds']['floor']:.2f}.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
    ]
    more = list(dict.fromkeys(column for of in found["scores"].values() for column in of))
    lines[-2:] = [f"{lines[-2]}{''.join(f' {column} |' for column in more)}", lines[-1] + "---|" * len(more)]
    for name, values in found["rows"].items():
        scores = [Mean(**found["scores"][name][column]).decimal() for column in more]
        lines.append(_line(_title(name, found), values, scores))
    return "\n".join([*lines, "", *_by_motion(found)]) + "\n"


def _title(name: str, found: dict[str, Any]) -> str:
    """The row's, with how many motions it was run on where not on all: its means do not compare then."""
    done, all = len(found["motions_done"][name]), len(found["motions"])
    return ROWS[name].title if done == all else f"{ROWS[name].title} ({done} of {all} motions)"


def _by_motion(found: dict[str, Any]) -> list[str]:
    """Fidelity's means, row by motion; a dash where a row was not run."""
    motions = found["motions"]
    lines = [f"| fidelity | {' | '.join(motions)} |", "|---" * (len(motions) + 1) + "|"]
    for name, of in found["fidelity_by_motion"].items():
        values = [f"{of[motion]:.2f}" if motion in of else "–" for motion in motions]
        lines += [f"| {ROWS[name].title} | {' | '.join(values)} |"] if of else []
    return lines


def _line(title: str, values: dict[str, Any], scores: list[str]) -> str:
    row = Summary(**{k: _again(v) for k, v in values.items()})
    cells = [
        title,
        row.fidelity.decimal(),
        row.own.decimal(),
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
    """Write methods.json, methods.md and the contact sheets into the plan's folder; return the table.

    And cells.json, what was measured of each clip: everything in the table can be told from it again.
    """
    found = figures(plan)
    table = markdown(found)
    cells = {row: read_cells(plan, row) for row in plan.rows}
    write_whole(plan.out / "cells.json", json.dumps(cells).encode())
    write_whole(plan.out / "methods.json", json.dumps(found, indent=2).encode())
    write_whole(plan.out / "methods.md", table.encode())
    write_sheets(plan)
    return table
