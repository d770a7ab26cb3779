"""Clips made larger, smoother, and once more through a base, as Generate and Edit ask for it."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import VideoToVideoSDPipeline

from backend.api.presets import Preset
from backend.api.protocol import Clip, Compute, Edit, Finish, Generate, Key, Motion, Rate, Sampling
from backend.api.settings import MotionToken
from backend.diffusion.adapters import Lora
from backend.diffusion.stacking import PRESENT
from backend.errors import UserError
from backend.families.unet3d import UNet3D
from backend.media import clips
from backend.tasks import finish, perform
from backend.tasks.bases import LoadedMotion
from backend.tasks.finish import second_pass
from backend.tasks.prepare import seeded
from backend.tasks.prompted import read_prompt, without_words
from tests.conftest import build_toy_base, quiet_run


@pytest.fixture
def request_(toy_base, tmp_path) -> Generate:
    return Generate(
        job="g", prompt="a red ball", out=str(tmp_path / "clip.mp4"), base=str(toy_base),
        compute=Compute(device="cpu"),
    )  # fmt: skip


def pixels(path: str | Path) -> np.ndarray:
    facts = clips.probe(path)
    return clips.read(Clip(path=str(path)), frames=facts.frames, fps=facts.rate, size=None)


def made(request: Generate | Edit, name: str = "clip", **changes) -> np.ndarray:
    out = Path(request.out).with_name(f"{name}.mp4")
    (path,) = perform(replace(request, out=str(out), **changes), quiet_run(out.parent / name)).outputs
    return pixels(path)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def test_above_the_bases_rate_frames_are_made_between_or_held(request_):
    at_24 = Sampling(rate=Rate(num=24))
    plain = made(request_)
    held = made(request_, "held", sampling=at_24, finish=Finish(between="repeat"))
    smooth = made(request_, "smooth", sampling=at_24, finish=Finish(between="interpolate"))
    assert len(held) == len(smooth) == 12
    for shown in (held, smooth):  # the file format makes its own small difference
        assert apart(shown[::3], plain) < 5
    assert apart(held[1], held[0]) < 5
    assert apart(smooth[1], smooth[0]) > 2 * apart(held[1], held[0])


def test_a_clip_is_made_larger_and_says_how_it_was_made(request_):
    large = made(request_, finish=Finish(enlarge="4x"))
    assert large.shape == (4, 64, 64, 3)
    asked = clips.read_metadata(request_.out)["request"]
    assert asked["finish"]["enlarge"] == "4x"
    assert asked["sampling"]["width"] == 16, "the base's own, so that the request makes it again"


def test_an_edit_is_finished_like_a_generated_clip(request_, moving_clip):
    asked = Edit(
        job="e", clip=Clip(path=str(moving_clip)), prompt="a red ball", out=request_.out, base=request_.base,
        sampling=Sampling(rate=Rate(num=16)), finish=Finish(enlarge="2x"), compute=request_.compute,
    )  # fmt: skip
    assert made(asked).shape == (8, 32, 32, 3)


def test_another_base_goes_over_the_enlarged_clip_and_the_seed_decides(request_, tmp_path):
    other = str(build_toy_base(tmp_path / "other", "v_prediction", seed=1))
    plain = made(request_, "plain", finish=Finish(enlarge="2x"))
    passed = made(request_, "passed", finish=Finish(enlarge="2x", base=other))
    assert passed.shape == plain.shape
    assert not np.array_equal(passed, plain)
    again = made(request_, "again", finish=Finish(enlarge="2x", base=other))
    np.testing.assert_array_equal(again, passed)
    off = made(request_, "off", finish=Finish(enlarge="2x", base=other, strength=0.0))
    np.testing.assert_array_equal(off, plain)


def test_a_count_goes_over_each_clip_with_its_own_seed(request_, tmp_path):
    finish = Finish(base=request_.base)
    two = perform(replace(request_, count=2, seed=4, finish=finish), quiet_run(tmp_path)).outputs
    np.testing.assert_array_equal(pixels(two[1]), made(request_, "alone", seed=5, finish=finish))


def test_a_clip_is_there_as_soon_as_it_is_made_whatever_becomes_of_the_next(request_, monkeypatch):
    decode, calls = UNet3D.decode, []

    def out_of_memory_at_the_second(base, latents):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return decode(base, latents)

    monkeypatch.setattr(UNet3D, "decode", out_of_memory_at_the_second)
    with pytest.raises(MemoryError):
        made(request_, count=3)
    assert pixels(request_.out).shape == (4, 16, 16, 3)
    assert len(list(Path(request_.out).parent.glob("*.mp4"))) == 1


def test_a_base_of_another_kind_is_told_in_ordinary_words():
    assert without_words(["V*", "X*"], "a X* dog doing the V*") == "a dog doing the"
    assert without_words(["sks"], "a man asks, doing the SKS") == "a man asks, doing the"


@pytest.mark.parametrize(
    ("finish", "complaint"),
    [(Finish(base="no such base"), "There is no base model"), (Finish(strength=1.5), "Strength is 1.5")],
)
def test_a_finish_that_cannot_be_is_one_sentence_before_any_work(request_, finish, complaint):
    with pytest.raises(UserError, match=complaint):
        made(request_, finish=finish)
    assert not Path(request_.out).exists()


def test_the_second_pass_reads_the_token_and_the_words_as_far_as_a_motion_is_present(
    request_, monkeypatch, tmp_path
):
    base = UNet3D(Path(request_.base), "toy", device="cpu")
    preset = Preset(title="one", motion="doing the pll", method=MotionToken())
    asked = Motion(path="one", curve=(Key(at=0.0, strength=0.0), Key(at=1.0, strength=PRESENT)))
    motion = LoadedMotion(asked, preset, Lora({}, 1.0), "")
    seen = []

    def read(*given, **more):
        seen.append(read_prompt(*given, **more))
        return seen[-1]

    monkeypatch.setattr(finish, "read_prompt", read)
    request = replace(request_, prompt="a ball doing the V*", finish=Finish(base=request_.base))
    clip = np.zeros((3, 16, 16, 3), np.uint8)
    list(finish.finished(request, [clip], base, base, [motion], quiet_run(tmp_path)))
    ((one,),) = [prompted.spoken for prompted in seen]
    assert one.shares.tolist() == [0.0, 0.5, 1.0]
    torch.testing.assert_close(one.text, base.embed(["a ball doing the pll"]))


def test_a_second_pass_is_diffusers_own_with_ddim(toy_bases):
    """From the same latents and noise, VideoToVideoSDPipeline gives the same latents."""
    folder = toy_bases["v_prediction"]
    base = UNet3D(folder, "toy", device="cpu")
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 16, 3), dtype=np.uint8)
    latents = base.encode(frames)
    pipeline = VideoToVideoSDPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        "a red ball", video=latents.movedim(1, 2), strength=0.67, num_inference_steps=3, guidance_scale=2.0,
        negative_prompt="", generator=seeded(7), output_type="latent",
    ).frames  # fmt: skip
    noise = torch.randn(4, 4, 16, 8, generator=seeded(7)).movedim(0, 1)[None]
    prompted = read_prompt(base, "a red ball", base.profile.guidance)
    ours = second_pass(base, prompted, frames, noise, 0.67, quiet_run(folder), "")
    assert np.abs(ours.astype(int) - base.decode(theirs)).max() <= 1
    assert np.abs(ours.astype(int) - base.decode(latents)).max() > 8


def test_a_result_at_the_scenes_rate_is_measured_at_the_bases(request_):
    """What bench/demo.py reads of a result: the base's frames, not those between."""
    made(request_, sampling=Sampling(rate=Rate(num=24)))
    read = clips.read(Clip(path=request_.out), frames=4, fps=Fraction(8), size=None)
    np.testing.assert_array_equal(read, pixels(request_.out)[::3])
