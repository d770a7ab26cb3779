"""The README names every method there is, in the words of its settings."""

from pathlib import Path

import pytest

from backend.methods import METHODS


@pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.__name__)
def test_the_readme_has_a_row_for_it(kind: type) -> None:
    title, paper = str(kind.__doc__).split(" (")[0], str(kind.__doc__).split("arXiv ")[1].split(")")[0]
    rows = [
        row
        for row in (Path(__file__).parents[2] / "README.md").read_text("utf-8").splitlines()
        if row.startswith(f"| {title} ")
    ]
    assert sum(paper in row for row in rows) == 1
