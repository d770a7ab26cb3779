"""Clips from prompts and motions, and from clips, on a toy base."""

import json
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from backend.api.presets import read_preset, write_preset
from backend.api.protocol import Clip, Compute, Edit, Generate, Learn, Motion, Rate, Sampling
from backend.api.settings import CustomizeAVideo
from backend.errors import UserError
from backend.families.unet3d import UNet3D
from backend.media import clips
from backend.tasks import perform
from backend.tasks.bases import with_motion_words
from tests.conftest import quiet_run

CPU = Compute(device="cpu")


@pytest.fixture(scope="module")
def motion(toy_base, moving_clip, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("motions")
    request = Learn(
        job="j",
        clips=(Clip(path=str(moving_clip), looks="a white box"),),
        motion="moving right",
        out=str(folder / "right"),
        base=str(toy_base),
        steps=6,
        method=CustomizeAVideo(learning_rate=0.05, absorber="none"),
        compute=CPU,
    )
    perform(request, quiet_run(folder))
    return folder / "right"


@pytest.fixture
def request_(toy_base, tmp_path) -> Generate:
    return Generate(
        job="g", prompt="a red ball", out=str(tmp_path / "clip.mp4"), base=str(toy_base), compute=CPU
    )


def pixels(path: str | Path) -> np.ndarray:
    facts = clips.probe(path)
    return clips.read(Clip(path=str(path)), frames=facts.frames, fps=facts.rate, size=None)


def test_a_clip_has_the_bases_frames_rate_and_size(request_, run):
    (path,) = perform(request_, run).outputs
    facts = clips.probe(path)
    assert (facts.width, facts.height, facts.rate, facts.frames) == (16, 16, Fraction(8), 4)


def test_a_result_keeps_the_bases_tempo_at_the_scenes_rate(request_, run):
    """Four frames at 8 a second are half a second: 12 frames at 24."""
    (path,) = perform(replace(request_, sampling=Sampling(rate=Rate(num=24))), run).outputs
    facts = clips.probe(path)
    assert (facts.rate, facts.frames) == (Fraction(24), 12)


def test_a_result_can_be_as_long_as_the_source(request_, run):
    (path,) = perform(
        replace(request_, sampling=Sampling(rate=Rate(num=24000, den=1001), length=31)), run
    ).outputs
    facts = clips.probe(path)
    assert (facts.rate, facts.frames) == (Fraction(24000, 1001), 31)


def test_other_frames_and_sizes_than_the_bases_can_be_asked_for(request_, run):
    (path,) = perform(replace(request_, sampling=Sampling(frames=6, width=32, height=48)), run).outputs
    assert pixels(path).shape == (6, 48, 32, 3)


def test_again_is_bit_identical_and_another_seed_is_not(request_, tmp_path):
    a, b, c = (
        pixels(
            perform(replace(request_, seed=s, out=str(tmp_path / f"{i}.mp4")), quiet_run(tmp_path)).outputs[0]
        )
        for i, s in enumerate((1, 1, 2))
    )
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_count_makes_numbered_clips_each_equal_to_its_own_seed_alone(request_, run, tmp_path):
    outputs = perform(replace(request_, count=3, seed=7), run).outputs
    assert [Path(p).name for p in outputs] == ["clip.mp4", "clip-2.mp4", "clip-3.mp4"]
    (alone,) = perform(replace(request_, seed=9, out=str(tmp_path / "alone.mp4")), run).outputs
    assert np.array_equal(pixels(outputs[2]), pixels(alone))


def test_a_clip_tells_how_to_make_it_again(request_, run, motion):
    (path,) = perform(
        replace(request_, motions=(Motion(path=str(motion), strength=0.5),), seed=3), run
    ).outputs
    metadata = clips.read_metadata(path)
    assert metadata["request"]["seed"] == 3
    assert metadata["request"]["sampling"]["steps"] == 3  # the base's own, written down
    assert metadata["request"]["motions"][0]["strength"] == 0.5
    assert metadata["request"]["motions"][0]["kind"] == "subject"  # the preset's own, written down
    assert metadata["motions"]["moving right"]
    assert json.loads(Path(path).with_name("clip.mp4.json").read_text()) == metadata


def test_a_motion_acts_and_strength_zero_is_the_base_to_the_last_bit(request_, tmp_path, motion):
    def made(name, *strengths):
        motions = tuple(Motion(path=str(motion), strength=s) for s in strengths)
        request = replace(
            request_, prompt="a red ball moving right", motions=motions, out=str(tmp_path / f"{name}.mp4")
        )
        return pixels(perform(request, quiet_run(tmp_path)).outputs[0])

    base = made("base")
    assert np.array_equal(made("zero", 0.0), base)
    assert not np.array_equal(made("one", 1.0), base)
    assert not np.array_equal(made("two", 1.0, 0.6), made("one", 1.0))


def test_a_motions_words_are_added_to_a_prompt_without_them(request_, tmp_path, motion):
    acting = (Motion(path=str(motion)),)
    short = replace(request_, motions=acting, prompt="a red ball")
    full = replace(request_, motions=acting, prompt="a red ball moving right", out=str(tmp_path / "full.mp4"))
    made = [pixels(perform(r, quiet_run(tmp_path)).outputs[0]) for r in (short, full)]
    assert np.array_equal(*made)


def test_guidance_one_samples_without_the_empty_prompt(request_, run, tmp_path):
    plain = perform(replace(request_, sampling=Sampling(guidance=1.0)), run).outputs[0]
    strong = perform(
        replace(request_, sampling=Sampling(guidance=6.0), out=str(tmp_path / "s.mp4")), run
    ).outputs[0]
    assert not np.array_equal(pixels(plain), pixels(strong))


def test_the_low_memory_mode_makes_the_same_clip(request_, run, tmp_path):
    low = replace(request_, compute=Compute(device="cpu", memory="low"), out=str(tmp_path / "low.mp4"))
    a, b = (pixels(perform(r, run).outputs[0]).astype(int) for r in (request_, low))
    assert np.abs(a - b).max() <= 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"out": "clip.avi"}, "not an .mp4"),
        ({"sampling": Sampling(width=33)}, "width 33 is not a multiple of 2"),
        ({"sampling": Sampling(guidance=99.0)}, "Guidance is 99"),
        ({"motions": (Motion(path="/no/motion"),)}, "no motion in"),
        ({"motions": (Motion(path="x", strength=3.0),)}, "Strength is 3"),
        ({"count": 0}, "Count is 0"),
    ],
)
def test_bad_input_is_one_sentence_with_a_hint_and_leaves_nothing(request_, run, tmp_path, change, complaint):
    with pytest.raises(UserError, match=complaint) as caught:
        perform(replace(request_, **change), run)
    assert caught.value.hint
    assert not list(tmp_path.rglob("*.mp4*"))


