"""How the backend's environment is made, and what is said when it cannot be: a stand-in takes uv's place."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.api import environment
from backend.errors import UserError

if sys.platform != "win32":
    import fcntl

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for uv is a shell script")

ROOT = Path(__file__).parents[2]
WORKING_UV = """\
case "$*" in
    --version) echo "uv 0.13.8" ;;
    venv*) for folder in "$@"; do :; done
        rm -rf "$folder"; mkdir -p "$folder/bin"; touch "$folder/bin/python" ;;
esac
echo "$*" >> $UV_CALLS
echo "Installed 52 packages"
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for uv, first on PATH; what it was asked for is in the file `calls` beside it."""
    path = tmp_path / "bin" / "uv"
    path.parent.mkdir()
    write_program(path, WORKING_UV)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.defpath}")
    monkeypatch.setenv("UV_CALLS", str(path.with_name("calls")))
    monkeypatch.delenv("RESTAGE_PYTHON", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    return path


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def calls(uv: Path) -> list[str]:
    return uv.with_name("calls").read_text().splitlines()


def test_an_environment_is_missing_then_made_then_ready(tmp_path: Path, uv: Path) -> None:
    assert environment.state(tmp_path) == "missing"
    lines: list[str] = []
    folder = environment.make(tmp_path, lines.append)
    assert environment.state(tmp_path) == "ready"
    assert folder == environment.environment_folder(tmp_path)
    assert "Installed 52 packages" in lines
    assert f"--requirements {environment.LOCK}" in calls(uv)[-1]


def test_a_whole_environment_is_not_made_again(tmp_path: Path, uv: Path) -> None:
    environment.make(tmp_path, str)
    before = calls(uv)
    environment.make(tmp_path, str)
    assert calls(uv) == before


def test_a_half_made_environment_is_broken_and_the_next_make_starts_it_over(tmp_path: Path, uv: Path) -> None:
    folder = environment.environment_folder(tmp_path)
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").touch()
    (folder / "left over").touch()
    assert environment.state(tmp_path) == "broken"
    environment.make(tmp_path, str)
    assert environment.state(tmp_path) == "ready"
    assert not (folder / "left over").exists()


def test_an_environment_whose_python_was_removed_is_broken(tmp_path: Path, uv: Path) -> None:
    folder = environment.make(tmp_path, str)
    environment.program(folder, "python").unlink()
    assert environment.state(tmp_path) == "broken"


def test_a_failed_install_leaves_no_environment_that_looks_whole(tmp_path: Path, uv: Path) -> None:
    write_program(uv, WORKING_UV + 'case "$*" in pip*) echo "out of patience"; exit 2 ;; esac\n')
    with pytest.raises(UserError, match=r"could not be made.*\.log") as caught:
        environment.make(tmp_path, str)
    log = Path(caught.value.hint.removeprefix("What happened is in ").removesuffix("."))
    assert "out of patience" in log.read_text()
    assert environment.state(tmp_path) == "broken"
    write_program(uv, WORKING_UV)
    environment.make(tmp_path, str)
    assert environment.state(tmp_path) == "ready"
    assert not log.exists()


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("error: Failed to fetch: `torch`\n  Caused by: dns error: failed to lookup address", "downloaded"),
        ("error: failed to write: No space left on device (os error 28)", "disk is full"),
        ("error: No interpreter found for Python 3.11 in search path", "No Python 3.11 was"),
        ("error: No interpreter found for Python 3.13 in search path", "No Python 3.13 was"),
        (
            "cause: Failed to download `https://x/cpython-3.13.18.tar.gz`\n cause: dns error",
            "No Python 3.13 was",
        ),
        ("error: failed to open file: Read-only file system (os error 30)", "cannot be written"),
        ("torch==2.13.0 has no wheels with a matching platform tag", "not made for this kind of computer"),
        ("error: failed to create directory: Permission denied (os error 13)", "cannot be written"),
    ],
)
def test_what_a_person_can_put_right_is_said_in_a_sentence(
    tmp_path: Path, uv: Path, output: str, sentence: str
) -> None:
    write_program(uv, f"case $1 in --version) echo 'uv 0.13.8' ;; *) echo '{output}' >&2; exit 2 ;; esac")
    with pytest.raises(UserError, match=sentence) as caught:
        environment.make(tmp_path, str)
    assert caught.value.hint


def test_a_step_that_fails_without_a_reason_on_a_full_disk_failed_for_that(
    tmp_path: Path, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's venv does not say why its ensurepip failed."""
    write_program(uv, "case $1 in --version) echo 'uv 0.13.8' ;; *) echo 'exit status 1'; exit 1 ;; esac")
    monkeypatch.setattr(environment.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**20))
    with pytest.raises(UserError, match="The disk is full"):
        environment.make(tmp_path, str)


