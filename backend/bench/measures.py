"""What is measured of each clip in `restage bench methods`, and what rows are told from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from backend.bench.intervals import Mean, mean_of
from backend.media.consistency import warped_error
from backend.media.motion import motion_fidelity
from backend.media.subject import find_subject
from backend.starter.judge import judge
from backend.starter.world import FIRST, Shot

Frames = npt.NDArray[np.uint8]
STILL = 0.15
"""So long is the path of a subject in eight frames at most, in frames, that moves by its tracking alone."""
ASKED = ("colour", "background", "subject")


@dataclass(frozen=True)
class Measured:
    """One clip against its reference and its prompt.

    `text`: colour, background and subject all as asked for; `leak`: one of them is the reference's instead;
    `consistency`: the flow-warped error between frames, in levels of 255, lower is better;
    `spread`: where the subject starts, how large it is and how far it goes, in frames, and when it has gone
    half its way, as a share of the clip: compared over seeds as they are, so that a quarter of the clip
    counts like a quarter of the frame.
    """

    fidelity: float
    text: bool
    leak: bool
    consistency: float
    spread: tuple[float, ...]


def measured(reference: Frames, result: Frames, asked: Shot, source: Shot) -> Measured:
    """Clips (F, H, W, 3) at the base's rate and size; what was `asked` for and the `source` of the motion."""
    seen = judge(torch.from_numpy(result).movedim(-1, 1) / 255, asked.background, 8.0, FIRST)
    found = [getattr(seen, name) for name in ASKED]
    return Measured(
        fidelity=round(motion_fidelity(reference, result), 4),
        text=found == [getattr(asked, name) for name in ASKED],
        leak=any(value == getattr(source, name) for value, name in zip(found, ASKED, strict=True)),
        consistency=round(warped_error(result), 2),
        spread=_spread_of(result),
    )


def _spread_of(frames: Frames) -> tuple[float, ...]:
    subject = find_subject(frames)
    centres = np.asarray(subject.centres, dtype=np.float64)
    extent = np.ptp(centres, axis=0)
    values = (*centres[0], float(np.mean(subject.sizes)), *extent, half_way(centres))
    return tuple(round(float(v), 4) for v in values)


def half_way(centres: npt.NDArray[np.float64]) -> float:
    """When a path (F, 2), in frames, has half its length behind it, as a share of its time.

    0.5 of what keeps still: there only the tracking moves.
    """
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(centres, axis=0), axis=1))])
    if gone[-1] < STILL:
        return 0.5
    return float(np.interp(gone[-1] / 2, gone, np.linspace(0, 1, len(gone))))


def diversity(cells: Sequence[dict[str, Any]]) -> float:
    """Mean distance between the spreads of two seeds of one prompt."""
    distances = []
    for cell in cells:
        for prompt in {one["prompt"] for one in cell["results"]}:
            spreads = [np.array(one["spread"]) for one in cell["results"] if one["prompt"] == prompt]
            distances += [float(np.linalg.norm(a - b)) for a, b in combinations(spreads, 2)]
    return float(np.mean(distances)) if distances else 0.0


@dataclass(frozen=True)
class Summary:
    """A row of the table: means over its clips, costs over its motions; `own` is the fidelity of clips whose
    prompt is the reference's own caption, all else is of other subjects."""

    fidelity: Mean
    own: Mean
    text: Mean
    leak: Mean
    consistency: Mean
    diversity: float  # as a share of the base's, where the base's row is there
    seconds: float
    parameters: int
    peak_mib: float


def summary(cells: Sequence[dict[str, Any]], base_diversity: float) -> Summary:
    """One row's finished cells → its line of the table."""
    results = [one for cell in cells for one in cell["results"]]
    costs = [cell["cost"] for cell in cells]
    return Summary(
        fidelity=mean_of([one["fidelity"] for one in results]),
        own=mean_of([one for cell in cells for one in cell["own"]]),
        text=mean_of([one["text"] for one in results]),
        leak=mean_of([one["leak"] for one in results]),
        consistency=mean_of([one["consistency"] for one in results]),
        diversity=diversity(cells) / base_diversity if base_diversity else float("nan"),
        seconds=float(np.mean([cost["seconds"] for cost in costs])),
        parameters=int(np.mean([cost["parameters"] for cost in costs])),
        peak_mib=max(cost["peak_mib"] for cost in costs),
    )
