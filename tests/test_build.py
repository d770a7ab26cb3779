"""The entrance: what its commands take, what it packs, and how it says that something is wrong."""

import ast
import errno
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import build
from backend.api import environment
from backend.errors import UserError


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
    tmp_path: Path,
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
    monkeypatch.setattr(build, "STAGE", tmp_path / "stage" / "restage")
    with pytest.raises(SystemExit) as left:
        build.main()
    assert words in f"{capsys.readouterr().err}{left.value}"
    assert left.value.code == code or code is None
    assert left.value.code


def test_two_never_build_in_one_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second would clear the staged extension that the first is looking at."""
    monkeypatch.setattr(build, "STAGE", tmp_path / "stage" / "restage")
    monkeypatch.setattr(sys, "argv", ["build.py", "setup"])
    monkeypatch.setitem(build.COMMANDS, "setup", build.main)  # a second one, while the first is at work
    with pytest.raises(SystemExit) as left:
        build.main()
    assert "Another build.py is at work here." in str(left.value)
