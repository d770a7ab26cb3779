"""A base may say another guidance for clips on which motions act: whoever makes one asks for it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.api.protocol import Clip, Compute, Edit, Finish, Generate, Looks, Motion
from backend.api.settings import CustomizeAVideo, MotionDirector
from backend.families.lora_files import diffusers_file
from backend.families.unet3d import UNet3D
from backend.media import clips
from backend.tasks import finish, perform, previews
from backend.tasks.prompted import read_prompt
from tests.conftest import TOY_PROFILE, quiet_run
from tests.tasks.cases import Case, lora, request_for

CPU = Compute(device="cpu")
STILL, MOVING = 6.0, 2.0


@pytest.fixture(scope="module")
def base(toy_base, tmp_path_factory) -> Path:
    folder = shutil.copytree(toy_base, tmp_path_factory.mktemp("bases") / "base")
    profile = TOY_PROFILE | {"guidance": STILL, "moving_guidance": MOVING}
    (folder / "restage.json").write_text(json.dumps(profile), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def motion(base, moving_clip, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("motions")
    request = request_for(Case(CustomizeAVideo(absorber="none")), base, moving_clip, folder / "right")
    perform(replace(request, steps=1), quiet_run(folder))
    return request.out


@pytest.fixture
def noted(monkeypatch) -> list[float]:
    """The guidance that prompts were read with, of previews and second passes."""
    seen: list[float] = []

    def read(family: Any, prompt: str, guidance: float, *more: Any, **named: Any) -> Any:
        seen.append(guidance)
        return read_prompt(family, prompt, guidance, *more, **named)

    for module in (previews, finish):
        monkeypatch.setattr(module, "read_prompt", read)
    return seen


def test_a_clip_and_an_edit_say_which_they_were_made_with(base, motion, moving_clip, tmp_path):
    ink = tmp_path / "ink.safetensors"
    ink.write_bytes(diffusers_file(lora(UNet3D(base, "toy", device="cpu"), "spatial attention"), {}))
    clip = Clip(path=str(moving_clip), looks="a white box")
    asked = {
        "job": "g",
        "prompt": "a ball",
        "out": str(tmp_path / "g.mp4"),
        "base": str(base),
        "compute": CPU,
    }
    for request in (Generate(**asked), Edit(clip=clip, inversion_steps=2, **asked)):
        for more, guidance in (
            ({}, STILL),
            ({"looks": (Looks(path=str(ink)),)}, STILL),  # which are no motion
            ({"motions": (Motion(path=motion),)}, MOVING),
        ):
            perform(replace(request, **more), quiet_run(tmp_path))
            written = clips.read_metadata(tmp_path / "g.mp4")["request"]["sampling"]
            assert written["guidance"] == guidance


@pytest.mark.parametrize(("learns", "guidance"), [("motion", MOVING), ("looks", STILL)])
def test_a_preview_is_made_as_clips_will_be(base, moving_clip, tmp_path, noted, learns, guidance):
    request = request_for(Case(MotionDirector(learns=learns)), base, moving_clip, tmp_path / "motion")
    perform(replace(request, steps=1, checkpoints=1, preview_prompt="a ball"), quiet_run(tmp_path))
    assert noted == [guidance]


def test_a_second_pass_has_it_where_the_motion_acts_in_it(base, motion, tmp_path, noted):
    asked = Generate(
        job="g", prompt="a ball", out=str(tmp_path / "g.mp4"), base=str(base), compute=CPU,
        finish=Finish(base=str(base), strength=0.1),
    )  # fmt: skip
    for acting in ((), (Motion(path=motion),)):
        perform(replace(asked, motions=acting), quiet_run(tmp_path))
    assert noted == [STILL, MOVING]
