"""The table of `restage bench methods`, as Markdown and JSON."""

import json
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np

from backend.api.library import write_whole
from backend.bench.intervals import Mean, mean_of
from backend.bench.measures import Summary, diversity, summary
from backend.bench.methods import Plan, at_base_rate, read_cells, write_reference, write_sheets
from backend.bench.rows import ROWS, TRIALS
from backend.media.motion import motion_fidelity


def bounds(plan: Plan) -> dict[str, float]:
    """What the fidelity of a perfect result and of one without the motion would be.

    Ceiling: each reference at the base's size, against itself read at twice that size.
    Floor: each reference against itself with its frames in a random order.
    """
    ceilings, floors = [], []
    for trial in TRIALS:
        if trial.name in plan.trials:
            path = write_reference(plan.out / "references", trial, 0)
            frames = at_base_rate(path)
            rng = np.random.default_rng(0)
            ceilings.append(motion_fidelity(frames, at_base_rate(path, smaller=2)))
            floors += [motion_fidelity(frames, frames[rng.permutation(len(frames))]) for _ in range(8)]
    return {"ceiling": mean_of(ceilings).mean, "floor": mean_of(floors).mean}


def figures(plan: Plan) -> dict[str, Any]:
    """All finished rows, ready for JSON."""
    cells = {row: read_cells(plan, row) for row in plan.rows}
    base = diversity(list(cells.get("caption", {}).values()))
    return {
        "date": date.today().isoformat(),
        "base": plan.base,
        "quality": plan.quality,
        "motions": list(plan.trials),
        "prompts": plan.prompts,
        "seeds": plan.seeds,
        "bounds": bounds(plan),
        "rows": {row: asdict(summary(list(of.values()), base)) for row, of in cells.items() if of},
        "motions_done": {row: list(of) for row, of in cells.items()},
        "fidelity_by_motion": {
            row: {name: mean_of([r["fidelity"] for r in cell["results"]]).mean for name, cell in of.items()}
            for row, of in cells.items()
        },
    }


def markdown(found: dict[str, Any]) -> str:
    lines = [
        f"{found['date']}, base {found['base']}, quality {found['quality']}: {len(found['motions'])} motions "
        f"({', '.join(found['motions'])}) × {found['prompts']} prompts × {found['seeds']} seeds; 95 % "
        f"bootstrap intervals. Fidelity's ceiling {found['bounds']['ceiling']:.2f}, "
        f"floor {found['bounds']['floor']:.2f}.",
        "",
        "| row | fidelity | text right | leak | diversity | learning | parameters | peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, values in found["rows"].items():
        row = Summary(**{k: _again(v) for k, v in values.items()})
        lines.append(
            f"| {ROWS[name].title} | {row.fidelity.decimal()} | {row.text.percent()} | {row.leak.percent()} "
            f"| {row.diversity:.2f} | {row.seconds:.0f} s | {row.parameters:,} | {row.peak_mib:.0f} MiB |"
        )
    return "\n".join(lines) + "\n"


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
