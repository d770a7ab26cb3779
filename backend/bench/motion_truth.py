"""`restage bench motion`: what is measured of motion against what is known of it.

Each measure is held to shots of known motion (`known_motion.py`) at every frame that it claims to know:
within 2 % of the frame, 3 % of zoom, 1° of roll. Where it says that a clip does not tell, it is not asked;
how often it was asked stands beside it. Its ceiling is the mean cosine of the true motion and of the measured
one in its own render; its floor the same with the frames in a random order. For words, the
share right.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.api.library import write_whole
from backend.bench.known_motion import WORDS, Known, blender_shots, world_shots
from backend.media.camera_words import camera_moves, tracked
from backend.media.motion import (
    STEADY,
    CameraPath,
    Movement,
    Subject,
    common_steps,
    movement,
    path_signal,
    signal_fidelity,
)

Array = npt.NDArray[Any]

PLACE, ZOOM, ROLL = 0.02, 0.03, 1.0  # of the frame, as a share, degrees: how far a measure may be wrong
SHUFFLED = 3  # every so many shots are measured in a random order too
STILL = 0.01  # heights of the frame a step, root mean square: below it the truth has no direction
COLUMNS = {  # of a motion signal
    "pan and tilt": slice(3, 5),
    "zoom": slice(5, 6),
    "roll": slice(6, 7),
    "subject's path": slice(0, 2),
}
BOUNDS = {"pan and tilt": PLACE, "zoom": ZOOM, "roll": ROLL, "subject's path": PLACE}
UNITS = {"pan and tilt": " of the frame", "zoom": " of it", "roll": "°", "subject's path": " of the frame"}


@dataclass(frozen=True)
class Row:
    """A line of the table: in how many `shots` the measure claims to know, and in how many it is right."""

    source: str
    measure: str
    shots: int
    told: int
    right: int
    largest: float | None  # error, in the measure's own unit
    ceiling: float | None
    floor: float | None


def errors(known: Known, found: Movement) -> dict[str, float | None]:
    """The largest error of each measure over the frames that it claims to know; None where there are none."""
    camera, told, sure = found.camera, found.told, found.sure
    true = nearest_layer(known, camera)
    shifts = [np.abs(camera.pan - true.pan), np.abs(camera.tilt - true.tilt)]
    shift = [way[sure].max() for way, is_told in zip(shifts, told[2:], strict=True) if is_told]
    away = np.abs(found.subject.centres - known.centres).max(axis=1)[found.subject.told]
    wrong = {
        "pan and tilt": max(shift, default=None),
        "zoom": np.abs(camera.zoom / true.zoom - 1)[sure].max() if told[0] else None,
        "roll": np.abs(camera.roll - true.roll)[sure].max() if told[1] else None,
        "subject's path": away.max() if len(away) and known.alone else None,
    }
    return {name: None if error is None else float(error) for name, error in wrong.items()}


def nearest_layer(known: Known, camera: CameraPath) -> CameraPath:
    """The true path of that layer of the background which was followed."""

    def apart(true: CameraPath) -> float:
        shift = np.abs(camera.pan - true.pan).max() + np.abs(camera.tilt - true.tilt).max()
        return float(shift + np.abs(np.log(camera.zoom / true.zoom)).max())

    return min(known.layers, key=apart)


def true_signal(known: Known, camera: CameraPath) -> Array:
    """The motion signal (steps, 7) of a square shot whose background goes as `camera` says; its subject's
    part is 0 where there are several."""
    turn = np.exp(-1j * np.radians(camera.roll)) / camera.zoom
    places = (known.centres - 0.5 + np.stack([camera.pan, camera.tilt], axis=1)) @ [1, 1j] * turn
    centres = 0.5 + np.stack([places.real, places.imag], axis=1)
    sizes = (known.sizes / camera.zoom).astype(np.float32)
    before = Subject(centres.astype(np.float32), sizes, known.alone, np.ones(len(centres), bool))
    return path_signal(camera, before, 1.0, common_steps(len(centres), len(centres)))


def alike(truth: Array, found: Movement) -> dict[str, float]:
    """Cosine of each measure's part of the truth with what was found, where the truth moves."""
    measured = path_signal(found.camera, found.before, 1.0, len(truth))
    moving = {
        name: columns
        for name, columns in COLUMNS.items()
        if np.linalg.norm(truth[:, columns]) > STILL * np.sqrt(len(truth))
    }
    return {name: signal_fidelity(truth[:, c], measured[:, c]) for name, c in moving.items()}


