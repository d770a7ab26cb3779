"""Checkpoints of a motion: kept while it is learned, chosen afterwards."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from backend.api.presets import checkpoints_of, preview_of, read_preset
from backend.api.protocol import Clip, Compute, Export, Generate, Learn, Motion, Sampling
from backend.api.settings import CustomizeAVideo, MotionToken
from backend.errors import UserError
from backend.media import clips
from backend.media.pictures import png
from backend.tasks import perform, previews
from backend.tasks.course import left_of_rate, parts
from backend.tasks.early import refuse_early
from backend.tasks.following import inverted_latent
from backend.tasks.run import Stopped
from tests.conftest import quiet_run
from tests.tasks.cases import weights


@pytest.fixture
def request_(toy_base, moving_clip, tmp_path) -> Learn:
    """Without an absorber, whose steps are a share of the motion's: runs of other lengths agree so far."""
    return Learn(
        job="j",
        clips=(Clip(path=str(moving_clip), looks="a white box"),),
        motion="moving right",
        out=str(tmp_path / "motion"),
        base=str(toy_base),
        steps=4,
        checkpoints=2,
        method=CustomizeAVideo(absorber="none", learning_rate=0.01),
        compute=Compute(device="cpu"),
    )


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_a_checkpoint_is_what_a_shorter_run_learns(request_, tmp_path):
    perform(request_, quiet_run(tmp_path / "whole"))
    perform(replace(request_, out=str(tmp_path / "short"), steps=2), quiet_run(tmp_path / "half"))
    assert checkpoints_of(read_preset(Path(request_.out))) == [2]
    assert equal(weights(request_.out, "toy-000002"), weights(tmp_path / "short"))
    assert not equal(weights(request_.out), weights(tmp_path / "short"))


def test_checkpoints_outlive_an_interruption(request_, tmp_path):
    perform(replace(request_, out=str(tmp_path / "whole")), quiet_run(tmp_path / "whole-run"))
    asked: list[int] = []

    def stop() -> str:
        asked.append(1)
        return "shutdown" if len(asked) > 3 else ""  # before the fourth step

    run = quiet_run(tmp_path)
    with pytest.raises(Stopped):
        perform(request_, replace(run, stop=stop))
    perform(request_, run)
    assert equal(weights(request_.out, "toy-000002"), weights(tmp_path / "whole", "toy-000002"))
    left = {path.name for path in run.folder.iterdir()}
    assert not {"kept", "checkpoints"} & left


@pytest.fixture
def made(request_, tmp_path):
    """frames of a clip made with the motion as after so many steps"""
    perform(request_, quiet_run(tmp_path / "learning"))

    def made(step: int, motion: str = request_.out):
        out = tmp_path / f"{Path(motion).name}-{step}.mp4"
        asked = Generate(
            job="g", prompt="a box", out=str(out), base=request_.base, sampling=Sampling(steps=2),
            motions=(Motion(path=motion, step=step),), compute=request_.compute,
        )  # fmt: skip
        refuse_early(asked)
        perform(asked, quiet_run(tmp_path / "making"))
        return clips.read_metadata(out)["motions"], (frames_of(out))

    return made


def frames_of(path: Path):
    return clips.read(Clip(path=str(path)), frames=4, fps=4, size=(32, 32))


def test_the_chosen_checkpoint_is_what_acts(request_, made, tmp_path):
    perform(replace(request_, out=str(tmp_path / "short"), steps=2), quiet_run(tmp_path / "half"))
    end, chosen, short = made(0)[1], made(2)[1], made(0, str(tmp_path / "short"))[1]
    assert (chosen == short).all()
    assert (chosen != end).any()


def test_a_clip_tells_which_checkpoint_acted(made):
    end, chosen = made(0)[0], made(2)[0]
    assert list(chosen) == ["moving right, after 2 steps"]
    assert list(end.values()) != list(chosen.values()), "the hash is of the weights that acted"


def test_a_checkpoint_that_was_not_kept_is_refused_with_those_that_were(request_, made):
    with pytest.raises(UserError, match="no checkpoint after 3 steps") as caught:
        made(3)
    assert "after steps: 2" in caught.value.hint


def test_a_checkpoint_is_exported(request_, made, tmp_path):
    for step, name in ((0, "toy"), (2, "toy-000002")):
        out = tmp_path / f"{step}.safetensors"
        asked = Export(job="e", motion=request_.out, out=str(out), format="diffusers", step=step)
        perform(asked, quiet_run(tmp_path / "export"))
        assert equal(load_file(out), weights(request_.out, name))


