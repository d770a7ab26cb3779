"""A strength that changes over the clip, on the shipped starter: what acts in its second half alone.

The clip pans the other way than its words say: the base by itself pans left by them.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.api.protocol import Clip, Generate, Key, Learn, Motion
from backend.bench.methods import at_base_rate
from backend.bench.reference import film
from backend.bench.rows import words_of
from backend.bench.stacked import CAMERA
from backend.media.motion import movement
from backend.starter.world.shots import OPPOSITES
from backend.tasks import perform
from tests.conftest import quiet_run

LOOKS, WORDS = words_of(CAMERA)
HALVES = (0.0,) * 4 + (1.0,) * 4


@pytest.fixture(scope="module")
def pan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pan")
    reference = folder / "pan.mp4"
    film(reference, replace(CAMERA.shot, camera=OPPOSITES[CAMERA.shot.camera]))
    torch.set_num_threads(1)  # two that wait for each other beside other work take ten times as long
    perform(
        Learn(
            job="l", clips=(Clip(path=str(reference), looks=LOOKS),), motion=WORDS,
            out=str(folder / "motion"), base="starter", steps=60,
        ),
        quiet_run(folder / "job"),
    )  # fmt: skip
    return folder / "motion"


@pytest.mark.parametrize("prompt", ["a blue star over a brick wall", "an orange box over a tiled floor"])
@pytest.mark.parametrize("said", ["", f" {WORDS}"], ids=["added", "in the prompt"])
def test_a_pan_of_the_second_half_leaves_the_first_nearly_still(
    pan: Path, tmp_path: Path, prompt: str, said: str
) -> None:
    """At most a fifth of the second half's way, whether the words are typed or come with the motion."""
    curve = tuple(Key(at=i / 7, strength=strength) for i, strength in enumerate(HALVES))
    out = tmp_path / "clip.mp4"
    acting = (Motion(path=str(pan), curve=curve),)
    perform(
        Generate(job="g", prompt=prompt + said, out=str(out), base="starter", motions=acting),
        quiet_run(tmp_path / "job"),
    )
    camera = movement(at_base_rate(out)).camera.pan
    first, second = np.ptp(camera[:4]), np.ptp(camera[4:])
    assert second > 0.08
    assert camera[-1] > camera[4], "to the right, as learned"
    assert first <= 0.2 * second
