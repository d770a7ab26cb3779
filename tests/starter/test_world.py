"""The procedural world: what it draws is known, repeatable and the same at any size."""

import random
from dataclasses import replace

import pytest
import torch

from backend.starter.models import Size
from backend.starter.pictures import random_pictures
from backend.starter.world import (
    BACKGROUNDS,
    COLOURS,
    FIRST,
    FULL,
    MOTIONS_INSIDE,
    MOTIONS_OUTSIDE,
    SUBJECTS,
    VOCABULARIES,
    Shot,
    another,
    camera_path,
    caption,
    path,
    render,
    sample_shot,
)
from backend.starter.world.render import TOLERANCE
from backend.starter.world.shots import SHRUNK, TURNING_SIZES

RED_BALL = Shot(subject="ball", colour="red", background="gray wall", motion="circle")


def test_the_same_seed_gives_the_same_shot_and_the_same_picture() -> None:
    one, other = (render([sample_shot(7)], size=32, frames=4) for _ in range(2))
    assert torch.equal(one.frames, other.frames)
    assert sample_shot(7) != sample_shot(8)


def test_pictures_are_the_same_on_every_device_and_at_every_precision() -> None:
    shots = [sample_shot(seed) for seed in range(24)]
    usual = render(shots, size=64, frames=2)
    torch.set_default_dtype(torch.float64)
    try:
        others = [render(shots, size=64, frames=2)]
    finally:
        torch.set_default_dtype(torch.float32)
    if torch.cuda.is_available():
        others.append(render(shots, size=64, frames=2, device="cuda"))
    for other in others:
        assert (usual.frames - other.frames.cpu()).abs().max() < TOLERANCE
        torch.testing.assert_close(usual.centres, other.centres.float().cpu())


def test_centres_and_scales_do_not_depend_on_the_size_of_the_picture() -> None:
    shots = [sample_shot(seed) for seed in range(8)]
    small, large = (render(shots, size=size, frames=8) for size in (32, 128))
    assert torch.equal(small.centres, large.centres)
    assert torch.equal(small.scales, large.scales)


def test_a_larger_render_is_the_same_picture() -> None:
    shots = [sample_shot(seed) for seed in range(16)]
    small = render(shots, size=32, frames=1).frames[:, 0]
    large = render(shots, size=256, frames=1).frames[:, 0]
    shrunk = torch.nn.functional.avg_pool2d(large, 8)
    assert (small - shrunk).abs().mean() < 0.03


def test_another_rate_samples_the_same_second() -> None:
    slow = render([RED_BALL], size=16, frames=8, fps=8).centres[0]
    fast = render([RED_BALL], size=16, frames=24, fps=24).centres[0]
    assert torch.allclose(slow, fast[::3], atol=1e-6)


@pytest.mark.parametrize("motion", [*MOTIONS_INSIDE, *MOTIONS_OUTSIDE])
def test_every_motion_stays_in_the_frame_and_its_mask_is_where_its_centre_says(motion: str) -> None:
    shots = [
        sample_shot(seed, vocabulary=FIRST, motion=motion, subject="ball", background="gray wall")
        for seed in range(8)
    ]
    rendered = render(shots, size=64, frames=8)
    assert rendered.centres.min() > 0
    assert rendered.centres.max() < 1
    column = (rendered.centres[..., 0] * 64).long().clamp(0, 63)
    row = (rendered.centres[..., 1] * 64).long().clamp(0, 63)
    at_centre = rendered.masks.flatten(2).gather(2, (row * 64 + column).unsqueeze(2))
    assert (at_centre == 1).all()


def test_what_wanders_takes_another_smooth_way_each_time_and_none_twice() -> None:
    t = torch.linspace(0, 1, 33)
    shots = [
        replace(RED_BALL, motion="wander", phase=seed / 50, travel=1.0, x=0.0, y=0.0) for seed in range(50)
    ]
    ways = torch.stack([path(shot, t).centres for shot in shots])
    assert torch.equal(path(shots[3], t).centres, ways[3])
    extents = (ways.amax(1) - ways.amin(1)).amax(1)
    assert extents.min() >= 0.6 - 1e-4
    assert extents.max() <= 1.3 + 1e-4
    assert torch.pdist(ways.flatten(1)).min() > 0.1
    assert ways.diff(dim=1).norm(dim=2).max() < 0.35  # at most two turns a second
    sizes = torch.stack([path(shot, t).radii for shot in shots])
    grow = sizes.amax(1) / sizes.amin(1)
    assert 10 < (grow < 1.001).sum() < 40
    assert grow.max() < 1.7


