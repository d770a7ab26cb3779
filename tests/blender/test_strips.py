"""Which frames of a file a strip shows (checked against what Blender renders) and where results land."""

from pathlib import Path
from typing import Any

import pytest

from .conftest import Drive

pytestmark = pytest.mark.blender

# What was done to the strip of 48 frames -> first frame, count and direction that are sent.
RANGES = {
    "whole": [0, 48, False],
    "handles moved in": [5, 40, False],
    "reversed": [3, 40, True],
    "hard split, left": [0, 20, False],
    "hard split, right": [20, 28, False],
    "hard split, right, reversed": [20, 28, True],
    "soft split, right": [20, 28, False],
    "handles moved out": [0, 48, False],
    "another rate": [0, 48, False],
}

# What happened meanwhile to a strip on channel 1 at frame 10 -> channel and frame of the results.
PLACES = {
    "as it was": [[2, 10]],
    "renamed": [[2, 10]],
    "moved": [[4, 50]],
    "deleted": [[2, 10]],
    "crowded": [[5, 10]],
    "id undone": [[4, 50]],
    "scene switched": [[2, 10]],
    "two at once": [[2, 10], [3, 10]],
    "in a meta strip": [[2, 10]],
    "at the playhead": [[1, 33]],
    "the right half of a split strip": [[2, 30]],
}

# What happened meanwhile to the scene of a place -> the scene that is found, and whether it has its id again.
SCENES = {
    "the id undone indeed": "",
    "undone, saved": ["Scene", True],
    "a new .blend": [None, False],
    "reverted": ["Scene", True],
    "another's": [None, False],
    "a copy of its .blend": [None, False],
    "asked for more meanwhile": True,
}

OFFLINE = "The strip's movie file cannot be read; find it first (File > External Data)"

RATES = {
    "24/1.0": [24, 1],
    "25/1.0": [25, 1],
    "30/1.5": [20, 1],
    "24/1.001": [24000, 1001],
    "30/1.001": [30000, 1001],
    "60/1.001": [60000, 1001],
    "24/1.00066": [1200000, 50033],
}


def test_a_strip_is_sent_as_the_frames_it_shows_and_its_results_land_above_it(
    drive: Drive, movie: Path, tmp_path: Path
) -> None:
    told = drive("drive_strips.py", movie=str(movie))
    assert {name: seen["sent"] for name, seen in told["ranges"].items()} == RANGES
    for name, seen in told["ranges"].items():
        first, count, reverse = seen["sent"]
        ends = [first, first + count - 1]
        assert seen["shown"] == (ends[::-1] if reverse else ends), name
    gone = told["places"].pop("scene deleted")
    assert gone == f"The scene it was made for is not open. The clip is {movie}"
    assert told["places"] == PLACES
    assert told["scenes"] == SCENES
    assert told["rates"] == RATES
    assert told["results"] == {
        "unsaved": str(tmp_path / "library" / "results"),
        "saved": str(tmp_path / "project" / "restage"),
    }
    assert told["registered"] == {"gone": True, "back": "starter"}
    a_grey_button_says_why(told["reasons"])
    assert bool(told["no scene"]) == (told["version"] >= [5, 0]), "before, the sequencer shows the window's"
    if told["no scene"]:
        nothing_acts_where_the_sequencer_shows_no_scene(told["no scene"])


def nothing_acts_where_the_sequencer_shows_no_scene(seen: dict[str, Any]) -> None:
    reason = "Choose a scene in the sequencer's header first"
    of_no_scene = ("cancel", "cancel_set_up", "dismiss", "forget", "free_memory", "open")
    assert seen["pressable"] == [f"restage.{name}" for name in of_no_scene]
    assert seen["pressed"].endswith(reason)
    assert seen["panel"] == [f"{reason}."]
    assert seen["drawn"] == ["RESTAGE_PT_strip", "RESTAGE_PT_jobs"]
    assert seen["chosen"] == [True, True]


def a_grey_button_says_why(reasons: dict[str, str]) -> None:
    assert reasons.pop("pressed").endswith(OFFLINE)
    assert reasons == {
        "fine": "",
        "no base": "Name a base model first (in the options)",
        "no strip": "Select a movie strip first",
        "no words": "Write how it moves first",
        "no prompt": "Write a prompt first",
        "no movie": "Only movie strips can be used, and this is a strip of type Color",
        "missing": OFFLINE,
        "went missing": OFFLINE,
        "jobs": "0",
    }
