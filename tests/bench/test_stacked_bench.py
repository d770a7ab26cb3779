"""The bench of two motions in one clip."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.bench import stacked
from backend.cli.main import app


def test_it_learns_two_motions_and_says_how_closely_each_is_followed(
    toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["bench", "stacked", "--out", str(tmp_path), "--base", str(toy_base), "--prompts", "1"]
    command += ["--seeds", "1", "--steps", "1"]
    said = CliRunner().invoke(app, command, catch_exceptions=False).output
    assert [line.split(" | ")[0] for line in said.splitlines()[2:6]] == [
        "| words",
        "| subject",
        "| camera",
        "| both",
    ]
    assert (tmp_path / "stacked.md").read_text() in said
    assert (tmp_path / "stacked.png").stat().st_size > 1000
    figures = json.loads((tmp_path / "stacked.json").read_text())
    assert figures["both"]["camera"]["count"] == 1
    acted = json.loads((tmp_path / "0-0-both.mp4.json").read_text())["request"]["motions"]
    assert [(Path(m["path"]).name, m["strength"]) for m in acted] == [("circle", 1.0), ("pan", 1.0)]
    (tmp_path / "0-0-both.mp4").write_bytes((tmp_path / "references" / "pan-0.mp4").read_bytes())
    monkeypatch.setattr(stacked, "perform", lambda *_: pytest.fail("made again"))
    CliRunner().invoke(app, command, catch_exceptions=False)
    again = json.loads((tmp_path / "stacked.json").read_text())
    assert again["both"]["camera"]["high"] > 0.99
    assert again["both"]["both"]["mean"] == 0
