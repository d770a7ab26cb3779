"""New clips that start from the learned clip's inverted latent, and new words that a motion brings."""

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.api.presets import REFERENCE, read_preset, write_preset
from backend.api.protocol import Clip, Edit, Finish, Generate, Key, Motion, Sampling
from backend.diffusion.adapters import Lora
from backend.diffusion.stacking import PRESENT
from backend.errors import UserError
from backend.families.unet3d import UNet3D
from backend.media import clips
from backend.tasks import generate, perform
from backend.tasks.bases import LoadedMotion
from backend.tasks.following import followed
from tests.conftest import quiet_run
from tests.tasks.cases import CASES, request_for


@pytest.fixture(scope="module")
def motion(toy_base, moving_clip, tmp_path_factory) -> Path:
    """One that recommends to start from its clip, as VMC does."""
    folder = tmp_path_factory.mktemp("motions")
    request = request_for(CASES["vmc"], toy_base, moving_clip, folder / "right")
    perform(replace(request, steps=1), quiet_run(folder))
    return folder / "right"


def loaded(path: Path, **asked: Any) -> LoadedMotion:
    """As far as `followed` looks at it."""
    return LoadedMotion(Motion(path=str(path), **asked), read_preset(path), Lora({}, 1.0), "")


@pytest.fixture
def make(toy_base, motion, tmp_path):
    def made(prompt: str = "a ball moving right", **changes) -> np.ndarray:
        asked = Generate(job="g", prompt=prompt, out=str(tmp_path / "clip.mp4"), base=str(toy_base),
                         motions=(Motion(path=str(motion)),), sampling=Sampling(guidance=1.0))  # fmt: skip
        (path,) = perform(replace(asked, **changes), quiet_run(tmp_path)).outputs
        return clips.read(clips.Clip(path=path), frames=4, fps=8, size=None)

    return made


@pytest.mark.parametrize(("follow", "alike"), [(None, True), (0.9, False)], ids=["wholly", "nearly"])
def test_that_all_seeds_give_one_clip_where_the_latent_alone_starts_it_is_said(
    toy_base, motion, tmp_path, moving_clip, follow, alike
):
    both = {"prompt": "a ball", "base": str(toy_base), "count": 2, "motions": (Motion(path=str(motion)),)}
    out = str(tmp_path / "clip.mp4")
    strip = Clip(path=str(moving_clip))
    for asked in (
        Generate(job="g", out=out, follow=follow, **both),
        Edit(job="e", out=out, clip=strip, follow=follow or 1.0, inversion_steps=2, **both),
    ):
        result = perform(asked, quiet_run(tmp_path))
        first, second = (clips.read(Clip(path=path), frames=4, fps=8, size=None) for path in result.outputs)
        assert np.array_equal(first, second) == alike
        assert (generate.SAME in result.notes) == alike
        refined = perform(replace(asked, finish=Finish(base=str(toy_base))), quiet_run(tmp_path))
        assert generate.SAME not in refined.notes, "each gets noise of its own then"


def test_a_motion_that_recommends_it_is_followed_unless_the_artist_says_otherwise(make, motion, tmp_path):
    assert read_preset(motion).follow == 1.0
    recommended = make()
    assert clips.read_metadata(tmp_path / "clip.mp4")["request"]["follow"] == 1.0
    assert np.array_equal(recommended, make(follow=1.0))
    assert not np.array_equal(recommended, make(follow=0.0))
    assert not np.array_equal(make(follow=0.5), recommended)


def test_wholly_followed_the_seed_decides_nothing(make):
    assert np.array_equal(make(seed=1), make(seed=2))
    assert not np.array_equal(make(seed=1, follow=0.5), make(seed=2, follow=0.5))


def test_with_nothing_to_follow_that_is_said(make):
    with pytest.raises(UserError, match="no motion whose clip could be followed"):
        make(motions=(), follow=0.5)
    assert make(motions=()).shape == (4, 16, 16, 3)