def test_a_library_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path, uv: Path) -> None:
    (tmp_path / "library").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        environment.make(tmp_path / "library", str)


def test_two_processes_never_make_the_same_environment(tmp_path: Path, uv: Path) -> None:
    folder = environment.environment_folder(tmp_path)
    folder.parent.mkdir(parents=True)
    hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print(flush=True); input()"
    lock = folder.with_name(f".{folder.name}.lock")
    command = [sys.executable, "-c", hold, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(UserError, match="Another Restage is making"):
            environment.make(tmp_path, str)
        other.kill()
    environment.make(tmp_path, str)
    assert environment.state(tmp_path) == "ready"


def test_a_step_that_outlives_a_kill_keeps_the_next_one_from_starting(tmp_path: Path, uv: Path) -> None:
    """The next would clear the folder that it still writes into."""
    stay = f'exec {sys.executable} -c "print(flush=True); input()" < {tmp_path / "end"}'
    write_program(uv, f"case $1 in --version) echo 'uv 0.13.8' ;; venv) echo venv; {stay} ;; esac")
    os.mkfifo(tmp_path / "end")
    program = (
        "import sys; from pathlib import Path; from backend.api import environment\n"
        "environment.make(Path(sys.argv[1]), lambda line: print(line, flush=True))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "library")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdout is not None
        assert any(line == "venv\n" for line in iter(maker.stdout.readline, ""))
        maker.kill()
    with pytest.raises(UserError, match="Another Restage is making"):
        environment.make(tmp_path / "library", str)
    (tmp_path / "end").write_text("go\n")
    write_program(uv, WORKING_UV)
    lock = environment.environment_folder(tmp_path / "library")
    with open(lock.with_name(f".{lock.name}.lock"), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # waits for the step to end
    environment.make(tmp_path / "library", str)
    assert environment.state(tmp_path / "library") == "ready"


def test_another_lock_file_is_another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment.environment_folder(tmp_path)
    changed = tmp_path / "requirements.lock"
    changed.write_bytes(environment.LOCK.read_bytes() + b"another==1.0\n")
    monkeypatch.setattr(environment, "LOCK", changed)
    assert environment.environment_folder(tmp_path) != before


def test_uv_chooses_the_torch_build_for_the_gpu_unless_wheels_are_given(tmp_path: Path, uv: Path) -> None:
    environment.make(tmp_path, str)
    assert "--torch-backend=auto" in calls(uv)[-1]
    assert environment.torch_build({"PIP_FIND_LINKS": "/wheels"}) == []
    assert environment.uv_environment({"PIP_FIND_LINKS": "/wheels"})["UV_FIND_LINKS"] == "/wheels"


def test_a_uv_that_is_too_old_is_not_used(tmp_path: Path, uv: Path) -> None:
    write_program(uv, 'echo "uv 0.4.30"')
    private = environment.program(tmp_path / "tools", "uv")
    private.parent.mkdir(parents=True)
    private.touch()
    (tmp_path / "tools" / environment.MARKER).touch()
    assert environment.find_uv(tmp_path / "tools", str) == private


def test_a_uv_that_was_half_fetched_is_fetched_again(
    tmp_path: Path, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_program(uv, 'echo "uv 0.4.30"')
    private = environment.program(tmp_path / "tools", "uv")
    private.parent.mkdir(parents=True)
    private.write_bytes(b"half of a program")
    ran: list[Sequence[object]] = []
    monkeypatch.setattr(environment, "_run", lambda command, *others: ran.append(command))
    environment.find_uv(tmp_path / "tools", str)
    assert [command[1:3] for command in ran] == [["-m", "venv"], ["-m", "pip"]]
    environment.find_uv(tmp_path / "tools", str)
    assert len(ran) == 2


def test_the_restage_command_runs_this_backend(
    tmp_path: Path, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    folder = environment.make(tmp_path / 'a folder of "Zoë\'s" $HOME', str)
    write_program(environment.program(folder, "python"), f'exec {sys.executable} "$@"')
    command = [environment.program(folder, "restage"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "learn" in done.stdout
    assert list((folder / "pycache").rglob("main*.pyc")), "bytecode would have landed in the add-on"
