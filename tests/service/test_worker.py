"""One request, one ending, and what stays in the job's folder."""

from dataclasses import replace
from pathlib import Path

import pytest

from backend.api.protocol import Cancelled, Failed, Finished, Generate, Message, Preview, Progress, Request
from backend.errors import UserError
from backend.service import jobs
from backend.service.worker import PLACE_HINT, Perform, Worker
from backend.tasks.run import Result, Run, Stopped

ASKED = Generate(job="j", prompt="p", out="/o.mp4")


def work(library: Path, perform: Perform, stop: str = "") -> list[Message]:
    sent: list[Message] = []
    outcome = Worker(library, sent.append, perform).work(ASKED, lambda: stop)  # type: ignore[arg-type, return-value]
    assert sent[-1] == outcome
    assert sum(isinstance(m, Finished | Failed | Cancelled) for m in sent) == 1
    return sent


def log(library: Path) -> str:
    return (library / "jobs" / "j" / "log.txt").read_text()


def test_a_result_is_sent_and_kept_in_the_state_and_the_log(tmp_path: Path) -> None:
    def perform(request: Request, run: Run) -> Result:
        run.progress("Learning", 1, 2, "so far")
        run.preview("/preview.mp4", 1)
        return Result(("/o.mp4",), ("a note",))

    sent = work(tmp_path, perform)
    assert Progress(job="j", phase="Learning", done=1, total=2, note="so far") in sent
    assert Preview(job="j", path="/preview.mp4", step=1) in sent
    assert isinstance(sent[-1], Finished)
    assert sent[-1].outputs == ("/o.mp4",)
    assert sent[-1].notes == ("a note",)
    assert jobs.state_of(tmp_path, "j") == "finished"
    assert "Learning" in log(tmp_path)


def test_what_nobody_foresaw_fails_with_a_traceback_in_the_message_and_the_log(tmp_path: Path) -> None:
    def perform(request: Request, run: Run) -> Result:
        raise KeyError("temporal")

    failed = work(tmp_path, perform)[-1]
    assert isinstance(failed, Failed)
    assert "temporal" in failed.error
    assert "KeyError" in failed.traceback
    assert failed.traceback in log(tmp_path)
    assert jobs.state_of(tmp_path, "j") == "failed"


def stopped(request: Request, run: Run) -> Result:
    run.check()
    raise AssertionError("was not stopped")


def test_a_cancelled_job_is_over(tmp_path: Path) -> None:
    assert work(tmp_path, stopped, "cancel")[-1] == Cancelled(job="j")
    assert jobs.state_of(tmp_path, "j") == "cancelled"


def test_a_job_stopped_by_shutdown_counts_as_interrupted(tmp_path: Path) -> None:
    assert work(tmp_path, stopped, "shutdown")[-1] == Cancelled(job="j")
    assert jobs.state_of(tmp_path, "j") == "interrupted"


def test_a_task_that_stops_of_itself_has_one_ending_too(tmp_path: Path) -> None:
    def perform(request: Request, run: Run) -> Result:
        raise Stopped("cancel")

    assert work(tmp_path, perform)[-1] == Cancelled(job="j")


def test_a_library_that_cannot_be_written_fails_the_job_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file where the folder should be")
    failed = work(tmp_path, lambda request, run: Result(()))[-1]
    assert isinstance(failed, Failed)
    assert str(tmp_path / "jobs") in failed.error
    assert failed.hint == PLACE_HINT
    assert failed.traceback == ""


@pytest.mark.parametrize(("failing", "kept"), [(False, False), (True, True)])
def test_only_a_job_that_failed_keeps_what_it_had_learned(tmp_path: Path, failing: bool, kept: bool) -> None:
    def perform(request: Request, run: Run) -> Result:
        (run.folder / "checkpoints").mkdir()
        if failing:
            raise UserError("The disk is full.", "Free some space.")
        return Result(())

    work(tmp_path, perform)
    assert (tmp_path / "jobs" / "j" / "checkpoints").exists() == kept


def test_each_job_that_ends_sweeps_away_those_that_are_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "KEPT", 2)
    for i in range(4):
        request = replace(ASKED, job=f"j{i}")
        Worker(tmp_path, lambda message: None, lambda r, run: Result(())).work(request, lambda: "")
    assert [job.id for job in jobs.all_jobs(tmp_path)] == ["j3", "j2"]


def test_the_job_folder_is_free_when_its_ending_is_told(tmp_path: Path) -> None:
    states = []

    def send(message: Message) -> None:
        if isinstance(message, Finished):
            states.append(jobs.state_of(tmp_path, "j"))

    Worker(tmp_path, send, lambda request, run: Result(())).work(ASKED, lambda: "")
    assert states == ["finished"]
