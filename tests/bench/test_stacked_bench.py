"""The bench of two motions in one clip."""

import json
from pathlib import Path

from typer.testing import CliRunner

from backend.bench.methods import write_reference
from backend.bench.stacked import CAMERA
from backend.cli.main import app


def test_it_learns_two_motions_and_says_how_closely_each_is_followed(toy_base: Path, tmp_path: Path) -> None:
    """One clip is there already, and moves as the camera's reference does: it is measured, not made again."""
    write_reference(tmp_path, CAMERA, 0).rename(tmp_path / "0-0-both.mp4")
    command = ["bench", "stacked", "--out", str(tmp_path), "--base", str(toy_base), "--prompts", "1"]
    command += ["--seeds", "1", "--steps", "1"]
    said = CliRunner().invoke(app, command, catch_exceptions=False).output
    rows = [line.split(" | ")[0] for line in said.splitlines()[2:7]]
    assert rows == ["| words", "| subject", "| camera", "| both", "| ceiling"]
    assert (tmp_path / "stacked.md").read_text() in said
    assert (tmp_path / "stacked.png").stat().st_size > 1000
    figures = json.loads((tmp_path / "stacked.json").read_text())
    assert figures["both"]["camera"]["mean"] > 0.99
    assert figures["both"]["both"] == {"mean": 0, "low": 0, "high": 0, "count": 1}
    assert figures["ceiling"]["both"]["mean"] == 1, "on this ground the measure finds both"
    asked = {way: json.loads((tmp_path / f"0-0-{way}.mp4.json").read_text()) for way in ("words", "camera")}
    acted = [(Path(m["path"]).name, m["strength"]) for m in asked["camera"]["request"]["motions"]]
    assert acted == [("pan", 1.0)]
    assert asked["words"]["request"]["motions"] == []
    assert asked["words"]["request"]["prompt"].endswith("moving in a circle while the camera pans left")
