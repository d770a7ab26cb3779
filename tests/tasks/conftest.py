"""Two learned motions, and clips made with them, on a toy base."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.api.presets import read_preset, write_preset
from backend.api.protocol import Clip, Compute, Edit, Generate, Key, Learn, Motion
from backend.api.settings import CustomizeAVideo
from backend.media import clips
from backend.tasks import perform
from tests.conftest import quiet_run

CPU = Compute(device="cpu")
WORDS = ("moving right", "growing")


@pytest.fixture(scope="session")
def motions(toy_base, moving_clip, tmp_path_factory) -> list[Path]:
    """Two, learned from one clip with other seeds and words."""
    folder = tmp_path_factory.mktemp("motions")
    for seed, words in enumerate(WORDS):
        request = Learn(
            job="j",
            clips=(Clip(path=str(moving_clip), looks="a white box"),),
            motion=words,
            out=str(folder / str(seed)),
            base=str(toy_base),
            steps=6,
            seed=seed,
            method=CustomizeAVideo(learning_rate=0.05, absorber="none"),
            compute=CPU,
        )
        perform(request, quiet_run(folder / f"job{seed}"))
    return [folder / str(seed) for seed in range(len(WORDS))]


@pytest.fixture
def cameras(motions, tmp_path) -> tuple[Motion, Motion]:
    """The first is the stronger by a little."""
    folders = [Path(shutil.copytree(folder, tmp_path / f"camera {folder.name}")) for folder in motions]
    for folder in folders:
        write_preset(folder, replace(read_preset(folder), kind="camera"))
    first, second = (Motion(path=str(folder)) for folder in folders)
    return first, replace(second, strength=0.999)


@pytest.fixture
def made(toy_base, tmp_path):
    """Makes a clip and gives its pixels, (F, H, W, 3)."""

    def made(**changes) -> np.ndarray:
        prompt = f"a red ball {' '.join(WORDS)}"  # so that no motion adds its words
        plain = Generate(
            job="g", prompt=prompt, out=str(tmp_path / "clip.mp4"), base=str(toy_base), compute=CPU
        )
        (path,) = perform(replace(plain, **changes), quiet_run(tmp_path)).outputs
        return pixels(path)

    return made


@pytest.fixture
def edited(toy_base, moving_clip, tmp_path):
    """Makes an edit of the moving clip; for what is `written` of it."""

    def edited(**changes) -> None:
        plain = Edit(
            job="e", clip=Clip(path=str(moving_clip)), prompt="a red ball", out=str(tmp_path / "edit.mp4"),
            base=str(toy_base), compute=CPU,
        )  # fmt: skip
        perform(replace(plain, **changes), quiet_run(tmp_path))

    return edited


@pytest.fixture
def notes(toy_base, tmp_path):
    """What is said of how a clip was made."""

    def notes(**changes) -> tuple[str, ...]:
        plain = Generate(
            job="g", prompt="a red ball", out=str(tmp_path / "one.mp4"), base=str(toy_base), compute=CPU
        )
        return perform(replace(plain, **changes), quiet_run(tmp_path)).notes

    return notes


def pixels(path: str) -> np.ndarray:
    facts = clips.probe(path)
    return clips.read(Clip(path=path), frames=facts.frames, fps=facts.rate, size=None)


@pytest.fixture
def written(monkeypatch) -> list[np.ndarray]:
    """Clips as they are written, before eight bits become a movie."""
    found: list[np.ndarray] = []
    plain = clips.write

    def write(path, frames, *args, **kwargs) -> None:
        found.append(frames)
        plain(path, frames, *args, **kwargs)

    monkeypatch.setattr(clips, "write", write)
    return found


@pytest.fixture
def camera(motions, tmp_path) -> Path:
    """The second motion as one of a camera."""
    folder = shutil.copytree(motions[1], tmp_path / "camera")
    write_preset(folder, replace(read_preset(folder), kind="camera"))
    return folder


def curve(path: Path, *strengths: float) -> Motion:
    """Strengths at even distances over the clip."""
    last = len(strengths) - 1
    return Motion(path=str(path), curve=tuple(Key(at=i / last, strength=s) for i, s in enumerate(strengths)))
