"""Clips at half their speed, for a motion token that is to know "slowly"."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from backend.api.protocol import Clip, Learn
from backend.api.settings import MotionToken
from backend.families.profile import Profile
from backend.media import clips
from backend.tasks.bases import open_base
from backend.tasks.learn import build_method, given_absorber, settled
from backend.tasks.prepare import first_half, read_source, sources
from tests.conftest import quiet_run

EIGHT = Profile(name="eight", frames=8, fps=Fraction(8), width=16, height=16)


@pytest.fixture
def counted(tmp_path: Path):
    """A movie whose frames are as bright as their number, five levels each."""

    def counted(count: int, rate: int) -> Clip:
        path = tmp_path / f"{count}-{rate}.mp4"
        levels = 5 * np.arange(count, dtype=np.uint8)
        clips.write(
            path, np.broadcast_to(levels[:, None, None, None], (count, 32, 32, 3)), Fraction(rate), {}
        )
        return Clip(path=str(path))

    return counted


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({}, 0),
        ({"first_frame": 10}, 10),
        ({"first_frame": 10, "reverse": True}, 10 + 38 - 12),  # what is played first lies last
        ({"first_frame": 10, "frame_count": 24, "reverse": True}, 10 + 24 - 12),
    ],
)
def test_it_is_the_half_second_that_is_played_first(counted, changes, first):
    clip = replace(counted(48, 24), **changes)
    half = first_half(clip, EIGHT)
    assert half == replace(clip, first_frame=first, frame_count=12)


def test_a_clip_shorter_than_the_bases_is_halved_too(counted):
    assert first_half(replace(counted(48, 24), frame_count=17), EIGHT).frame_count == 9


def test_what_would_stand_still_between_its_frames_is_not_slowed(counted, tmp_path):
    assert first_half(counted(15, 15), EIGHT) is not None
    assert first_half(counted(14, 14), EIGHT) is None
    still = tmp_path / "still.png"
    still.write_bytes(b"never read")
    assert first_half(Clip(path=str(still)), EIGHT) is None


def test_a_token_learns_each_clip_slowed_under_its_words(toy_base, counted, tmp_path):
    clip = replace(counted(24, 24), looks="a gray wall")
    few = replace(
        counted(7, 12), looks="a dark wall"
    )  # of half a second three frames are left: the base has four
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
    whole, slow = (read_source(found[i].clip, family, (16, 16)).mean(axis=(1, 2, 3)) for i in (0, 2))
    assert np.diff(slow).mean() == pytest.approx(np.diff(whole).mean() / 2, rel=0.2)
    assert slow[0] == pytest.approx(whole[0], abs=1)
