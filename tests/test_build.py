"""The entrance and the environment it makes: real processes, and a stand-in for uv."""

import ast
import errno
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

import build
from backend.api import environment
from backend.errors import UserError

if sys.platform != "win32":
    import fcntl

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for uv is a shell script")

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
    with subprocess.Popen(command, cwd=build.ROOT, stdout=subprocess.PIPE, text=True) as maker:
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


def test_the_lock_pins_everything_that_the_project_asks_for() -> None:
    project = tomllib.loads((build.ROOT / "pyproject.toml").read_text())["project"]
    asked = {re.split("[=<>]", name)[0].replace("_", "-").lower() for name in project["dependencies"]}
    pinned = {line.split("==")[0] for line in environment.LOCK.read_text().splitlines()}
    assert asked - pinned == set()


def test_the_lock_names_no_local_build_no_host_and_no_cuda_package() -> None:
    lines = environment.LOCK.read_text().splitlines()
    assert "torch==2.13.0" in lines
    for line in lines:
        assert "==" in line
        assert "+" not in line.split(";")[0]
        assert "/" not in line
        assert not line.startswith(("nvidia", "--"))


def test_the_zip_is_the_same_bytes_whatever_the_files_dates_and_modes(tmp_path: Path) -> None:
    for name, mode, date in (("first", 0o644, 1e9), ("second", 0o600, 1.5e9)):
        file = tmp_path / name / "backend" / "errors.py"
        file.parent.mkdir(parents=True)
        file.write_text("# " + "x" * 5000)
        file.chmod(mode)
        os.utime(file, (date, date))
        build.write_zip(tmp_path / name, tmp_path / f"{name}.zip")
    assert (tmp_path / "first.zip").read_bytes() == (tmp_path / "second.zip").read_bytes()


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stage = tmp_path_factory.mktemp("stage") / "restage"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "STAGE", stage)
        return build.stage()


def test_the_extension_holds_the_backend_and_no_bytecode(staged: Path) -> None:
    for name in (
        "blender_manifest.toml",
        "__init__.py",
        "backend/__main__.py",
        "backend/requirements.lock",
        "LICENSE",
    ):
        assert (staged / name).is_file()
    assert list(staged.rglob("*.pyc")) == []


def test_the_zip_that_is_tested_is_what_the_sources_give(staged: Path, tmp_path: Path) -> None:
    """`build.py test` names the zip that Blender's own validator has read."""
    build.write_zip(staged, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == Path(os.environ["RESTAGE_ZIP"]).read_bytes()


def ask(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(build.ROOT / "build.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Say what to do."),
        (["nonsense"], "There is no command 'nonsense'."),
        (["check", "something"], "check takes no 'something'."),
    ],
)
def test_a_wrong_command_is_answered_with_the_list_of_commands(arguments: list[str], sentence: str) -> None:
    done = ask(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert "setup | demo | test | check | package" in done.stderr
    assert done.stdout == ""


def test_a_python_that_is_too_old_reads_the_file_as_far_as_the_sentence_about_it() -> None:
    ast.parse((build.ROOT / "build.py").read_text("utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("arguments", [["--help"], ["help"], ["lock", "--help"]])
def test_help_is_no_error(arguments: list[str]) -> None:
    done = ask(*arguments)
    assert done.returncode == 0
    assert "setup | demo | test | check | package" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ([], True),
        (["-q", "--durations=5"], True),
        (["tests"], True),
        (["tests/cli", "tests/blender/test_jobs.py"], True),
        (["tests/test_build.py"], True),
        (["tests/cli", "tests/api/test_client.py::test_x", "-x"], False),
    ],
)
def test_blender_is_fetched_only_for_tests_that_need_it(arguments: list[str], needed: bool) -> None:
    assert build.concern_the_extension(arguments) == needed


@pytest.mark.parametrize(
    ("trouble", "words", "code"),
    [
        (UserError("The clip is upside down.", "Turn it."), "The clip is upside down.\nTurn it.", None),
        (OSError(errno.EROFS, "Read-only file system", "/there"), "Read-only file system (/there)", None),
        (KeyboardInterrupt(), "The same command goes on", 130),
    ],
)
def test_what_stops_a_command_is_a_sentence_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    trouble: BaseException,
    words: str,
    code: int | None,
) -> None:
    def setup() -> None:
        raise trouble

    monkeypatch.setitem(build.COMMANDS, "setup", setup)
    monkeypatch.setattr(sys, "argv", ["build.py", "setup"])
    with pytest.raises(SystemExit) as left:
        build.main()
    assert words in f"{capsys.readouterr().err}{left.value}"
    assert left.value.code == code or code is None
    assert left.value.code
