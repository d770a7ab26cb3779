"""Time and memory at another size: the command runs the real family and method."""

import json
from pathlib import Path

from typer.testing import CliRunner

from backend.cli.main import app


def test_every_memory_mode_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "size.json"
    done = CliRunner().invoke(
        app, ["bench", "size", "--steps", "1", "--out", str(out)], catch_exceptions=False
    )
    assert done.exit_code == 0
    found = json.loads(out.read_text())
    assert [cost["mode"] for cost in found["costs"]] == ["fast", "balanced", "low"]
    assert all(cost["learning_step"] > 0 and cost["generation_step"] > 0 for cost in found["costs"])
    assert "| low |" in done.output
