"""Job folders: their states, their lock, and what a released version wrote."""

import json
from pathlib import Path

import pytest
from filelock import FileLock

from backend.api.protocol import Clip, Generate, Learn
from backend.errors import UserError
from backend.service import jobs

ASKED = Learn(job="j", clips=(Clip(path="/c.mp4"),), motion="in a circle", out="/o")


def leave_checkpoint(library: Path) -> Path:
    """As a job that was killed does."""
    with jobs.taken(library, ASKED) as job:
        checkpoint = job.folder / "checkpoints" / "0-000010"
        checkpoint.mkdir(parents=True)
    return checkpoint


def test_a_job_is_new_then_running_then_what_it_ended_in(tmp_path: Path) -> None:
    assert jobs.state_of(tmp_path, "j") == "new"
    with jobs.taken(tmp_path, ASKED) as job:
        assert jobs.state_of(tmp_path, "j") == "running"
        job.set_state("failed", error="why")
    assert jobs.state_of(tmp_path, "j") == "failed"
    assert jobs.read_state(tmp_path / "jobs" / "j")["error"] == "why"


def test_a_job_whose_lock_is_free_though_it_never_ended_is_interrupted(tmp_path: Path) -> None:
    leave_checkpoint(tmp_path)
    assert jobs.state_of(tmp_path, "j") == "interrupted"


def test_a_job_is_taken_only_once(tmp_path: Path) -> None:
    with jobs.taken(tmp_path, ASKED):
        before = (tmp_path / "jobs" / "j" / "state.json").read_bytes()
        with (
            pytest.raises(UserError, match="already running in another process"),
            jobs.taken(tmp_path, ASKED),
        ):
            pass
        assert (tmp_path / "jobs" / "j" / "state.json").read_bytes() == before


def test_an_interrupted_job_keeps_its_checkpoints_for_the_same_request(tmp_path: Path) -> None:
    checkpoint = leave_checkpoint(tmp_path)
    with jobs.taken(tmp_path, ASKED):
        assert checkpoint.exists()


@pytest.mark.parametrize("request_", [Generate(job="j", prompt="p", out="o.mp4"), ASKED])
def test_checkpoints_of_another_request_or_a_fresh_start_are_dropped(
    tmp_path: Path, request_: Learn | Generate
) -> None:
    checkpoint = leave_checkpoint(tmp_path)
    with jobs.taken(tmp_path, request_, fresh=request_ == ASKED):
        assert not checkpoint.exists()


def test_a_finished_job_starts_over(tmp_path: Path) -> None:
    checkpoint = leave_checkpoint(tmp_path)
    with jobs.taken(tmp_path, ASKED) as job:
        job.set_state("finished", outputs=("/o",))
    with jobs.taken(tmp_path, ASKED):
        assert not checkpoint.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "x" * 101, "a\nb", "C:"])
def test_an_id_that_is_no_plain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="not a name for a job"):
        jobs.folder_of(tmp_path, name)


def test_the_last_job_to_make_something_is_known(tmp_path: Path) -> None:
    assert jobs.last_to_make(tmp_path, "/o") == ""
    for name in ("first", "second"):
        with jobs.taken(tmp_path, Generate(job=name, prompt="p", out="/o")) as job:
            job.set_state("finished", outputs=("/o",))
    assert jobs.last_to_make(tmp_path, "/o") == "second"
    assert jobs.last_to_make(tmp_path, "/elsewhere") == ""


def end(library: Path, name: str, state: jobs.State, at: str = "") -> Path:
    """A job as it is left in `state`; `at` is when."""
    with jobs.taken(library, Generate(job=name, prompt="p", out="/o")) as job:
        (job.folder / "checkpoints").mkdir()
        job.set_state(state)
    if at:
        write = {"schema": 1, "state": state, "at": at}
        (job.folder / "state.json").write_text(json.dumps(write))
    return job.folder


