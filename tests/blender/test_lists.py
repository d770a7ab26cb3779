"""Strengths over time, looks, lists of what is learned from: what each sends, without a backend."""

from pathlib import Path

import pytest

from .conftest import Drive

pytestmark = pytest.mark.blender

MOVIE = ["movie.mp4", 48, "a white square"]  # the active strip
FILE = ["movie.mp4", None, "the whole file"]
STILL, RELATED = ["still.png", None, "a dog"], ["movie.mp4", None, "a square rolling"]


def test_a_strength_is_keyframed_looks_act_and_lists_are_sent_where_the_method_uses_them(
    drive: Drive, movie: Path, still: Path
) -> None:
    told = drive("drive_lists.py", movie=str(movie), picture=str(still))
    assert told["over time"] == {
        "rising": [[0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4], 1.0, 1.0],
        "moments": [0.0, 0.143, 0.286, 0.429, 0.571, 0.714, 0.857, 1.0],
        "said": "0.00 → 1.40 over frames 10 to 33",
        "switched off": 0,
        "without keyframes": [1.0, "1.00 throughout: it has no keyframes yet"],
        "constant": [0.5, "0.50 throughout: it does not change over frames 10 to 33"],
        "stretched": [0.0, 0.4, 0.8, 1.2, 1.4, 1.4, 1.4, 1.4],
        "unknown length": "How long a clip of somebody/never-fetched is, is not known here. Choose “As long"
        " as the strip” in the options, or switch Over Time off.",
    }
    assert told["rows"] == {
        "drivers": ["restage.motions[1].strength"],
        "after the second": True,
        "third is second": True,
        "left": ["Shake", 0.5],
        "a new row has none": True,
    }
    assert told["taken back"] == {
        "rows": [["Circle", True], ["Brush", False], ["lora", False]],
        "differs": [],
        "whose": [True, "subject"],  # the camera's then, until it is given away now
    }
    assert told["looks"] == {
        "sent": [["Subject", 1.0], ["lora.safetensors", 0.5]],
        "edited": True,
        "to say": ["a X* dog", "", "<looks>"],
        "offered": ["Absorbed", "Brush", "Subject"],
        "no LoRA": "movie.mp4 is not a file with a LoRA. Choose one that ends in .safetensors.",
        "gone": "lora: its file is not there any more",
        "left": ["Subject", "Absorbed"],
    }
    lists_are_sent(told["sources"])
    looks_have_a_menu(told["looks' menu"])
    assert told["left open"] == {"False": [True, False], "True": [False, True]}


def looks_have_a_menu(seen: dict[str, object]) -> None:
    assert seen == {
        "menus": 1,
        "offered": [
            ["motion_export", "motion_export", "looks_give", "open"],
            ["motion_checkpoint", "motion_export", "motion_export", "open"],
        ],
        "given": ["CustomizeAVideo", "given", True],
    }


def lists_are_sent(seen: dict[str, object]) -> None:
    assert seen.pop("ranges") == [["first_frame", "own_frame_count", "frame_count", "reverse"], []]
    assert seen == {
        "used": {
            "CustomizeAVideo": ["clips", "regular"],
            "Vmc": ["clips", "regular"],
            "MotionDirector": ["clips", "stills", "regular"],
            "MotionToken": ["clips", "stills", "regular"],
            "sampled": ["clips", "stills"],
        },
        "a picture is no clip": "still.png is a picture, and this list is of clips. Choose a movie.",
        "mute": "Say in words what movie.mp4 shows",
        "can learn": "",
        "token": {"clips": [MOVIE, FILE], "stills": [STILL], "regular": [RELATED]},
        "director": {"clips": [MOVIE, FILE], "stills": [STILL], "regular": [RELATED]},
        "vmc": {"clips": [MOVIE, FILE], "stills": [], "regular": [RELATED]},
        "a file beside the shot": "looks.safetensors",
        "is chosen in a browser": "FILE_PATH",
        "stills alone": ["", {"clips": [], "stills": [STILL], "regular": []}],
        "their title": "Looks: a dog",
        "a rank for looks alone": "Only the looks are learned, and there are settings of the motion."
        " Learn the motion, or leave to the base all but the settings of the looks and the variants.",
        "no picture": "notes.txt is neither a movie nor a picture that can be read. Choose an MP4 or MOV, or"
        " a PNG or JPEG.",
        "nothing selected": "No strip is selected. Select movie or image strips in the sequencer.",
    }
