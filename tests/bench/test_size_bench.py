"""Time and memory at another size: the command runs the real family and method."""

import json

from .conftest import Bench


def test_every_memory_mode_is_measured(bench: Bench) -> None:
    said, out = bench("size", "--steps", "1")
    found = json.loads(out.read_text())
    assert [cost["mode"] for cost in found["costs"]] == ["fast", "balanced", "low"]
    assert all(cost["learning_step"] > 0 and cost["generation_step"] > 0 for cost in found["costs"])
    assert "| low |" in said