def test_a_job_that_is_over_keeps_what_can_be_read_and_nothing_to_go_on_from(tmp_path: Path) -> None:
    with jobs.taken(tmp_path, ASKED) as job:
        (job.folder / "checkpoints" / "0-000010").mkdir(parents=True)
        (job.folder / "previews").mkdir()
        (job.folder / "prepared.safetensors").write_bytes(b"latents")
        job.log("Learn started")
        job.set_state("cancelled")
        job.drop_work()
    left = {path.name for path in job.folder.iterdir()}
    assert left - {"lock"} == {"request.json", "state.json", "log.txt", "previews"}


def test_the_oldest_jobs_that_have_ended_are_removed_and_no_other(tmp_path: Path) -> None:
    for i, state in enumerate(("finished", "failed", "cancelled", "finished")):
        end(tmp_path, f"ended-{i}", state, f"2026-11-20T18:00:0{i}.000+00:00")
    interrupted = end(tmp_path, "interrupted", "running", "2026-01-01T00:00:00.000+00:00")
    assert jobs.sweep(tmp_path, keep=2) == ["ended-1", "ended-0"]
    left = [(job.id, job.state) for job in jobs.all_jobs(tmp_path)]
    assert left == [("ended-3", "finished"), ("ended-2", "cancelled"), ("interrupted", "interrupted")]
    assert (interrupted / "checkpoints").exists()


def test_a_job_that_a_process_holds_is_not_removed(tmp_path: Path) -> None:
    folder = end(tmp_path, "held", "finished")
    with FileLock(folder / "lock", timeout=0):
        assert jobs.sweep(tmp_path, keep=0) == []
        assert not jobs.remove(tmp_path, "held")
    assert jobs.state_of(tmp_path, "held") == "finished"
    assert jobs.remove(tmp_path, "held")
    assert not folder.exists()


@pytest.mark.parametrize("folder", ["newer", ".hidden"])
def test_what_is_not_known_is_not_swept_away(tmp_path: Path, folder: str) -> None:
    (tmp_path / "jobs" / folder).mkdir(parents=True)
    (tmp_path / "jobs" / folder / "state.json").write_text('{"schema": 2, "state": "finished"}')
    assert jobs.sweep(tmp_path, keep=0) == []
    assert (tmp_path / "jobs" / folder).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"state": "finished"}', "\0\0\0"])
def test_a_job_whose_state_is_damaged_is_new_again(tmp_path: Path, text: str) -> None:
    folder = end(tmp_path, "j", "finished")
    (folder / "state.json").write_text(text)
    (folder / "request.json").write_text(text)
    assert jobs.state_of(tmp_path, "j") == "new"
    with jobs.taken(tmp_path, ASKED):
        assert jobs.state_of(tmp_path, "j") == "running"


def test_what_schema_1_wrote_is_read(tmp_path: Path) -> None:
    """Frozen: these lines never change. A new schema gets a new sample beside them."""
    folder = tmp_path / "jobs" / "j"
    (folder / "checkpoints" / "0-000010").mkdir(parents=True)
    (folder / "state.json").write_text(
        '{"schema": 1, "state": "running", "at": "2026-11-20T18:00:00.000+00:00"}'
    )
    (folder / "request.json").write_text(
        '{"schema": 1, "request": {"type": "Learn", "job": "j", "clips": [{"type": "Clip", "path": "/c.mp4",'
        ' "first_frame": 0, "frame_count": null, "reverse": false, "looks": ""}], "motion": "in a circle",'
        ' "out": "/o"}}'
    )
    assert jobs.state_of(tmp_path, "j") == "interrupted"
    with jobs.taken(tmp_path, ASKED):
        assert (folder / "checkpoints" / "0-000010").exists()


def test_what_a_newer_program_wrote_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / "j"
    folder.mkdir(parents=True)
    newer = json.dumps({"schema": 2, "state": "paused"})
    (folder / "state.json").write_text(newer)
    with pytest.raises(UserError, match="newer Restage"), jobs.taken(tmp_path, ASKED):
        pass
    assert (folder / "state.json").read_text() == newer
    with FileLock(folder / "lock", timeout=0):
        pass  # and it is not held
