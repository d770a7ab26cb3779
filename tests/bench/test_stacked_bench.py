"""The bench of two motions in one clip."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.api import bases
from backend.api.bases import STARTER
from backend.bench.methods import at_base_rate, keep_to, write_reference
from backend.bench.stacked import CAMERA, SHOWN_ON, SUBJECT
from backend.bench.starter import load, round_trip
from backend.cli.main import app
from backend.errors import UserError
from backend.media.motion import layer_fidelity
from backend.starter.judge import judge
from backend.starter.world import Shot, render


def test_it_learns_two_motions_and_says_how_closely_each_is_followed(toy_base: Path, tmp_path: Path) -> None:
    """One clip is there already, and moves as the camera's reference does: it is measured, not made again."""
    write_reference(tmp_path, CAMERA, 0).rename(tmp_path / "0-0-both, apart.mp4")
    command = ["bench", "stacked", "--out", str(tmp_path), "--base", str(toy_base), "--prompts", "1"]
    command += ["--seeds", "1", "--steps", "1"]
    said = CliRunner().invoke(app, command, catch_exceptions=False).output
    rows = [line.split(" | ")[0].removeprefix("| ") for line in said.splitlines()[2:10]]
    both = [f"both, {how}" for how in ("added", "balanced", "apart", "filmed")]
    assert rows == ["words", "subject", "camera", *both, "ceiling"]
    assert (tmp_path / "stacked.md").read_text() in said
    assert (tmp_path / "stacked.png").stat().st_size > 1000
    figures = json.loads((tmp_path / "stacked.json").read_text())
    assert figures["both, apart"]["camera"]["mean"] > 0.99
    assert figures["both, apart"]["both"] == {"mean": 0, "low": 0, "high": 0, "count": 1}
    assert figures["ceiling"]["both"]["mean"] == 1, "on this ground the measure finds both"
    assert figures["ceiling"]["both judged"]["mean"] == 1, "and so does the judge"
    assert figures["subject"]["judged"]["mean"] == 0
    ways = ("words", "camera", "both, added", "both, balanced", "both, filmed")
    asked = {way: json.loads((tmp_path / f"0-0-{way}.mp4.json").read_text()) for way in ways}
    assert asked["both, added"]["request"]["sampling"]["stacking"] == "added"
    assert [asked[f"both, {how}"]["request"]["balance"] for how in ("added", "balanced")] == [0, 1]
    assert asked["both, filmed"]["request"]["sampling"]["stacking"] == "filmed"
    acted = [(Path(m["path"]).name, m["strength"]) for m in asked["camera"]["request"]["motions"]]
    assert acted == [("pan", 1.0)]
    assert asked["words"]["request"]["motions"] == []
    assert asked["words"]["request"]["prompt"].endswith("moving in a circle while the camera pans left")


@pytest.mark.parametrize("shot", SHOWN_ON, ids=lambda shot: f"{shot.subject} {shot.background}")
def test_on_its_grounds_both_motions_are_found_through_the_starters_autoencoder(
    shot: Shot, tmp_path: Path
) -> None:
    both = replace(shot, motion=SUBJECT.shot.motion, camera=CAMERA.shot.camera)
    back = round_trip(load(STARTER), render([both], size=64, frames=8, fps=8).frames)[0]
    frames = (back.movedim(1, -1) * 255).round().byte().numpy()
    references = [at_base_rate(write_reference(tmp_path, trial, 0)) for trial in (SUBJECT, CAMERA)]
    assert min(layer_fidelity(*references, frames)) > 0.9
    assert judge(back, shot.background, 8.0).camera == CAMERA.shot.camera


def test_a_folder_of_another_starter_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_to(tmp_path / "bench", "starter", steps=1)
    keep_to(tmp_path / "bench", "starter", steps=1)
    monkeypatch.setattr(bases, "STARTER", tmp_path)
    with pytest.raises(UserError, match="other settings"):
        keep_to(tmp_path / "bench", "starter", steps=1)
