"""A strength that changes over the clip, on the shipped starter: what acts in its second half alone.

The base pans by the motion's words alone, which go with its strength: were they said throughout, so would the
camera. That weights keep to their frames is shown layer by layer in `tests/diffusion/test_stacking.py`.
"""

from pathlib import Path

import numpy as np

from backend.api.protocol import Clip, Generate, Key, Learn, Motion
from backend.api.settings import CustomizeAVideo
from backend.bench.methods import at_base_rate
from backend.bench.reference import film
from backend.bench.rows import words_of
from backend.bench.stacked import CAMERA
from backend.media.motion import movement
from backend.tasks import perform
from tests.conftest import quiet_run

LOOKS, WORDS = words_of(CAMERA)
HALVES = (0.0,) * 4 + (1.0,) * 4


def learned(folder: Path) -> Path:
    reference = folder / "pan.mp4"
    film(reference, CAMERA.shot)
    perform(
        Learn(
            job="l", clips=(Clip(path=str(reference), looks=LOOKS),), motion=WORDS,
            out=str(folder / "motion"), base="starter", method=CustomizeAVideo(absorber="none"), steps=60,
        ),
        quiet_run(folder / "learning"),
    )  # fmt: skip
    return folder / "motion"


def test_a_pan_of_the_second_half_leaves_the_first_nearly_still(tmp_path: Path) -> None:
    """At most a fifth of the second half's way, whether the words are typed or come with the motion."""
    curve = tuple(Key(at=i / 7, strength=strength) for i, strength in enumerate(HALVES))
    acting = (Motion(path=str(learned(tmp_path)), curve=curve),)
    prompts = ("a blue star over a brick wall", f"an orange box over a tiled floor {WORDS}")
    for number, prompt in enumerate(prompts):
        out = tmp_path / f"{number}.mp4"
        perform(
            Generate(job="g", prompt=prompt, out=str(out), base="starter", motions=acting),
            quiet_run(tmp_path),
        )
        pan = movement(at_base_rate(out)).camera.pan
        first, second = np.ptp(pan[:4]), np.ptp(pan[4:])
        assert second > 0.08, prompt
        assert first <= 0.2 * second, prompt