def true_word(known: Known) -> str | None:
    """What the camera does in a word: none for a hand, still where its background stands still."""
    camera = known.camera
    paths = camera.pan, camera.tilt, np.log(camera.zoom), np.radians(camera.roll)
    return "still" if max(np.ptp(path) for path in paths) < STEADY else WORDS.get(known.words["camera"])


def rows(source: str, shots: Sequence[Known], seed: int = 0) -> list[Row]:
    """Measure shots: a row for each measure."""
    rng = np.random.default_rng(seed)
    found = [movement(known.frames) for known in shots]
    shuffled = {
        n: shots[n].frames[rng.permutation(len(shots[n].frames))] for n in range(0, len(shots), SHUFFLED)
    }
    mixed = {n: movement(frames) for n, frames in shuffled.items()}
    wrong = [errors(known, of) for known, of in zip(shots, found, strict=True)]
    truths = [true_signal(k, nearest_layer(k, f.camera)) for k, f in zip(shots, found, strict=True)]
    ceilings = [alike(truth, of) for truth, of in zip(truths, found, strict=True)]
    floors = [alike(truths[n], of) for n, of in mixed.items()]
    made = []
    for name, bound in BOUNDS.items():
        said = [error for of in wrong if (error := of[name]) is not None]
        means = [_mean([of[name] for of in all if name in of]) for all in (ceilings, floors)]
        right = sum(error < bound for error in said)
        made.append(Row(source, name, len(shots), len(said), right, max(said, default=None), *means))
    names = [camera_moves(of, tracked(known.frames)) for known, of in zip(shots, found, strict=True)]
    chance = {n: camera_moves(of, tracked(shuffled[n])) for n, of in mixed.items()}
    return [*made, _words(source, [true_word(known) for known in shots], names, chance)]


def _words(
    source: str,
    truths: Sequence[str | None],
    names: Sequence[tuple[str, ...]],
    chance: dict[int, tuple[str, ...]],
) -> Row:
    """How often the likeliest name of the camera's move is the true one; `told`: where it is the only one.

    `chance`: shot → what its frames in a random order are called.
    """
    asked = [n for n, truth in enumerate(truths) if truth is not None]
    right = [names[n][0] == truths[n] for n in asked]
    shuffled = [float(said[0] == truths[n]) for n, said in chance.items() if truths[n] is not None]
    alone = sum(len(names[n]) == 1 for n in asked)
    share = _mean([float(r) for r in right])
    return Row(source, "camera's move in a word", len(asked), alone, sum(right), None, share, _mean(shuffled))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def markdown(found: Sequence[Row]) -> str:
    lines = ["| shots | measure | told | right | largest error | ceiling | floor |", "|---" * 7 + "|"]
    for row in found:
        wrong = "" if row.largest is None else f"{row.largest:.3f}{UNITS[row.measure]}"
        told = f"{row.told} of {row.shots}"
        bounds = ["" if value is None else f"{value:.2f}" for value in (row.ceiling, row.floor)]
        cells = [row.source, row.measure, told, str(row.right), wrong, *bounds]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def bench_motion(count: int, seed: int, filmed: Path | None, out: Path) -> str:
    """Measure `count` shots of the world and those that Blender `filmed`; write and return the table."""
    found = rows("world", world_shots(count, seed), seed)
    if filmed:
        found += rows("Blender", blender_shots(filmed), seed)
    table = markdown(found)
    write_whole(out, json.dumps([asdict(row) for row in found], indent=2).encode())
    write_whole(out.with_suffix(".md"), table.encode())
    return table
