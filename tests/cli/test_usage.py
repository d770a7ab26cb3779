"""What `restage` says of what it cannot be asked for, or cannot foresee, and in which form."""

import errno
import sys

import pytest

from backend.api.protocol import Failed, decode
from backend.cli import main

from .conftest import Restage

QUICK = ("learn", "clip.mp4", "--motion", "quickly", "--out", "moves", "--steps", "10")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("generate", "--prompt", "clip", "--out", "clip.mp4", "--count", "65"), "Count is 65"),
        (("generate", "--prompt", "clip", "--out", "clip.mp4", "--size", "big"), "WIDTHxHEIGHT"),
        (("generate", "--out", "clip.mp4"), "--prompt"),
        ((*QUICK, "--method", "guess"), "no method 'guess'"),
        ((*QUICK, "--set", "rank=many"), "rank: expected int"),
        ((*QUICK, "--quality", "ultra"), "ultra"),
    ],
)
def test_bad_usage_is_a_sentence_and_exit_code_2(
    restage: Restage, words: tuple[str, ...], complaint: str
) -> None:
    done = restage(*words)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("generate", "--prompt", "clip", "--out", "c.mp4", "--motion", "m:nan"), "Strength is nan"),
        (("generate", "--prompt", "clip", "--out", "c.mp4", "--guidance", "inf"), "Guidance is inf"),
        (("generate", "--prompt", "clip", "--out", "c.mp4", "--count", "0"), "Count is 0"),
        (("generate", "--prompt", "clip", "--out", "c.mp4", "--size", "0"), "WIDTHxHEIGHT"),
        (("generate", "--prompt", "clip", "--out", "c.mp4", "--fps", "0"), "frames per second"),
        (("generate", "--prompt", "clip", "--out", "c.mp4", "--seed", f"1{'0' * 400}"), "Seed is 1000"),
        ((*QUICK, "--set", f"learning-rate=1{'0' * 400}"), "learning_rate: expected float"),
        (("generate", "--out", "c.mp4"), "Missing option '--prompt'"),
        (("generate", "--promtp", "clip", "--out", "c.mp4"), "--promtp"),
        ((*QUICK, "--quality", "ultra"), "'ultra' is not one of"),
        (("genreate",), "genreate"),
        ((*QUICK, "--method", "guess"), "no method 'guess'"),
    ],
)
def test_what_cannot_be_asked_for_is_one_ending_in_json(
    restage: Restage, words: tuple[str, ...], complaint: str
) -> None:
    done = restage(*words, "--json")
    assert done.returncode == 2
    (line,) = done.stdout.splitlines()
    failed = decode(line.encode())
    assert isinstance(failed, Failed)
    assert complaint in f"{failed.error} {failed.hint}"
    assert "Traceback" not in done.stderr


def test_a_failure_that_nobody_foresaw_keeps_its_traceback_and_is_one_ending_in_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(main, "app", broken)
    monkeypatch.setattr("sys.argv", ["restage", "jobs", "list", "--json"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert "in broken" in told.err
    failed = decode(told.out.encode())
    assert (failed.error, failed.hint) == (
        "Something went wrong in the backend: [Errno 5] Input/output error",
        "Please report it with the traceback.",
    )


@pytest.mark.skipif(sys.platform == "win32", reason="Windows guesses where another's home folder would be")
@pytest.mark.parametrize(
    "words",
    [
        ("generate", "--prompt", "clip", "--out", "~nobody-here/c.mp4"),
        ("generate", "--prompt", "clip", "--out", "c.mp4", "--base", "~nobody-here/base"),
        ("generate", "--prompt", "clip", "--out", "c.mp4", "--motion", "~nobody-here/dance"),
        (*QUICK, "--set", "absorber=given", "--set", "given=~nobody-here/looks"),
        ("jobs", "list", "--library", "~nobody-here/library"),
    ],
)
def test_a_home_folder_that_is_not_there_is_said(restage: Restage, words: tuple[str, ...]) -> None:
    done = restage(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("There is no home folder ~nobody-here. Write the path in full")
    assert done.stdout == ""


def test_help_is_shown_with_json_too(restage: Restage) -> None:
    done = restage("jobs", "list", "--json", "--help")
    assert (done.returncode, "As a JSON list" in done.stdout) == (0, True)


def test_help_tells_the_exit_codes(restage: Restage) -> None:
    done = restage("learn", "--help")
    assert done.returncode == 0
    assert "3 out of memory" in " ".join(done.stdout.split())
