"""Through the client and the real process, with a real toy model: a clip's motion, then a new clip."""

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from backend.api.client import Backend
from backend.api.protocol import Clip, Edit, Failed, Finished, Generate, Learn, Motion, Progress
from backend.media import clips
from backend.service import jobs
from tests.api.waiting import until, wait_for


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # toy models are far slower on many threads
    backend = Backend(Path(sys.executable), tmp_path / "library")
    yield backend
    backend.stop()


def finished(backend: Backend, job: str) -> Finished:
    seen = until(backend, Finished | Failed, job)
    assert isinstance(seen[-1], Finished), f"{seen[-1]}\n{backend.log.read_text()}"
    return seen[-1]


def test_a_motion_is_learned_and_a_clip_made_and_edited_with_it(
    backend: Backend, toy_base: Path, moving_clip: Path, tmp_path: Path
) -> None:
    clip = Clip(path=str(moving_clip), looks="a white square over grey")
    preset, made, edited = tmp_path / "moves", tmp_path / "made.mp4", tmp_path / "edited.mp4"
    motion = Motion(path=str(preset))
    backend.send(
        Learn(job="learn", clips=(clip,), motion="going right", out=str(preset), base=str(toy_base), steps=2)
    )
    assert finished(backend, "learn").outputs == (str(preset),)
    assert (preset / "preset.json").is_file()

    backend.send(Generate(job="made", prompt="a star", out=str(made), motions=(motion,), base=str(toy_base)))
    assert finished(backend, "made").outputs == (str(made),)
    assert clips.probe(made).rate == Fraction(8)

    backend.send(
        Edit(job="e", clip=clip, prompt="a star", out=str(edited), motions=(motion,), base=str(toy_base))
    )
    assert finished(backend, "e").outputs == (str(edited),)
    assert clips.probe(edited).frames == clips.probe(made).frames


def test_a_learn_whose_process_was_killed_goes_on_from_its_checkpoint(
    backend: Backend, toy_base: Path, moving_clip: Path, tmp_path: Path
) -> None:
    library = tmp_path / "library"
    request = Learn(
        job="learn",
        clips=(Clip(path=str(moving_clip), looks="a white square over grey"),),
        motion="going right",
        out=str(tmp_path / "moves"),
        base=str(toy_base),
        steps=20,
    )
    backend.send(request)
    wait_for(lambda: list(library.glob("jobs/learn/checkpoints/*/state.json")))
    backend._process.kill()
    until(backend, Failed, "learn")
    assert jobs.state_of(library, "learn") == "interrupted"

    successor = Backend(Path(sys.executable), library)
    try:
        successor.send(request)
        seen = until(successor, Finished | Failed, "learn")
    finally:
        successor.stop()
    assert isinstance(seen[-1], Finished), seen[-1]
    learning = [m for m in seen if isinstance(m, Progress) and m.phase.startswith("Learning")]
    assert learning[0].done > 1
    assert jobs.state_of(library, "learn") == "finished"
