"""The benches as a user starts them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.cli.main import app

Bench = Callable[..., tuple[str, Path]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Run `restage bench NAME …`: what it printed, and where it wrote its figures."""

    def run(name: str, *arguments: str) -> tuple[str, Path]:
        out = tmp_path / f"{name}.json"
        command = ["bench", name, *arguments, "--out", str(out)]
        done = CliRunner().invoke(app, command, catch_exceptions=False)
        assert done.exit_code == 0
        return done.output, out

    return run
