"""Interrupted learning runs, found in folders that the service's own code has written."""

import json
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from backend.api.interrupted import NEWEST, forget, interrupted
from backend.api.protocol import Clip, Generate, Learn, Request
from backend.service import jobs


def learn(job: str) -> Learn:
    return Learn(job=job, clips=(Clip(path="a.mp4"),), motion="moving in a circle", out="out")


def leave(library: Path, request: Request, state: jobs.State = "running") -> None:
    """A job folder as it is left: by a process that ended when `state` had been written."""
    with jobs.taken(library, request) as job:
        job.set_state(state)


def test_a_learning_run_whose_process_is_gone_is_found_as_it_was_asked_for(tmp_path: Path) -> None:
    leave(tmp_path, learn("one"))
    assert jobs.state_of(tmp_path, "one") == "interrupted"
    assert interrupted(tmp_path) == [learn("one")]


@pytest.mark.parametrize("state", ["finished", "failed", "cancelled"])
def test_a_learning_run_that_ended_is_not_found(tmp_path: Path, state: jobs.State) -> None:
    leave(tmp_path, learn("one"), state)
    assert interrupted(tmp_path) == []


def test_a_learning_run_that_a_process_holds_is_not_found_and_not_deleted(tmp_path: Path) -> None:
    with jobs.taken(tmp_path, learn("one")) as job:
        job.set_state("running")
        assert interrupted(tmp_path) == []
        forget(tmp_path, learn("one"))
        assert (tmp_path / "jobs" / "one" / "state.json").exists()


def test_looking_leaves_the_run_free_to_be_resumed(tmp_path: Path) -> None:
    leave(tmp_path, learn("one"))
    interrupted(tmp_path)
    with jobs.taken(tmp_path, learn("one")):
        pass


def test_what_cannot_be_resumed_is_not_found(tmp_path: Path) -> None:
    leave(tmp_path, Generate(job="a-clip", prompt="a star", out="star.mp4"))
    leave(tmp_path, learn("older"))
    asked = tmp_path / "jobs" / "older" / "request.json"
    data = json.loads(asked.read_text())
    data["request"]["a setting of long ago"] = 1
    asked.write_text(json.dumps(data))
    (tmp_path / "jobs" / "empty").mkdir()
    leave(tmp_path, learn("damaged"))
    (tmp_path / "jobs" / "damaged" / "state.json").write_text("{")
    assert interrupted(tmp_path) == []


def test_only_the_newest_jobs_are_looked_at(tmp_path: Path) -> None:
    for i in range(NEWEST + 2):
        (tmp_path / "jobs" / f"old-{i}").mkdir(parents=True)
    leave(tmp_path, learn("newest"))
    assert interrupted(tmp_path) == [learn("newest")]
    assert interrupted(tmp_path / "no library") == []


def test_a_library_that_is_a_file_holds_no_jobs(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert interrupted(tmp_path / "file") == []


def test_a_job_that_vanishes_while_it_is_looked_at_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, learn("one"))
    leave(tmp_path, learn("two"))
    whole = os.scandir

    def swept(path: Path) -> AbstractContextManager[list[os.DirEntry[str]]]:
        """The list as it was before the backend's sweep took a job away."""
        with whole(path) as entries:
            listed = list(entries)
        (tmp_path / "jobs" / "two").rename(tmp_path / "swept")
        return nullcontext(listed)

    monkeypatch.setattr("backend.api.interrupted.os.scandir", swept)
    assert interrupted(tmp_path) == [learn("one")]


def test_a_forgotten_run_is_not_found_again(tmp_path: Path) -> None:
    leave(tmp_path, learn("one"))
    leave(tmp_path, learn("two"))
    forget(tmp_path, learn("one"))
    assert interrupted(tmp_path) == [learn("two")]
