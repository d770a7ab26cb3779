"""Clips at half their speed, for a motion token that is to know "slowly"."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.api.protocol import Clip, Learn
from backend.api.settings import MotionToken
from backend.families.profile import Profile
from backend.families.unet3d import UNet3D
from backend.media import clips
from backend.media.variants import varied
from backend.tasks.bases import open_base
from backend.tasks.learn import build_method, given_absorber, settled
from backend.tasks.prepare import may_be_slowed, prepare, read_slowed, read_source, sources
from tests.conftest import quiet_run

EIGHT = Profile(name="eight", frames=8, fps=Fraction(8), width=16, height=16)


@pytest.fixture
def counted(tmp_path: Path):
    """A movie whose frames are as bright as their number, five levels each."""

    def counted(count: int, rate: int) -> Clip:
        path = tmp_path / f"{count}-{rate}.mp4"
        levels = 5 * np.arange(count, dtype=np.uint8)
        frames = np.broadcast_to(levels[:, None, None, None], (count, 32, 32, 3))
        clips.write(path, frames, Fraction(rate), {})
        return Clip(path=str(path))

    return counted


def brightness(frames):
    return frames.mean(axis=(1, 2, 3))


@pytest.mark.parametrize(
    ("count", "rate", "changes"),
    [
        (24, 24, {}),
        (48, 24, {"first_frame": 10}),
        (48, 24, {"first_frame": 10, "reverse": True}),
        (48, 24, {"first_frame": 10, "frame_count": 18, "reverse": True}),  # shorter than the base's clip
        (15, 15, {}),
    ],
)
def test_it_is_the_middle_half_at_half_the_speed(toy_base, counted, count, rate, changes):
    family = UNet3D(toy_base, "toy", device="cpu")
    family.profile = EIGHT
    clip = replace(counted(count, rate), **changes)
    assert may_be_slowed(clip, EIGHT)
    whole, slow = (brightness(read(clip, family, (16, 16))) for read in (read_source, read_slowed))
    assert (slow[-1] - slow[0]) / (whole[-1] - whole[0]) == pytest.approx(0.5, abs=0.08)
    assert slow.mean() == pytest.approx(whole.mean(), abs=7)  # a frame and a half


def test_what_would_stand_still_between_its_frames_is_not_slowed(counted, tmp_path):
    assert may_be_slowed(counted(15, 15), EIGHT)
    assert not may_be_slowed(counted(14, 14), EIGHT)
    assert not may_be_slowed(replace(counted(48, 24), frame_count=12), EIGHT)
    still = tmp_path / "still.png"
    still.write_bytes(b"never read")
    assert not may_be_slowed(Clip(path=str(still)), EIGHT)


def test_a_token_learns_each_clip_slowed_under_its_words(toy_base, counted, tmp_path):
    clip = replace(counted(24, 24), looks="a gray wall")
    few = replace(counted(7, 12), looks="a dark wall")
    request = Learn(
        job="j", clips=(clip, few), motion="doing the pll", out=str(tmp_path / "m"), base=str(toy_base),
        method=MotionToken(slowed=0.3, regularization="none"),
    )  # fmt: skip
    family = open_base(request.base, request.compute, quiet_run(tmp_path))
    request = settled(request, family)
    method = build_method(request, given_absorber(request, family))
    found = sources(request, method, family)
    assert [(s.group, s.caption) for s in found] == [
        ("clips", "a wall doing the pll"),
        ("clips", "a wall doing the pll"),
        ("slowed", "a wall doing the pll slowly"),
    ]
    run = quiet_run(tmp_path)
    run.folder.mkdir()
    prepared = prepare(request, method, family, run)
    slow = family.encode(varied(read_slowed(clip, family, (32, 32)), 1, (16, 16), 0)[0])
    assert torch.equal(prepared.slowed[0].latents[:1], slow)
    assert not torch.equal(prepared.examples[0].latents[:1], slow)
    assert prepared.notes[-1:] == (
        "“slowly” may not act beside the motion: 7-12.mp4 was not learned at half its speed, which takes "
        "8 frames in 0.5 s.",
    )
    family.profile = replace(family.profile, fps=Fraction(4))  # what was kept is of another rate
    assert prepare(request, method, family, run).digest != prepared.digest
