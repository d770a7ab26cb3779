"""New clips that start from the learned clip's inverted latent, and new words that a motion brings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from backend.api.presets import read_preset, write_preset
from backend.api.protocol import Generate, Motion, Sampling
from backend.errors import UserError
from backend.families.unet3d import UNet3D
from backend.media import clips
from backend.tasks import perform
from tests.conftest import quiet_run
from tests.tasks.cases import CASES, request_for


@pytest.fixture(scope="module")
def motion(toy_base, moving_clip, tmp_path_factory) -> Path:
    """One that recommends to start from its clip, as VMC does."""
    folder = tmp_path_factory.mktemp("motions")
    request = request_for(CASES["vmc"], toy_base, moving_clip, folder / "right")
    perform(replace(request, steps=1), quiet_run(folder))
    return folder / "right"


@pytest.fixture
def make(toy_base, motion, tmp_path):
    def made(prompt: str = "a ball moving right", **changes) -> np.ndarray:
        asked = Generate(job="g", prompt=prompt, out=str(tmp_path / "clip.mp4"), base=str(toy_base),
                         motions=(Motion(path=str(motion)),), sampling=Sampling(guidance=1.0))  # fmt: skip
        (path,) = perform(replace(asked, **changes), quiet_run(tmp_path)).outputs
        return clips.read(clips.Clip(path=path), frames=4, fps=8, size=None)

    return made


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


def test_a_motions_new_words_are_read_with_its_embeddings(make, motion, toy_base, tmp_path):
    """<x> brings the vectors of "red ball": a prompt with it is the prompt with those words."""
    base = UNet3D(toy_base, "toy", device="cpu")
    preset = read_preset(motion)
    looks = tmp_path / "looks"
    weights = replace(preset.weights[0], file="", words="toy-words.safetensors")
    (looks / "weights").mkdir(parents=True)
    write_preset(looks, replace(preset, motion="", kind="style", follow=0.0, weights=(weights,)))
    save_file({"<x>": base.token_vectors("red ball")}, looks / "weights" / "toy-words.safetensors")
    worded = make(prompt="a <x> here", motions=(Motion(path=str(looks)),))
    assert np.array_equal(worded, make(prompt="a red ball here", motions=()))
    save_file({"<x>": torch.full((2, 16), torch.nan)}, looks / "weights" / "toy-words.safetensors")
    with pytest.raises(UserError, match="no embeddings"):
        make(prompt="a <x> here", motions=(Motion(path=str(looks)),))
