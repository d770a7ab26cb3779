"""Jobs through the client and the real process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.api.client import Backend
from backend.api.protocol import (
    Cancel,
    Cancelled,
    Failed,
    Finished,
    Generate,
    Progress,
    Ready,
)
from backend.errors import UserError
from backend.service import jobs

from .waiting import ask, assert_works, endings, until


def test_ready_comes_first_and_a_job_reports_progress_then_finishes(backend: Backend, tmp_path: Path) -> None:
    backend.send(ask("clip", out=str(tmp_path / "clip.mp4")))
    seen = until(backend, Finished)
    assert [type(m) for m in seen] == [Ready, Progress, Progress, Progress, Progress, Finished]
    assert backend.ready == seen[0]
    assert backend.ready.device.startswith(("CPU", "NVIDIA", "Apple", "AMD"))
    assert seen[-1].outputs == (str(tmp_path / "clip.mp4"),)
    assert seen[-1].notes == ("a note",)


def test_what_libraries_print_goes_to_the_log_and_not_into_the_stream(backend: Backend) -> None:
    backend.send(ask("clip"))
    assert not any(isinstance(m, Cancelled) for m in until(backend, Finished))
    assert backend.bad_lines == 0
    assert "stray words from Python" in backend.log.read_text()
    assert "stray words from C" in backend.log.read_text()


def test_what_reads_stdin_in_a_job_takes_no_message(backend: Backend) -> None:
    backend.send(ask("read stdin", "reads"))
    backend.send(ask("clip", "next"))
    until(backend, Finished, "reads")
    until(backend, Finished, "next")


@pytest.mark.parametrize(
    ("prompt", "error", "hint"),
    [
        ("user error", "The clip is upside down.", "Turn it."),
        ("bug", "by nothing", "log"),
        ("exit", "3", "log"),
        ("memory", "The computer is out of memory.", "Close other programs"),
        ("memory in torch", "The computer is out of memory.", "Close other programs"),
        ("gpu memory", "The GPU is out of memory.", "fewer frames"),
        ("gpu memory in a library", "The GPU is out of memory.", "fewer frames"),
        ("disk", "The disk is full.", "Free some space"),
    ],
)
def test_an_error_in_a_job_fails_it_once_and_leaves_the_backend_alive(
    backend: Backend, prompt: str, error: str, hint: str
) -> None:
    backend.send(ask(prompt))
    failed = until(backend, Failed)[-1]
    assert error in failed.error
    assert hint in failed.hint
    assert ("ZeroDivisionError" in failed.traceback) == (prompt == "bug")
    assert_works(backend)


def test_jobs_run_one_after_the_other_in_the_order_they_came(backend: Backend) -> None:
    for job in "abc":
        backend.send(ask("clip", job))
    seen = until(backend, Finished, "c")
    assert [m.job for m in seen if isinstance(m, Finished)] == ["a", "b", "c"]
    assert [m.job for m in seen if isinstance(m, Progress)] == list("aaaabbbbcccc")


def test_a_running_job_is_cancelled_and_the_next_one_works(backend: Backend) -> None:
    backend.send(ask("wait"))
    until(backend, Progress)
    backend.cancel("j")
    assert not any(isinstance(m, Finished | Failed) for m in until(backend, Cancelled, "j"))
    assert_works(backend)


def test_a_waiting_job_is_cancelled_without_having_run(backend: Backend) -> None:
    backend.send(ask("wait", "first"))
    backend.send(ask("clip", "second"))
    until(backend, Progress, "first")
    backend.cancel("second")
    seen = until(backend, Cancelled, "second")
    backend.cancel("first")
    seen += until(backend, Cancelled, "first")
    assert not any(isinstance(m, Progress) and m.job == "second" for m in seen)
    assert jobs.state_of(backend.log.parent, "second") == "new"
    assert_works(backend)


def test_a_cancel_at_the_last_moment_leaves_one_ending_and_the_next_job_works(backend: Backend) -> None:
    backend.send(ask("finish when cancelled"))
    until(backend, Progress)
    backend.cancel("j")
    until(backend, Finished, "j")
    backend.send(ask("clip", "next"))
    assert not any(isinstance(m, Cancelled) for m in until(backend, Finished, "next"))


def test_a_cancel_of_an_unknown_or_finished_job_is_harmless(backend: Backend) -> None:
    backend.send(ask("clip"))
    until(backend, Finished)
    backend.send(Cancel(job="j"))
    backend.send(Cancel(job="never heard of"))
    backend.send(ask("clip"))  # under the id of the finished one
    assert not any(isinstance(m, Failed | Cancelled) for m in until(backend, Finished))


def test_a_job_that_does_not_stop_is_ended_with_the_process(backend: Backend) -> None:
    backend.send(ask("deaf", "deaf"))
    backend.send(ask("clip", "behind"))
    until(backend, Progress, "deaf")
    backend.cancel("deaf", grace=0.1)
    ended = endings(backend, "deaf", "behind")
    assert ended["deaf"] == Cancelled(job="deaf")
    assert "another job did not stop" in ended["behind"].error
    assert not backend.alive
    with pytest.raises(UserError, match="did not stop"):
        backend.send(ask("clip"))


def test_a_crash_fails_each_unfinished_job_once(backend: Backend) -> None:
    backend.send(ask("abort", "crashes"))
    backend.send(ask("clip", "behind"))
    ended = endings(backend, "crashes", "behind")
    assert "The backend stopped unexpectedly" in ended["crashes"].error
    assert "The backend stopped unexpectedly" in ended["behind"].error
    assert str(backend.log) in ended["crashes"].hint
    assert not backend.alive
    assert backend.poll() == []
    with pytest.raises(UserError, match="The backend is not running"):
        backend.send(ask("clip"))


def test_a_job_of_another_process_is_not_taken(start: Callable[..., Backend], backend: Backend) -> None:
    backend.send(ask("wait"))
    until(backend, Progress)
    other = start()
    other.send(ask("wait"))
    assert "already running in another process" in until(other, Failed)[-1].error
    backend.cancel("j")
    until(backend, Cancelled)


def test_send_refuses_what_is_out_of_limits_and_a_job_twice(backend: Backend) -> None:
    with pytest.raises(UserError, match="Count is 65"):
        backend.send(Generate(job="j", prompt="clip", out="o.mp4", count=65))
    backend.send(ask("wait"))
    with pytest.raises(UserError, match="not finished yet"):
        backend.send(ask("wait"))
