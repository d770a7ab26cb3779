"""The weights that are shipped: small, loadable by diffusers, described by a profile."""

import json
import random

import pytest
import torch

from backend.api.bases import STARTER
from backend.api.settings import MotionToken, Vmc, resolved
from backend.bench.starter import decibels, load, round_trip, sample
from backend.families.profile import read_profile
from backend.starter.data import encode
from backend.starter.export import PROFILE
from backend.starter.world import Shot, backwards, caption, render, sample_shot, shows
from backend.starter.world.vocabulary import BACKGROUNDS

MIB = 2**20


def test_no_file_is_over_16_mib_and_all_of_them_under_24() -> None:
    sizes = [file.stat().st_size for file in STARTER.rglob("*") if file.is_file()]
    assert max(sizes) <= 16 * MIB
    assert sum(sizes) <= 24 * MIB


def test_the_profile_says_what_the_folder_holds() -> None:
    profile = json.loads((STARTER / "restage.json").read_text(encoding="utf-8"))
    assert profile["schema"] == 1
    unet = json.loads((STARTER / "unet/config.json").read_text(encoding="utf-8"))
    assert profile["width"] == profile["height"] == 8 * unet["sample_size"]
    assert {key: profile[key] for key in PROFILE} == PROFILE, "a new export would say something else"


@pytest.mark.parametrize("kind", [Vmc, MotionToken])
def test_methods_that_cut_captions_learn_under_whole_ones(kind: type) -> None:
    """Of clips it was taught whole captions only; without looks neither method learned a circle."""
    profile = read_profile(STARTER, "starter", None)
    assert resolved(kind(), profile.learn[kind.__name__]).caption == "whole"


def test_diffusers_loads_it_and_the_same_seed_gives_the_same_clip() -> None:
    pipeline = load(STARTER)
    clips = [
        sample(pipeline, ["a red ball over a green field moving left"], frames=8, steps=2, guidance=3, seed=1)
        for _ in range(2)
    ]
    assert clips[0].shape == (1, 8, 3, 64, 64)
    assert torch.equal(*clips)


def test_the_autoencoder_gives_the_worlds_pictures_back() -> None:
    frames = render([sample_shot(seed) for seed in range(16)], size=64, frames=1).frames
    back = round_trip(load(STARTER), frames)
    assert decibels(frames.flatten(0, 1), back.flatten(0, 1)).mean() > 29


def test_it_was_taught_the_whole_world() -> None:
    assert json.loads((STARTER / "restage.json").read_text(encoding="utf-8"))["vocabulary"] == "full"


@torch.no_grad()
def cost_of_opposite_words(shots: list[Shot]) -> float:
    """How much more the mean square error of v is at t = 750, where a clip's motion is decided."""
    pipeline = load(STARTER)
    frames = render(shots, size=64, frames=8).frames
    latents = encode(pipeline.vae, frames).transpose(1, 2)
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(0))
    t = torch.full((len(shots),), 750)
    x_t, v = (of(latents, noise, t) for of in (pipeline.scheduler.add_noise, pipeline.scheduler.get_velocity))

    def error(said: list[Shot]) -> float:
        words = [f"{c.looks} {c.motion}" for c in map(caption, said)]
        ids = pipeline.tokenizer(words, padding="max_length", truncation=True, return_tensors="pt").input_ids
        text = pipeline.text_encoder(ids).last_hidden_state
        return (pipeline.unet(x_t, t, text).sample - v).square().mean().item()

    return error([backwards(shot) for shot in shots]) - error(shots)


@pytest.mark.parametrize("motion", ["left", "right", "up", "down", "toward", "away"])
def test_words_for_the_opposite_motion_cost_the_prediction(motion: str) -> None:
    rng = random.Random(motion)
    shots = [sample_shot(rng, unseen=True, motion=motion, camera="locked") for _ in range(8)]
    assert cost_of_opposite_words(shots) > 0.05


@pytest.mark.parametrize("camera", ["pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out"])
def test_words_for_the_opposite_camera_cost_the_prediction(camera: str) -> None:
    rng = random.Random(camera)
    shown = [b for b in BACKGROUNDS if shows(camera, b)]
    shots = [sample_shot(rng, motion="still", camera=camera, background=rng.choice(shown)) for _ in range(8)]
    assert cost_of_opposite_words(shots) > 0.1
