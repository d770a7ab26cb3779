"""Nothing that lies wrong on the disk, and no message, ends the timer: then jobs would never end."""

from pathlib import Path

import pytest

from .conftest import Drive

pytestmark = pytest.mark.blender

FAILED = (
    "Restage has failed ({}). Restart Blender; if this comes back, report what its console says "
    "(Window > Toggle System Console, or the terminal that Blender was started from)."
)
FETCH = "somebody/model is to be fetched: allow online access first (Preferences > System > Network)"
HUB = {
    "offline, base": FETCH,
    "offline, second": FETCH,
    "online, base": "",
    "online, second": "",
    "offline, another take": f"{FETCH}. Then try again.",
    "offline, in part": FETCH,
    "offline, whole": "",
}


def test_whatever_goes_wrong_the_timer_goes_on_and_the_panel_says_what_to_do(
    drive: Drive, movie: Path
) -> None:
    told = drive("drive_troubles.py", movie=str(movie))

    def wrong(name: str) -> dict[str, object]:
        words = f"…/{name}/restage.json gives no usable frames and fps; correct or delete it"
        return {"window": None, "wrong": words, "why not": True}

    assert told["bases"] == {
        "nobody's home": {"window": None, "wrong": "", "why not": False},
        "a fraction": {"window": [24, 24000 / 1001], "wrong": "", "why not": False},
        "no frames": wrong("null"),
        "no rate": wrong("zero"),
        "words": wrong("words"),
        "put right": {"window": [16, 8.0], "why not": False},
    }
    assert told["hub"] == HUB
    assert told["libraries"] == {
        "a file": "The library …/file is a file, not a folder. Choose another one in Restage's preferences.",
        "too long": "",  # nothing is there: it is to be set up, which will say what is wrong
        "good": "",
    }
    assert told["lora"] == ["", "lora: its file is not there any more"]
    assert told["unforeseen"] == {
        "intervals": [1.0, 1.0],
        "said": FAILED.format("ZeroDivisionError('division by zero')"),
        "afterwards": "",
    }
    assert told["messages"] == {
        "ended": ["done", "done"],
        "said": FAILED.format("IndexError('tuple index out of range')"),
        "strips": ["two"],
    }
