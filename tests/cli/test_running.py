"""What `restage` prints where, its exit codes, and what happens when it is interrupted."""

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backend.api.presets import Preset, write_preset
from backend.api.protocol import Failed, Finished, Progress, Request, decode
from backend.api.values import from_plain
from backend.cli.running import Bars
from tests.api.waiting import wait_for

from .conftest import Restage, Start

SLOW = ("learn", "clip.mp4", "--motion", "slowly", "--out", "moves", "--steps", "200")
QUICK = ("learn", "clip.mp4", "--motion", "quickly", "--out", "moves", "--steps", "10")


def learned(folder: Path) -> dict[str, int]:
    steps: dict[str, int] = json.loads((folder / "moves" / "preset.json").read_text())
    return steps


def started_and_past_a_checkpoint(
    start: Start, folder: Path, words: tuple[str, ...] = SLOW
) -> "subprocess.Popen[str]":
    process = start(*words)
    wait_for(lambda: list((folder / "library" / "jobs").glob("*/checkpoints/step")))
    return process


def test_only_the_path_of_the_result_goes_to_stdout(restage: Restage, tmp_path: Path) -> None:
    done = restage("generate", "--prompt", "clip", "--out", "clip.mp4")
    assert done.returncode == 0
    assert done.stdout == f"{tmp_path / 'clip.mp4'}\n"
    assert "Making the clip" in done.stderr
    assert "a note" in done.stderr


def test_a_phase_is_over_when_the_next_begins() -> None:
    bars = Bars(io.BytesIO())
    for phase, done, total in (("Starting", 0, 1), ("Learning", 3, 200), ("Learning", 4, 200)):
        bars(Progress(job="j", phase=phase, done=done, total=total))
    starting, learning = bars._bar.tasks[1:]
    assert (starting.completed, learning.completed) == (1, 4)
    bars(Finished(job="j", outputs=("/o",), seconds=1.0))


def test_json_is_one_message_a_line_and_nothing_else(restage: Restage, tmp_path: Path) -> None:
    done = restage("generate", "--prompt", "clip", "--out", "clip.mp4", "--json")
    messages = [decode(line.encode()) for line in done.stdout.splitlines()]
    assert [type(m) for m in messages] == [Progress] * 4 + [Finished]
    assert messages[-1].outputs == (str(tmp_path / "clip.mp4"),)
    assert "stray words from C" in done.stderr


