"""The bench of a motion token beside ordinary words."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from backend.api.presets import read_preset
from backend.bench import token_words
from backend.bench.measures import Frames
from backend.bench.rows import V, trial_named
from backend.bench.token_words import ASKED, Asked, bench_token, seen, truths
from backend.cli.main import app
from backend.errors import UserError
from backend.starter.world import Shot, render


def drawn(shot: Shot) -> Frames:
    frames = render([shot], size=64, frames=8, fps=8).frames[0].movedim(1, -1)
    return (frames * 255).round().byte().numpy()


@pytest.mark.parametrize("name", ASKED)
def test_the_worlds_own_clip_is_followed_all_the_way_by_as_many(name: str) -> None:
    asked = ASKED[name]
    for shot in truths(trial_named("circle"), asked, 4):
        found = seen(drawn(shot), shot)
        assert found.follows > 0.99
        assert found.way == pytest.approx(1, abs=0.05)
        assert found.as_many
        assert found.looks


def test_what_is_as_fast_as_ever_goes_twice_as_far_as_slowly() -> None:
    shot = next(truths(trial_named("circle"), ASKED["slowly"], 1))
    found = seen(drawn(replace(shot, speed="")), shot)
    assert found.way == pytest.approx(2, abs=0.1)
    assert found.follows < 0.9


def test_one_is_not_as_many_as_three() -> None:
    shot = next(truths(trial_named("circle"), ASKED["three"], 1))
    assert not seen(drawn(replace(shot, count=1)), shot).as_many
    other = drawn(replace(shot, colour="red"))
    assert not seen(other, shot).looks


@pytest.mark.parametrize("motion", ["figure-eight", "roll"])
def test_what_no_subject_does_is_refused_before_the_folder_is_begun(motion: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"no subject's motion '{motion}'"):
        bench_token(tmp_path, tmp_path, "starter", motion, 1, 1, 1)
    assert not (tmp_path / "settings.json").exists()


def test_it_learns_v_both_ways_and_asks_for_words_beside_it(
    toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_words, "ASKED", {"V*": Asked(1), "slowly": ASKED["slowly"]})
    command = ["bench", "token", "--out", str(tmp_path), "--base", str(toy_base), "--prompts", "1"]
    command += ["--seeds", "1", "--steps", "1"]
    said = CliRunner().invoke(app, command, catch_exceptions=False).output
    assert (tmp_path / "token.md").read_text() in said
    assert said.count("\n| five clips of one |") == said.count("\n| of one, two and three, slowed |") == 2
    assert (tmp_path / "token.png").stat().st_size > 1000
    figures = json.loads((tmp_path / "token.json").read_text())
    assert figures["five clips of one | slowly"]["follows"]["count"] == 1
    made = json.loads((tmp_path / "varied-slowly-0-0.mp4.json").read_text())["request"]
    assert made["prompt"] == f"a blue star over a brick wall {V} slowly"
    assert read_preset(tmp_path / "varied").motion == "doing the pll"
    assert sorted(p.name for p in (tmp_path / "references").glob("[0-9]*.mp4"))[-2:] == ["3-3.mp4", "4-1.mp4"]
