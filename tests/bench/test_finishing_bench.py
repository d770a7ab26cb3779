"""The bench of frames between frames."""

import json

from .conftest import Bench


def test_flow_is_nearer_to_what_happens_than_blending_and_that_than_holding(bench: Bench) -> None:
    said, out = bench("finishing", "--shots", "3")
    psnr = {name: mean["mean"] for name, mean in json.loads(out.read_text())["psnr"].items()}
    assert psnr["flow"] > psnr["blended"] + 1 > psnr["held"] + 2
    assert "| flow |" in said
