"""The list of motions, seeds and a result's own request, without a backend."""

from pathlib import Path

import pytest

from backend.api.values import to_plain
from backend.bench.rows import ROWS
from backend.families.weights import fingerprint

from .conftest import Drive

pytestmark = pytest.mark.blender

CHECKPOINTS = {
    "at first": 0,
    "offered": [
        ["As Learned to the End", 0, True],
        ["As It Was after 75 of 300 steps", 75, False],
        ["As It Was after 150 of 300 steps", 150, False],
    ],
    "offered without any": [["As Learned to the End", 0, False]],
    "75": ["", 75],
    "80": ["Wave: it has no checkpoint after 80 steps", 80],
    "0": ["", 0],
}

WHOSE = {
    "given": ["camera", True, "camera"],
    "taken back": ["subject", False, "subject"],
    "asked how": [False, True, True, True, True],
    "sent": [None, "filmed"],
    "looks": "Error: 'Ink' holds looks and no motion. Choose a motion.",
    "gone": "Error: There is no motion in …/presets/Wave. Choose a folder that holds a preset.json.",
}

TEMPO = (
    "The clip was made for 29.97 fps and plays too {} in this scene, at {}. "
    "Another Take makes one for this scene."
)
# Rate and length in frames of two seconds, and what is said of a clip of another rate.
RATES = {
    "another take": [[24, 1, 48], [30000, 1001, 60], [12, 1, 24]],
    "start again": [[24, 1, 48], [30000, 1001, 60], [12, 1, 24]],
    "learning is resumed as asked": True,
    "placed at 30": "",
    "placed at 24": TEMPO.format("slow", 24),
    "placed at 60": TEMPO.format("fast", 60),
    "arrived": f"of the backend {TEMPO.format('fast', 60)}",
    "gone": "Error: The movie file …/gone.mp4 cannot be read. See whether it is there and whole.",
    "refused by Blender": [["ERROR", "Cannot read 'nowhere.mp4': No such file or directory"]],
}


def test_motions_are_listed_and_those_of_another_base_are_refused(
    drive: Drive, movie: Path, toy_base: Path
) -> None:
    rows = {name: to_plain(row.method) for name, row in ROWS.items() if row.method}
    told = drive("drive_motions.py", movie=str(movie), base=str(toy_base), rows=rows)
    assert told["rows"] == []
    assert told["adding"] == {
        "added": [["Circle", 0.6]],
        "undone": [],
        "fits": "",
        "two": [["Circle", 0.6], ["Zoom", 1.0]],
        "does not fit": "Zoom: learned on toy, so it does not fit toy",
        "switched off": "",
        "other base": "Circle: learned on toy, so it does not fit starter",
        "unknown base": "",
        "deleted": "Circle: this motion is not in the library any more",
        "removed": [],
    }
    assert told["checkpoints"] == CHECKPOINTS
    assert told["whose"] == WHOSE
    assert told["same as the backend's"] == fingerprint(toy_base).architecture
    assert told["seeds"] == {
        "as it comes": [True, True],
        "by a script": 7,
        "rolled": True,
        "kept": [True, True],
    }
    assert told["results"] == {
        "a source": True,
        "a source has no settings": True,
        "motions": [["Circle", 0.5]],
        "differs": [],
        "another take": ["job", "out", "seed"],
        "of another version": True,
    }
    assert told["rates"] == RATES
    aside = "The file's own frames are used, without the strip's "
    assert told["asides"] == ["", f"{aside}flip", f"{aside}flip and crop and strobe"]
