"""Set Up as it is pressed in Blender: cancelled, failing, and never outliving its Blender."""

import pytest

from .conftest import Drive, gone

pytestmark = pytest.mark.blender


def test_setting_up_can_be_cancelled_says_why_it_fails_and_ends_with_blender(drive_newest: Drive) -> None:
    told = drive_newest("drive_set_up.py")
    assert told["before"] == ["missing", "Set up Restage first"]
    assert told["offline"] is False
    assert told["during"] == ["Restage is being set up", False]
    said, state = told["cancelled"]
    assert said.startswith("Setting up was cancelled.")
    assert state != "ready"
    assert gone(told["process"])
    assert told["failed"] == "The disk is full."
    assert gone(told["process at the end"])