def test_cameras_that_wander_take_another_smooth_way_each_time_and_none_is_drawn_unasked() -> None:
    t = torch.linspace(0, 1, 33)
    shots = [replace(RED_BALL, camera="wander", phase=seed / 50) for seed in range(50)]
    ways = [camera_path(shot, t) for shot in shots]
    assert torch.equal(camera_path(shots[3], t).pan, ways[3].pan)
    pans = torch.stack([way.pan for way in ways])
    extents = (pans.amax(1) - pans.amin(1)).amax(1)
    assert extents.min() >= 0.15 - 1e-4
    assert extents.max() <= 0.6 + 1e-4
    assert torch.pdist(pans.flatten(1)).min() > 0.02
    zooms = sum(bool((way.zoom - 1).abs().max() > 0.01) for way in ways)
    rolls = sum(bool(way.roll.abs().max() > 0.01) for way in ways)
    assert 5 < zooms < 30
    assert 5 < rolls < 30
    assert "wander" not in {sample_shot(seed).camera for seed in range(500)}
    seen = replace(sample_shot(0, vocabulary=FIRST), camera="wander")
    assert VOCABULARIES["camera"].says(seen)
    assert not FIRST.says(seen)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_spins_stands_in_the_middle_and_large(count: int) -> None:
    low, high = (bound * SHRUNK[count] for bound in TURNING_SIZES[count])
    rng, vocabulary = random.Random(0), replace(FULL, counts=(count,))
    for _ in range(20):
        shot = another(rng, sample_shot(rng, vocabulary=vocabulary, motion="spin", camera="locked"))
        assert (shot.x, shot.y, shot.count) == (0.5, 0.5, count)
        assert low <= shot.size <= high
        masks = render([shot], size=64, frames=4).masks
        inner = masks[..., 1:-1, 1:-1].sum(dim=(2, 3))  # of two, a car's ends reach the frame's sides
        assert (inner / masks.sum(dim=(2, 3))).min() > 0.93


def test_words_that_are_stressed_are_drawn_more_often_and_none_is_lost() -> None:
    with pytest.raises(ValueError, match="'spinn' is no subject"):
        FULL.stressing(["spinn"])
    stressed = FULL.stressing(["spin", "spin", "star", "3"])
    assert [stressed.motions.count(m) for m in FULL.motions] == [
        3 if m == "spin" else 1 for m in FULL.motions
    ]
    assert [stressed.subjects.count(s) for s in ("star", "ball")] == [2, 1]
    assert sorted(stressed.counts) == [1, 1, 2, 3, 3]
    drawn = [sample_shot(seed, vocabulary=stressed, camera="locked") for seed in range(400)]
    assert all(FULL.says(shot) for shot in drawn)
    assert sum(shot.motion == "spin" for shot in drawn) > 60


def test_motions_outside_the_vocabulary_are_never_drawn_unasked() -> None:
    rng = random.Random(0)
    assert {sample_shot(rng).motion for _ in range(2000)} == set(MOTIONS_INSIDE)
    assert not set(MOTIONS_INSIDE) & set(MOTIONS_OUTSIDE)
    assert sample_shot(rng, motion="circle").motion == "circle"


def test_a_caption_is_cut_into_looks_and_motion_without_losing_a_word() -> None:
    rng = random.Random(1)
    for seed in range(300):
        said = caption(sample_shot(seed), rng)
        assert sorted(said.full.split()) == sorted(f"{said.looks} {said.motion}".split())
        assert said.motion in said.full
    assert caption(RED_BALL).full == "a red ball over a gray wall moving in a circle"


def test_captions_come_in_both_orders() -> None:
    rng = random.Random(2)
    shot = sample_shot(0, motion="left", camera="locked")
    ends_in_motion = [
        said.full == f"{said.looks} {said.motion}" for said in (caption(shot, rng) for _ in range(200))
    ]
    assert 80 < sum(ends_in_motion) < 180


def test_every_subject_colour_and_background_is_drawn() -> None:
    rng = random.Random(3)
    shots = [sample_shot(rng) for _ in range(500)]
    assert {s.subject for s in shots} == set(SUBJECTS)
    assert {s.colour for s in shots} == set(COLOURS)
    assert {s.background for s in shots} == set(BACKGROUNDS)


@pytest.mark.parametrize("count", [1, 3])
def test_batches_may_be_too_small_for_crops(count: int) -> None:
    pictures, masks = random_pictures(random.Random(0), count, Size(pixels=32), torch.device("cpu"))
    assert (pictures.shape, masks.shape) == ((count, 3, 32, 32), (count, 1, 32, 32))


def test_pictures_for_the_autoencoder_come_with_masks_of_their_subjects() -> None:
    pictures, masks = random_pictures(random.Random(0), 8, Size(pixels=32), torch.device("cpu"))
    assert pictures.shape == (8, 3, 32, 32)
    assert masks.shape == (8, 1, 32, 32)
    assert pictures.min() >= -1
    assert pictures.max() <= 1