def test_a_motion_of_another_architecture_is_refused_by_name(request_, run, motion, tmp_path):
    other = Path(shutil.copytree(motion, tmp_path / "other"))
    preset = read_preset(other)
    foreign = replace(preset.weights[0], base="ModelScope", architecture="else")
    write_preset(other, replace(preset, weights=(foreign,)))
    with pytest.raises(UserError, match="learned on ModelScope, not on toy"):
        perform(replace(request_, motions=(Motion(path=str(other)),)), run)


def test_a_motion_of_other_weights_of_the_same_architecture_is_used_with_a_note(
    request_, run, motion, tmp_path
):
    other = Path(shutil.copytree(motion, tmp_path / "other"))
    preset = read_preset(other)
    write_preset(other, replace(preset, weights=(replace(preset.weights[0], fingerprint="else"),)))
    result = perform(replace(request_, motions=(Motion(path=str(other)),)), run)
    assert "other weights" in result.notes[0]


@pytest.mark.parametrize("damage", ["cut short", "not numbers", "wrong shape", "missing"])
def test_damaged_weights_are_refused_in_a_sentence(request_, run, motion, tmp_path, damage):
    other = Path(shutil.copytree(motion, tmp_path / "other"))
    path = other / "weights" / "toy.safetensors"
    state = load_file(path)
    first = next(iter(state))
    match damage:
        case "cut short":
            path.write_bytes(path.read_bytes()[:200])
        case "missing":
            path.unlink()
        case "not numbers":
            state[first][0] = float("nan")
        case "wrong shape":
            state[first] = state[first][:, :-1].contiguous()
    if damage in ("not numbers", "wrong shape"):
        save_file(state, path, {"lora_adapter_metadata": '{"unet.r": 4, "unet.lora_alpha": 4.0}'})
    with pytest.raises(UserError, match="weights"):
        perform(replace(request_, motions=(Motion(path=str(other)),)), run)


