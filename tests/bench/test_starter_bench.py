"""The starter's bench: intervals that can be trusted, and a table that says what was measured."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from backend.bench import starter
from backend.bench.intervals import mean_of
from backend.bench.starter import Asked, answers, drawn
from backend.bench.starter_table import DECIBELS, markdown
from backend.starter.world import FIRST, FULL, caption, render, sample_shot

from .conftest import Bench

FILMED = Path(__file__).parents[1] / "media" / "blender_shots.npz"


def test_an_interval_holds_the_true_mean_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(1)
    means = [mean_of(rng.random(60) < 0.7) for _ in range(200)]
    held = sum(m.low <= 0.7 <= m.high for m in means)
    assert 178 <= held <= 199


def test_an_interval_shrinks_with_the_square_root_of_the_count() -> None:
    few, many = (mean_of(np.resize([0.0, 1.0], count)) for count in (50, 200))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(2, abs=0.4)


def test_no_values_have_no_mean() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_of([])


def test_answers_are_right_for_the_worlds_own_clips_and_wrong_for_anothers_caption() -> None:
    shots = [sample_shot(seed, vocabulary=FIRST) for seed in range(12)]
    clips = render(shots, size=64, frames=8).frames
    right = answers(clips, shots, shots, 8, FIRST)
    assert sum(right["all"]) >= 11
    wrong = answers(clips, shots, shots[1:] + shots[:1], 8, FIRST)
    assert sum(wrong["all"]) == 0
    assert "camera" not in right


def test_a_motion_and_its_camera_are_one_goal_and_both_have_to_be_right() -> None:
    shots = [sample_shot(seed, camera="pan left", background="brick wall") for seed in range(6)]
    clips = render(shots, size=64, frames=8).frames
    asked = [replace(shot, camera="pan right") if i % 2 else shot for i, shot in enumerate(shots)]
    right = answers(clips, shots, asked, 8, FULL)
    both = [motion and camera for motion, camera in zip(right["motion"], right["camera"], strict=True)]
    assert right["motion and camera"] == both
    assert sum(right["motion"]) > sum(both) > 0


def test_prompts_are_in_the_usual_words_or_in_any_and_the_shots_are_drawn_alike() -> None:
    usual, shots = drawn(Asked(prompts=30), FULL)[::-1]
    assert usual == [caption(shot).full for shot in shots]
    _, any_words = drawn(Asked(prompts=30, any_words=True), FULL)
    assert drawn(Asked(prompts=30, any_words=True), FULL)[0] == shots
    assert sum(a != b for a, b in zip(any_words, usual, strict=True)) > 20


def test_the_command_measures_the_starter_and_writes_its_tables(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "INVERSION_STEPS", 4)
    monkeypatch.setattr(starter, "TIMED_STEPS", 2)
    _, out = bench("starter", "--prompts", "8", "--steps", "2", "--inverted", "1", "--filmed", str(FILMED))
    figures = json.loads(out.read_text())
    assert figures["prompts"] == 8
    assert figures["shares"]["ceiling"]["background"]["mean"] == 1
    assert figures["autoencoder_db"]["mean"] > 29
    assert figures["filmed_db"]["mean"] > 27
    assert figures["inversion_db"]["count"] == 1
    assert min(figures["seconds_of_16_frames"], figures["seconds_a_clip"]) > 0
    table = out.with_suffix(".md").read_text()
    assert "held out" in table
    assert "| background right | ≥ 95 % |" in table
    assert out.with_suffix(".png").stat().st_size > 1000


def test_a_goal_that_is_missed_is_said_to_be() -> None:
    share = asdict(mean_of([1.0] * 17 + [0.0] * 3))
    figures = dict.fromkeys(
        ("date", "version", "prompts", "vocabulary", "steps", "guidance", "frames", "timed_steps"), 1
    )
    figures |= {"shares": {"right": {"subject": share, "colour": share}}, "any_words": False}
    figures |= dict.fromkeys((*DECIBELS, "moving_cameras"))
    figures |= {"seconds_a_clip": 1.0, "seconds_of_16_frames": 12.5, "seconds_to_load": 3.0}
    table = markdown(figures)
    assert "| subject right | ≥ 85 % | 85 % (70 to 100) | yes |" in table
    assert "| colour right | ≥ 95 % | 85 % (70 to 100) | no |" in table
    assert "| ≤ 12 s | 12.5 s | no |" in table
    assert "| loading | ≤ 3 s | 3.0 s | yes |" in table
