"""The starter's bench: intervals that can be trusted, and a table that says what was measured."""

import json

import numpy as np
import pytest

from backend.bench import starter
from backend.bench.intervals import mean_of
from backend.bench.starter import answers
from backend.starter.world import FIRST, render, sample_shot

from .conftest import Bench


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


def test_the_command_measures_the_starter_and_writes_its_table(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starter, "INVERSION_STEPS", 4)
    monkeypatch.setattr(starter, "TIMED_STEPS", 2)
    _, out = bench("starter", "--prompts", "8", "--steps", "2", "--inverted", "1")
    figures = json.loads(out.read_text())
    assert figures["prompts"] == 8
    assert figures["shares"]["ceiling"]["background"]["mean"] == 1
    assert figures["autoencoder_db"]["mean"] > 26
    assert figures["inversion_db"]["count"] == 1
    assert figures["seconds_a_clip"] > 0
    assert "held out" in out.with_suffix(".md").read_text()
    assert out.with_suffix(".png").stat().st_size > 1000