# ------------------------------------------------------------------ edit


@pytest.fixture
def edit(request_, moving_clip) -> Edit:
    return Edit(
        job="e",
        clip=Clip(path=str(moving_clip)),
        prompt="a red ball",
        out=request_.out,
        base=request_.base,
        compute=CPU,
    )


def test_an_unedited_clip_comes_back_as_the_autoencoder_sees_it(edit, run, toy_bases, tmp_path):
    """With v-prediction: an ε-model of random weights does not denoise, and multiplies errors by 1/√ᾱ."""
    base = UNet3D(toy_bases["v_prediction"], "toy", device="cpu")
    request = replace(
        edit,
        base=str(toy_bases["v_prediction"]),
        clip=replace(edit.clip, looks="a red ball"),
        inversion_steps=50,
        sampling=Sampling(guidance=1.0),
    )
    (path,) = perform(request, run).outputs
    source = clips.read(edit.clip, frames=4, fps=Fraction(8), size=(16, 16))
    # The file format costs something too, so what the autoencoder sees goes through it as well.
    clips.write(tmp_path / "seen.mp4", base.decode(base.encode(source)), Fraction(8), {})
    assert np.abs(pixels(path) - pixels(tmp_path / "seen.mp4").astype(float)).mean() < 3


def test_following_less_leaves_the_clip(edit, run, tmp_path):
    whole, none = (
        pixels(perform(replace(edit, follow=f, out=str(tmp_path / f"{f}.mp4")), run).outputs[0])
        for f in (1.0, 0.0)
    )
    assert not np.array_equal(whole, none)


def test_an_edit_that_follows_nothing_is_a_generated_clip(edit, request_, run, tmp_path):
    fresh = replace(request_, seed=5, sampling=Sampling(steps=4), out=str(tmp_path / "fresh.mp4"))
    free = replace(edit, seed=5, follow=0.0)
    a, b = (pixels(perform(r, run).outputs[0]) for r in (fresh, free))
    assert np.array_equal(a, b)


def test_an_edit_with_a_motion_differs_from_one_without(edit, run, motion, tmp_path):
    plain = pixels(perform(replace(edit, prompt="a red ball moving right"), run).outputs[0])
    acting = replace(edit, motions=(Motion(path=str(motion)),), out=str(tmp_path / "m.mp4"))
    assert not np.array_equal(pixels(perform(acting, run).outputs[0]), plain)


def test_editing_a_file_that_is_not_a_movie_is_one_sentence(edit, run, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match=r"notes\.txt"):
        perform(replace(edit, clip=Clip(path=str(tmp_path / "notes.txt"))), run)
    assert not list(tmp_path.rglob("*.mp4*"))


@pytest.mark.parametrize(
    ("prompt", "full"),
    [
        ("a star", "a star moving in a circle"),
        ("a star Moving in a Circle over sand", "a star Moving in a Circle over sand"),
        ("a star moving in a circles", "a star moving in a circles moving in a circle"),
    ],
)
def test_a_motions_words_are_added_where_they_are_not_said(prompt, full):
    assert with_motion_words(prompt, ["moving in a circle"]) == full
