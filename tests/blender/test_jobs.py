"""Jobs in Blender that do not end well, and backends that never outlive their Blender."""

from pathlib import Path

import pytest

from .conftest import Drive, gone

pytestmark = [pytest.mark.blender, pytest.mark.slow]


def test_a_job_may_be_cancelled_fail_or_lose_its_backend_and_the_next_one_works(
    drive_newest: Drive, movie: Path, toy_base: Path
) -> None:
    told = drive_newest("drive_jobs.py", movie=str(movie), base=str(toy_base))
    assert told["cancelled"] == ["cancelled", "", "", False]
    state, error, hint = told["failed"]
    assert state == "failed"
    assert error.endswith(".")
    assert hint.endswith(".")
    state, error, hint = told["killed"]
    assert (state, error) == (
        "failed",
        "The backend stopped unexpectedly (signal 9). The system may have ended it for want of memory.",
    )
    assert "Start the job again" in hint
    assert told["after"] == ["done", "", ""]
    assert told["another process"]
    landed = {
        "movie": ["MOVIE", 1, 10, 48],
        "a red ball": ["MOVIE", 2, 10, 12],
        "a red ball.001": ["MOVIE", 3, 10, 12],
    }
    assert told["id undone"] == [["done", "", ""], landed]
    assert (told["rows"], told["rows dismissed"], told["rows disabled"]) == (5, 0, 0)
    assert told["left"] == [84, None, 660], "of each clip at its own pace: 10 steps a minute, then 2"
    state, note, hint = told["file changed"]
    assert state == "done"
    assert note.startswith("The scene it was made for is not open. The clip is /")
    assert told["kept"]
    assert told["in the new file"] == {}
    assert told["added to the new file"] == [["done", "", ""], {"a red ball": ["MOVIE", 1, 7, 12]}]
    assert gone(told["process"])


@pytest.mark.parametrize("how", ["quit", "crash"])
def test_the_backend_ends_with_its_blender_and_the_next_one_offers_to_resume(
    drive_newest: Drive, movie: Path, toy_base: Path, how: str
) -> None:
    told = drive_newest("drive_quit.py", movie=str(movie), base=str(toy_base), how=how)
    assert gone(told["process"])
    after = drive_newest("drive_resume.py")
    assert after["found"] == [["Moving to the right", "interrupted"]]
    assert after["after Clear List"] == 1
    state, done = after["goes on"]
    assert state == "running"
    assert done > told["done"]
    assert after["found again"] == ["interrupted"]
    assert (after["rows"], after["folder"]) == (0, False)
