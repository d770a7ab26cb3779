"""The bench of measured motion: what it counts as right, and its table."""

import json

import numpy as np

from backend.bench.known_motion import Known, shot
from backend.bench.motion_truth import alike, errors, true_signal, true_word
from backend.media.motion import CameraPath, Movement, Subject

from .conftest import Bench


def perfect() -> tuple[Known, Movement]:
    """A shot, and a measure of it that is the truth itself."""
    known = shot("pan right", "circle", "brick wall", subject="triangle")
    everywhere = np.ones(len(known.frames), bool)
    subject = Subject(known.centres, known.sizes, True, everywhere)
    shift = np.stack([known.camera.pan, known.camera.tilt], axis=1)
    before = Subject(known.centres + shift, known.sizes, True, everywhere)
    return known, Movement(known.camera, np.ones(4, bool), everywhere, subject, before)


def test_the_truth_is_right_in_every_measure_and_like_itself() -> None:
    known, found = perfect()
    assert max(error or 0 for error in errors(known, found).values()) < 1e-6
    assert min(alike(true_signal(known, known.camera), found).values()) > 0.999
    assert set(alike(true_signal(known, known.camera), found)) == {"pan and tilt", "subject's path"}
    assert true_word(known) == "pan"


def test_what_a_measure_does_not_claim_to_know_is_not_held_against_it() -> None:
    known, found = perfect()
    path = found.camera
    wrong = CameraPath(path.pan + 0.1 * (np.arange(8) > 5), path.tilt, path.zoom * 1.5, path.roll)
    said = Movement(
        wrong, np.array([False, True, True, True]), np.arange(8) <= 5, found.subject, found.before
    )
    assert errors(known, said)["zoom"] is None
    assert (errors(known, said)["pan and tilt"] or 0) < 1e-6


def test_the_command_writes_a_row_for_each_measure(bench: Bench) -> None:
    said, out = bench("motion", "--shots", "2")
    rows = json.loads(out.read_text())
    assert [row["measure"] for row in rows][:3] == ["pan and tilt", "zoom", "roll"]
    assert all(row["right"] <= row["shots"] for row in rows)
    assert out.with_suffix(".md").read_text() in said