def test_one_checkpoint_is_the_end_alone(request_, tmp_path):
    perform(replace(request_, checkpoints=1), quiet_run(tmp_path))
    assert checkpoints_of(read_preset(Path(request_.out))) == []


def test_each_checkpoint_has_its_preview_and_takes_it_along(request_, tmp_path):
    seen: list[tuple[str, int]] = []
    run = replace(quiet_run(tmp_path), preview=lambda path, step: seen.append((path, step)))
    perform(replace(request_, preview_prompt="a box"), run)
    assert [step for _, step in seen] == [2, 4]
    for path, step in seen:
        assert Path(path).exists()
        assert preview_of(Path(request_.out), step).read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("follow", [0.0, 0.5])
def test_previews_start_where_final_clips_are_recommended_to(request_, tmp_path, monkeypatch, follow):
    """By the base alone, under no words, once for all of them."""
    inverted: list[str] = []

    def inverting(family, clip, *asked):
        inverted.append(clip.looks)
        return inverted_latent(family, clip, *asked)

    monkeypatch.setattr(previews, "inverted_latent", inverting)
    starts: list[torch.Tensor] = []
    monkeypatch.setattr(
        previews.making,
        "make_clip",
        lambda f, p, noise, *_: starts.append(noise) or np.zeros((4, 8, 8, 3), "u1"),
    )
    method = replace(request_.method, follow=follow)
    perform(replace(request_, method=method, preview_prompt="a box"), quiet_run(tmp_path))
    first, second = starts
    assert torch.equal(first, second)
    assert inverted == ([""] if follow else [])


def test_a_preview_that_was_cut_short_is_made_on_resuming(request_, tmp_path):
    asked = replace(request_, preview_prompt="a box")
    run = quiet_run(tmp_path)
    making: list[str] = []

    def progress(phase: str, *_) -> None:
        making.append(phase)

    def stop() -> str:
        return "shutdown" if making and making[-1] == "Making the clip" else ""

    with pytest.raises(Stopped):
        perform(asked, replace(run, progress=progress, stop=stop))
    perform(asked, run)
    assert [preview_of(Path(request_.out), step).exists() for step in (2, 4)] == [True, True]


def test_checkpoints_are_of_the_stage_that_learns_the_motion(request_, tmp_path):
    """With stills the motion token has another stage after it, which learns who does it."""
    still = tmp_path / "still.png"
    still.write_bytes(png(np.full((32, 32, 3), 200, np.uint8)))
    method = MotionToken(regularization="none")
    asked = replace(request_, method=method, stills=(Clip(path=str(still), looks="a dog"),))
    perform(asked, quiet_run(tmp_path))
    preset = read_preset(Path(request_.out))
    assert (preset.steps, checkpoints_of(preset)) == (4, [2, 4])
    assert not equal(weights(request_.out), weights(request_.out, "toy-000004"))


@pytest.mark.parametrize(
    ("steps", "count", "ends"), [(300, 4, [75, 150, 225, 300]), (3, 4, [1, 2, 3]), (10, 1, [10]), (1, 4, [1])]
)
def test_parts_are_even_and_end_at_the_end(steps, count, ends):
    assert parts(steps, count) == ends


@pytest.mark.parametrize(
    ("falls", "left"), [(0.0, [1, 1, 1, 1]), (0.5, [1, 1, 1, 0.5]), (1.0, [1, 0.75, 0.5, 0.25])]
)
def test_a_rate_falls_towards_0_over_the_last_share_of_the_steps(falls, left):
    assert [left_of_rate(done, 4, falls) for done in range(4)] == left


def test_a_falling_rate_is_taken_up_where_learning_was_interrupted(request_, tmp_path):
    falling = replace(request_, method=replace(request_.method, rate_falls=1.0))
    perform(falling, quiet_run(tmp_path / "at once"))
    whole = weights(request_.out)
    constant = replace(request_, out=str(tmp_path / "constant"))
    perform(constant, quiet_run(tmp_path / "constant run"))
    assert not equal(whole, weights(constant.out))
    again, run = replace(falling, out=str(tmp_path / "again")), quiet_run(tmp_path)
    asked = iter(["", "", "", "shutdown"])  # before the fourth step
    with pytest.raises(Stopped):
        perform(again, replace(run, stop=lambda: next(asked)))
    perform(again, run)
    assert equal(whole, weights(again.out))
