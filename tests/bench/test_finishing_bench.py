"""The bench of frames between frames."""

import json

from .conftest import Bench


def test_flow_is_nearer_to_what_happens_than_blending_and_that_than_holding(bench: Bench) -> None:
    said, out = bench("finishing", "--shots", "3")
    for kind, ways in json.loads(out.read_text())["psnr"].items():
        psnr = {way: mean["mean"] for way, mean in ways.items()}
        assert psnr["flow"] > psnr["blended"] + 1 > psnr["held"] + 2, kind
    assert "| flow |" in said
    assert "3 of those to learn" in said