@pytest.mark.parametrize(
    ("prompt", "code", "words"),
    [
        ("user error", 2, "The clip is upside down. Turn it."),
        ("bug", 1, "The traceback is in"),
        ("exit", 1, "The traceback is in"),
        ("gpu memory", 3, "The GPU is out of memory."),
        ("memory", 3, "The computer is out of memory."),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(restage: Restage, prompt: str, code: int, words: str) -> None:
    done = restage("generate", "--prompt", prompt, "--out", "clip.mp4")
    assert done.returncode == code
    assert words in done.stderr
    assert done.stdout == ""


def test_a_failure_is_a_message_in_json(restage: Restage) -> None:
    done = restage("generate", "--prompt", "user error", "--out", "clip.mp4", "--json")
    failed = decode(done.stdout.splitlines()[-1].encode())
    assert isinstance(failed, Failed)
    assert failed.hint == "Turn it."


def test_a_learn_that_was_killed_goes_on_when_given_again(
    start: Start, restage: Restage, tmp_path: Path
) -> None:
    process = started_and_past_a_checkpoint(start, tmp_path)
    process.kill()
    process.wait()
    assert not (tmp_path / "moves").exists()
    done = restage(*SLOW)
    assert done.returncode == 0, done.stderr
    assert "Going on from the last checkpoint." in done.stderr
    assert learned(tmp_path)["from"] >= 5
    assert learned(tmp_path)["to"] == 200


def test_a_learn_that_runs_elsewhere_is_refused(start: Start, restage: Restage, tmp_path: Path) -> None:
    started_and_past_a_checkpoint(start, tmp_path)
    done = restage(*SLOW)
    assert done.returncode == 2
    assert "already running in another process" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent to one program there")
def test_ctrl_c_writes_a_checkpoint_and_says_how_to_go_on(start: Start, tmp_path: Path) -> None:
    process = started_and_past_a_checkpoint(start, tmp_path)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The same command goes on from the last checkpoint." in err
    assert "Traceback" not in err


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent to one program there")
def test_a_second_ctrl_c_ends_a_task_that_does_not_stop(start: Start, tmp_path: Path) -> None:
    process = start("generate", "--prompt", "deaf", "--out", "clip.mp4", "--json")
    lines = iter(process.stdout)
    assert any("Deaf" in line for line in lines)
    process.send_signal(signal.SIGINT)
    assert any("Ctrl-C again" in line for line in iter(process.stderr))
    process.send_signal(signal.SIGINT)
    assert any("Cancelled" in line for line in lines)
    assert process.wait(60) == 130


def test_a_learn_that_is_finished_is_not_learned_again_unless_asked(restage: Restage, tmp_path: Path) -> None:
    assert restage(*QUICK).returncode == 0
    made = tmp_path / "moves" / "preset.json"
    before = made.stat().st_mtime_ns
    again = restage(*QUICK)
    assert again.returncode == 0
    assert again.stdout == f"{tmp_path / 'moves'}\n"
    assert "Exactly this was learned before" in again.stderr
    assert made.stat().st_mtime_ns == before
    assert restage(*QUICK, "--again").returncode == 0
    assert made.stat().st_mtime_ns > before


def test_a_learn_whose_place_has_another_motion_now_is_learned_again(
    restage: Restage, tmp_path: Path
) -> None:
    restage(*QUICK)
    restage(*QUICK[:-1], "20")
    assert learned(tmp_path)["to"] == 20
    assert "Exactly this" not in restage(*QUICK).stderr
    assert learned(tmp_path)["to"] == 10


def test_a_clip_that_has_changed_is_learned_again(restage: Restage, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"one take")
    restage(*QUICK)
    (tmp_path / "clip.mp4").write_bytes(b"another take")
    assert "Exactly this" not in restage(*QUICK).stderr


def test_a_picture_that_has_changed_is_learned_again(restage: Restage, tmp_path: Path) -> None:
    (tmp_path / "ball.png").write_bytes(b"one look")
    restage(*QUICK, "ball.png")
    assert "Exactly this" in restage(*QUICK, "ball.png").stderr
    (tmp_path / "ball.png").write_bytes(b"another look")
    assert "Exactly this" not in restage(*QUICK, "ball.png").stderr


def test_a_library_in_the_home_folder_is_the_same_for_every_command(
    restage: Restage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    dance = tmp_path / "mine" / "presets" / "dance"
    write_preset(dance, Preset(title="Dance", motion="dancing wildly"))
    done = restage("generate", "--prompt", "clip", "--out", "c.mp4", "--motion", "dance", "--library=~/mine")
    assert done.returncode == 0, done.stderr
    assert asked(tmp_path / "mine").motions[0].path == str(dance)
    (listed,) = json.loads(restage("presets", "list", "--json", "--library=~/mine").stdout)
    assert listed["path"] == str(dance)
    assert len(json.loads(restage("jobs", "list", "--json", "--library=~/mine").stdout)) == 1


def test_jobs_are_listed_and_cleaned_but_what_was_interrupted_stays_unless_named(
    start: Start, restage: Restage, tmp_path: Path
) -> None:
    process = started_and_past_a_checkpoint(start, tmp_path, (*SLOW[:-1], "100000"))
    restage(*QUICK)
    ids = {job["state"]: job["id"] for job in json.loads(restage("jobs", "list", "--json").stdout)}
    assert set(ids) == {"running", "finished"}
    assert restage("jobs", "clean").stdout.split() == [ids["finished"]]
    process.kill()
    process.wait()
    assert "interrupted" in restage("jobs", "list").stdout
    assert restage("jobs", "clean").stdout == ""
    assert restage("jobs", "clean", "--interrupted").stdout.split() == [ids["running"]]
    assert json.loads(restage("jobs", "list", "--json").stdout) == []
    assert restage("jobs", "clean", "--keep", "-1").returncode == 2


def asked(library: Path) -> Request:
    """The one request that a job was made for."""
    (path,) = (library / "jobs").glob("*/request.json")
    request: Request = from_plain(Request, json.loads(path.read_text())["request"])
    return request


def test_a_new_clip_may_be_told_how_motions_stack_and_how_closely_it_starts_like_their_clip(
    restage: Restage, tmp_path: Path
) -> None:
    how = ("--follow", "0.5", "--stacking", "filmed")
    assert restage("generate", "--prompt", "clip", "--out", "a.mp4", *how).returncode == 0
    assert asked(tmp_path / "library").follow == 0.5
    assert asked(tmp_path / "library").sampling.stacking == "filmed"
    assert restage("generate", "--prompt", "clip", "--out", "a.mp4", "--follow", "1.5").returncode == 2


def test_a_clip_may_be_made_again_backwards(restage: Restage, tmp_path: Path) -> None:
    how = ("--reverse", "--make-frames", "6")
    done = restage("edit", "clip.mp4", "--prompt", "clip", "--out", "a.mp4", *how)
    assert done.returncode == 0, done.stderr
    assert asked(tmp_path / "library").clip.reverse
    assert asked(tmp_path / "library").sampling.frames == 6


def test_looks_alone_are_learned_without_words_for_a_motion(restage: Restage, tmp_path: Path) -> None:
    method = ("--method", "motion-director", "--set", "learns=looks")
    done = restage("learn", "ball.png", "--looks", "a red ball", "--out", "looks", *method)
    assert done.returncode == 0, done.stderr
    assert asked(tmp_path / "library").motion == ""
