"""The bench of two motions of one subject, or of one camera, in one clip."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from backend.bench.methods import at_base_rate, write_reference
from backend.bench.pair import OF_CAMERA, OF_SUBJECT, WAYS, bench_pair, seen
from backend.bench.rows import trial_named
from backend.cli.main import app
from backend.errors import UserError
from backend.media.carrying import carried, subject_way


@pytest.fixture(scope="module")
def references(tmp_path_factory) -> list[np.ndarray]:
    """A circle and a bounce."""
    folder = tmp_path_factory.mktemp("references")
    return [at_base_rate(write_reference(folder, trial_named(name), 0)) for name in ("circle", "bounce")]


def test_of_a_sum_both_are_seen_and_of_one_alone_one(references: list[np.ndarray]) -> None:
    circle, bounce = references
    of_circle, of_bounce = (seen(references, clip, OF_SUBJECT) for clip in references)
    assert (of_circle.first, of_circle.second) == pytest.approx((1, 0), abs=0.05)
    assert (of_bounce.first, of_bounce.second) == pytest.approx((0, 1), abs=0.05)
    assert max(of_circle.follows, of_bounce.follows) < 0.8
    way = subject_way(bounce)
    assert way is not None
    both = carried(circle, [way])
    assert both is not None
    found = seen(references, both, OF_SUBJECT)
    assert found.follows > 0.97
    assert found.first == pytest.approx(found.second, abs=0.1), "as a whole it may be smaller, in both alike"
    assert min(found.first, found.second) > 0.6
    assert seen(references, both[:, ::-1, ::-1], OF_SUBJECT).follows < -0.8, "turned upside down"


def test_of_two_cameras_moves_both_are_seen_and_of_one_alone_one(toy_base: Path, tmp_path: Path) -> None:
    pan, zoom = (at_base_rate(write_reference(tmp_path, trial_named(name), 0)) for name in ("pan", "zoom"))
    alone = seen((pan, zoom), zoom, OF_CAMERA)
    assert (alone.first, alone.second) == pytest.approx((0, 1), abs=0.05)
    assert alone.follows < 0.8
    bench_pair(tmp_path, tmp_path, str(toy_base), ("pan", "zoom"), 1, 1, 1)
    best = json.loads((tmp_path / "pair.json").read_text())["ceiling"]
    assert min(best[column]["mean"] for column in ("follows the sum", "of the pan", "of the zoom")) > 0.9


def test_it_learns_two_motions_and_says_how_much_of_each_is_seen(toy_base: Path, tmp_path: Path) -> None:
    """One clip is there already, and moves as the first reference does: it is measured, not made again."""
    write_reference(tmp_path, trial_named("pendulum"), 0).rename(tmp_path / "0-0-both, added.mp4")
    command = ["bench", "pair", "--out", str(tmp_path), "--base", str(toy_base), "--first", "pendulum"]
    command += ["--second", "circle", "--prompts", "1", "--seeds", "1", "--steps", "1"]
    said = CliRunner().invoke(app, command, catch_exceptions=False).output
    rows = [line.split(" | ")[0].removeprefix("| ") for line in said.strip().splitlines()[2:]]
    assert rows == [*WAYS, "ceiling"]
    assert (tmp_path / "pair.md").read_text() in said
    assert (tmp_path / "pair.png").stat().st_size > 1000
    figures = json.loads((tmp_path / "pair.json").read_text())
    assert figures["both, added"]["of the pendulum"]["mean"] == pytest.approx(1, abs=0.05)
    assert figures["both, added"]["of the circle"]["mean"] == pytest.approx(0, abs=0.05)
    assert figures["both, added"]["≥ 0.8, with both"]["mean"] == 0
    assert figures["ceiling"]["≥ 0.8, with both"]["mean"] == 1
    asked = {
        way: json.loads((tmp_path / f"0-0-{way}.mp4.json").read_text())["request"]
        for way in ("the second", "both, balanced", "both, filmed")
    }
    assert [Path(m["path"]).name for m in asked["the second"]["motions"]] == ["circle"]
    assert [Path(m["path"]).name for m in asked["both, filmed"]["motions"]] == ["pendulum", "circle"]
    assert asked["both, filmed"]["sampling"]["stacking"] == "filmed"
    assert (asked["both, balanced"]["balance"], asked["both, balanced"]["sampling"]["stacking"]) == (
        1,
        "added",
    )


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("whip pan", "no subject's motion 'whip pan'"),
        ("zoom", "'circle' and 'zoom' are no pair"),
        ("circle", "not stacked with itself"),
    ],
)
def test_what_makes_no_pair_is_refused_before_the_folder_is_begun(
    second: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=said):
        bench_pair(tmp_path, tmp_path, "starter", ("circle", second), 1, 1, 1)
    assert not (tmp_path / "settings.json").exists()
