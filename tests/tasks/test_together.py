"""Several motions, and strengths that change over the clip, through whole requests on a toy base."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.api.protocol import Clip, Compute, Generate, Key, Learn, Motion
from backend.api.settings import CustomizeAVideo
from backend.media import clips
from backend.tasks import perform
from tests.conftest import quiet_run

CPU = Compute(device="cpu")
WORDS = ("moving right", "growing")


@pytest.fixture(scope="module")
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


def pixels(path: str) -> np.ndarray:
    facts = clips.probe(path)
    return clips.read(Clip(path=path), frames=facts.frames, fps=facts.rate, size=None)


def curve(path: Path, *strengths: float) -> Motion:
    """Strengths at even distances over the clip."""
    last = len(strengths) - 1
    return Motion(path=str(path), curve=tuple(Key(at=i / last, strength=s) for i, s in enumerate(strengths)))


def test_a_curve_of_zeros_is_the_base_and_of_ones_the_plain_motion(made, motions):
    path = motions[0]
    assert np.array_equal(made(motions=(curve(path, 0, 0, 0),)), made())
    assert np.array_equal(made(motions=(curve(path, 1, 1),)), made(motions=(Motion(path=str(path)),)))


def test_a_curve_acts_when_it_says(made, motions):
    early, late = (made(motions=(curve(motions[0], *s),)) for s in ((1, 1, 0, 0), (0, 0, 1, 1)))
    assert not np.array_equal(early, late)
    assert not np.array_equal(early, made())


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_motions_stack_in_any_order(made, motions, balance):
    """Within two levels of 255: sums in another order, then eight bits and the file format."""
    stack = (Motion(path=str(motions[0]), strength=0.6), curve(motions[1], 1, 0, 1))
    one, other = (made(motions=m, balance=balance).astype(int) for m in (stack, stack[::-1]))
    assert np.abs(one - other).max() <= 2


def test_balance_changes_two_motions_and_leaves_one_alone(made, motions):
    both = [Motion(path=str(path)) for path in motions]
    assert np.array_equal(made(motions=(both[0],), balance=0.0), made(motions=(both[0],), balance=1.0))
    assert not np.array_equal(made(motions=tuple(both), balance=0.0), made(motions=tuple(both), balance=1.0))
