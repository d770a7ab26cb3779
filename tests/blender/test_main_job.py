"""The built zip, installed in the oldest, the usual and the newest Blender: the main job by its buttons."""

import json
from pathlib import Path
from typing import Any

import pytest

from backend.api.protocol import Edit, Generate
from backend.api.values import from_plain

from .conftest import ALL, Drive, gone

pytestmark = [pytest.mark.blender, pytest.mark.slow]

FRAMES = 15  # half a second (the toy base makes 4 frames at 8 a second) at the scene's 30000/1001


@pytest.mark.parametrize("drive", ALL, indirect=True)
def test_a_strips_motion_is_learned_and_new_strips_are_made_with_it(
    drive: Drive, movie: Path, toy_base: Path
) -> None:
    told = drive("drive_main_job.py", movie=str(movie), base=str(toy_base))
    assert told["motions"] == [[told["learned"][0], 1.0]]
    assert (Path(told["learned"][0]) / "preset.json").is_file()
    picture, after = told["preview"]
    assert (Path(picture).name, after) == ("000004.png", 4)
    assert told["checkpoints"] == [2]
    strips_are_right(told)
    undo_takes_one_step(told)
    requests_are_on_the_strips(told)
    assert told["pixel"] != pytest.approx([1, 0, 1], abs=0.1), "Blender shows magenta for a missing file"
    assert gone(told["process"])


def strips_are_right(told: dict[str, Any]) -> None:
    """Above the source, at its place, one channel each, nothing else moved."""
    assert told["before"] == {"movie": ["MOVIE", 1, 10, 48]}
    first, second = "a red ball moving to the right", "a red ball moving to the right.001"
    generated = {first: ["MOVIE", 2, 10, FRAMES], second: ["MOVIE", 3, 10, FRAMES]}
    assert told["generated"] == told["before"] | generated
    assert told["after"] == told["generated"] | {"a blue star": ["MOVIE", 4, 10, 48]}


def undo_takes_one_step(told: dict[str, Any]) -> None:
    assert told["motions_undone"] == []
    assert told["generate_undone"] == told["before"]
    assert told["edit_undone"] == told["generated"]


def requests_are_on_the_strips(told: dict[str, Any]) -> None:
    """Each strip's own request makes it again; the source has none."""
    assert told["requests"].pop("movie") is None
    read = {name: json.loads(text) for name, text in told["requests"].items()}
    assert {data["schema"] for data in read.values()} == {1}
    requests = {name: from_plain(Generate | Edit, data["request"]) for name, data in read.items()}
    assert [request.seed for request in requests.values()] == [0, 1, 0]
    assert [[motion.step for motion in request.motions] for request in requests.values()] == [[2], [2], [2]]
    assert [request.out for request in requests.values()] == [*told["made"], *told["edited"]]
    edit = requests["a blue star"]
    assert isinstance(edit, Edit)
    assert (edit.clip.first_frame, edit.clip.frame_count, edit.follow) == (0, 48, 0.5)