@pytest.fixture
def other(motion, moving_clip, tmp_path) -> Path:
    """The same motion, of a clip that goes the other way."""
    folder = shutil.copytree(motion, tmp_path / "other")
    backwards = clips.read(clips.Clip(path=str(moving_clip), reverse=True), frames=8, fps=8, size=None)
    clips.write(folder / REFERENCE, backwards, Fraction(8), {})
    return folder


def test_a_clip_is_followed_as_far_as_its_motion_acts(make, motion):
    """Hardly where it hardly acts, so that strength 0 is no jump, and frame by frame where that changes."""
    base = make(motions=(), prompt="a ball moving right").astype(int)
    hardly = make(motions=(Motion(path=str(motion), strength=1e-3),))
    assert np.abs(hardly - base).max() < 0.2 * np.abs(make() - base).max()
    keys = tuple(Key(at=at, strength=strength) for at, strength in ((0, 0.0), (0.5, 0.0), (0.5, 1.0)))
    half = followed(
        Generate(job="g", prompt="", out=""), [loaded(motion, curve=keys), loaded(motion, strength=0.1)], 4
    )
    assert half is not None
    assert half.shares.flatten().tolist() == [0, 0, 1, 1]
    faint = followed(Generate(job="g", prompt="", out=""), [loaded(motion, strength=PRESENT / 2)], 4)
    assert faint is not None
    assert faint.shares.flatten().tolist() == [0.25] * 4  # half of it, by amplitude


def test_the_strongest_motion_is_followed_wherever_it_stands(make, motion, other):
    weak, strong = Motion(path=str(motion), strength=0.3), Motion(path=str(other))
    one, turned = make(motions=(weak, strong)), make(motions=(strong, weak))
    assert np.abs(one.astype(int) - turned).max() <= 2
    exchanged = make(motions=(replace(weak, path=str(other)), replace(strong, path=str(motion))))
    assert np.abs(one.astype(int) - exchanged).max() > 8
    even = tuple(Motion(path=str(path)) for path in (motion, other))
    assert np.abs(make(motions=even).astype(int) - make(motions=even[::-1])).max() <= 2


def test_a_motion_without_its_clip_is_passed_over_or_said_to_have_none(make, motion, other):
    (other / REFERENCE).unlink()
    without, whole = Motion(path=str(other), strength=2.0), Motion(path=str(motion))
    fresh, led = (make(motions=(without, whole), follow=follow) for follow in (0.0, 1.0))
    assert np.array_equal(led, make(motions=(without, whole), follow=1.0, seed=3))  # seeds decide nothing
    assert not np.array_equal(led, fresh)
    with pytest.raises(UserError, match="has no clip that could be followed"):
        make(motions=(without,), follow=0.5)


def test_a_motions_new_words_are_read_with_its_embeddings(make, motion, toy_base, tmp_path):
    """<x> brings the vectors of "red ball": a prompt with it is the prompt with those words."""
    base = UNet3D(toy_base, "toy", device="cpu")
    preset = read_preset(motion)
    looks = tmp_path / "looks"
    weights = replace(preset.weights[0], file="", words="toy-words.safetensors")
    (looks / "weights").mkdir(parents=True)
    write_preset(looks, replace(preset, motion="", kind="style", follow=0.0, weights=(weights,)))
    save_file({"<x>": base.token_vectors("red ball")}, looks / "weights" / "toy-words.safetensors")
    asked = Generate(job="g", prompt="a ball", out=str(tmp_path / "unsaid.mp4"), base=str(toy_base),
                     motions=(Motion(path=str(looks)),))  # fmt: skip
    assert perform(asked, quiet_run(tmp_path)).notes == (
        f"{preset.title} has the new word <x>, and the prompt does not say it.",
    )
    worded = make(prompt="a <x> here", motions=(Motion(path=str(looks)),))
    assert np.array_equal(worded, make(prompt="a red ball here", motions=()))
    save_file({"<x>": torch.full((2, 16), torch.nan)}, looks / "weights" / "toy-words.safetensors")
    with pytest.raises(UserError, match="no embeddings"):
        make(prompt="a <x> here", motions=(Motion(path=str(looks)),))
