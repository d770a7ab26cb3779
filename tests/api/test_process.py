"""How the backend process begins and ends, and what it makes of bad lines."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from backend.api.client import Backend
from backend.api.protocol import (
    VERSION,
    Cancelled,
    Failed,
    Finished,
    Learn,
    Progress,
    Ready,
)
from backend.errors import UserError
from backend.service import jobs

from .conftest import FAKE
from .waiting import LIMIT, ask, assert_works, until, wait_for


def test_stop_lets_a_learn_write_its_checkpoint(backend: Backend, tmp_path: Path) -> None:
    library = backend.log.parent
    backend.send(Learn(job="l", clips=(), motion="slowly", steps=100_000, out=str(tmp_path / "out")))
    until(backend, Progress)
    backend.stop(LIMIT)
    assert not backend.alive
    assert (library / "jobs" / "l" / "checkpoints" / "step").exists()
    assert jobs.state_of(library, "l") == "interrupted"


def test_a_job_that_does_not_stop_does_not_keep_the_process_when_stdin_ends(
    start: Callable[..., Backend],
) -> None:
    backend = start("--patience", "0.2")
    backend.send(ask("deaf"))
    until(backend, Progress)
    backend.stop(LIMIT)
    assert backend._process.returncode == 1  # ended by itself; a kill would be negative


def test_the_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    library = tmp_path / "library"
    parent = (
        "import sys, time; from pathlib import Path\n"
        "from backend.api.client import Backend\nfrom backend.api.protocol import Learn\n"
        "library, fake, alive = map(Path, sys.argv[1:])\n"
        "backend = Backend(Path(sys.executable), library, program=(fake, '--alive', alive))\n"
        "backend.send(Learn(job='l', clips=(), motion='slowly', steps=100_000, out='out'))\n"
        "while True: backend.poll(); time.sleep(0.01)\n"
    )
    alive = tmp_path / "alive"
    command = [sys.executable, "-c", parent, library, FAKE, alive]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        wait_for(lambda: (library / "jobs" / "l" / "checkpoints").exists())
    finally:
        process.kill()
        process.wait()
    with FileLock(alive, timeout=LIMIT):
        assert jobs.state_of(library, "l") == "interrupted"
        assert (library / "jobs" / "l" / "checkpoints" / "step").exists()


@pytest.mark.parametrize(
    "ready",
    [
        '{"type": "Ready", "version": 999, "device": "CPU"}',
        '{"type": "Ready", "release": "2.0"}',
        "Segmentation fault",
    ],
)
def test_a_backend_of_another_version_is_refused(start: Callable[..., Backend], ready: str) -> None:
    backend = start(program=("-c", f"import sys; print({ready!r}, flush=True); sys.stdin.read()"))
    backend.send(ask("clip"))
    assert "another version" in until(backend, Failed, "j")[-1].error
    assert backend.ready is None
    with pytest.raises(UserError, match="Restart Blender"):
        backend.send(ask("clip", "another"))


def test_another_version_is_told_also_when_nothing_was_asked(start: Callable[..., Backend]) -> None:
    backend = start(program=("-c", "import sys; print('hello', flush=True); sys.stdin.read()"))
    assert [m.job for m in until(backend, Failed)] == [""]
    wait_for(lambda: not backend.alive)
    assert backend.poll() == []


def test_a_bad_line_from_the_backend_is_counted_and_let_pass(start: Callable[..., Backend]) -> None:
    lines = [
        f'{{"type": "Ready", "version": {VERSION}, "device": "CPU"}}',
        "not a message",
        '{"type": "Finished", "job": "j", "outputs": [], "seconds": 1.0}',
    ]
    program = "import sys; sys.stdin.readline(); " + "; ".join(
        f"print({line!r}, flush=True)" for line in lines
    )
    backend = start(program=("-c", program + "; sys.stdin.read()"))
    backend.send(ask("clip"))
    until(backend, Finished)
    assert backend.bad_lines == 1
    assert "not a message" in backend.log.read_text()


@pytest.mark.parametrize(
    ("line", "job", "complaint"),
    [
        (b"hello", "", "not a message"),
        (b"\xff\xfe", "", "not a message"),
        (b"[" * 100_000, "", "not a message"),
        (b"null", "", "expected"),
        (b'{"type": "Generate", "job": "x", "prompt": "p"}', "x", "needs out"),
        (b'{"type": "Cancel", "job": 7}', "", "message.job: expected str"),
        (b'{"type": "Ready", "version": 1, "device": "x"}', "", "Ready is not a request"),
    ],
)
def test_a_bad_line_to_the_backend_is_answered_and_never_ends_it(
    backend: Backend, line: bytes, job: str, complaint: str
) -> None:
    backend._outbox.put(line + b"\n")
    failed = until(backend, Failed)[-1]
    assert failed.job == job
    assert complaint in failed.error
    assert_works(backend)


def test_a_bad_line_that_names_a_running_job_does_not_end_that_job(backend: Backend) -> None:
    backend.send(ask("wait"))
    until(backend, Progress)
    backend._outbox.put(b'{"type": "Cancel", "job": "j", "why": "?"}\n')
    assert until(backend, Failed)[-1].job == ""
    backend._outbox.put(b'{"type": "Generate", "job": "j", "prompt": "p", "out": "o"}\n')
    assert "unfinished job 'j'" in until(backend, Failed)[-1].error
    backend.cancel("j")
    until(backend, Cancelled, "j")


def test_an_id_that_leads_out_of_the_library_is_refused(backend: Backend, tmp_path: Path) -> None:
    backend.send(ask("clip", "../../elsewhere"))
    assert "not a name for a job" in until(backend, Failed)[-1].error
    assert not (tmp_path / "elsewhere").exists()


def test_a_python_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"could not be started.*Set up or repair"):
        Backend(tmp_path / "no-python", tmp_path / "library")


def test_a_process_that_ends_at_once_is_noticed(start: Callable[..., Backend]) -> None:
    backend = start(program=("-c", "import sys; sys.exit('broken environment')"))
    wait_for(lambda: not backend.alive)
    assert "broken environment" in backend.log.read_text()
    with pytest.raises(UserError, match="not running"):
        backend.send(ask("clip"))


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal's signals are POSIX")
def test_ctrl_c_in_the_terminal_of_blender_is_not_for_the_backend(backend: Backend) -> None:
    until(backend, Ready)
    assert os.getpgid(backend._process.pid) != os.getpgid(0)
    backend.send(ask("wait"))
    until(backend, Progress)
    os.kill(backend._process.pid, signal.SIGKILL)
    assert "want of memory" in until(backend, Failed)[-1].error


def test_a_full_log_starts_anew(start: Callable[..., Backend], tmp_path: Path) -> None:
    log = tmp_path / "library" / "backend.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * (2**20 + 1))
    assert_works(start())
    assert log.stat().st_size < 2**20


def test_no_bytecode_lands_beside_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "bytecode"))
    backend = Backend(Path(sys.executable), tmp_path / "library")
    until(backend, Ready)
    backend.stop()
    assert list((tmp_path / "bytecode").rglob("inbox*.pyc"))


@pytest.mark.parametrize(("own", "given"), [(None, "3000"), ("0", "0"), ("infinity", "infinity")])
def test_the_backends_threads_sleep_soon_unless_the_user_says_otherwise(
    start: Callable[..., Backend], monkeypatch: pytest.MonkeyPatch, own: str | None, given: str
) -> None:
    """OpenMP's threads that spin for each other take the cores that Blender needs."""
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    if own is not None:
        monkeypatch.setenv("GOMP_SPINCOUNT", own)
    tell = (
        "import json, os, sys; spin = os.environ.get('GOMP_SPINCOUNT', 'nothing');"
        f" print(json.dumps(dict(type='Ready', version={VERSION}, device=spin)), flush=True);"
        " sys.stdin.read()"
    )
    ready = until(start(program=("-c", tell)), Ready)[-1]
    assert ready.device == given
