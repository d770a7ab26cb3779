"""Learning a motion, for real, on a toy base."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from backend.api.presets import read_preset
from backend.api.protocol import Clip, Compute, Generate, Learn, Motion
from backend.api.settings import CustomizeAVideo
from backend.diffusion.tensors import read_tensors
from backend.errors import UserError
from backend.families.unet3d import UNet3D
from backend.tasks import learn as learning
from backend.tasks import perform
from backend.tasks.run import Run, Stopped
from tests.conftest import quiet_run
from tests.tasks.cases import weights


@pytest.fixture
def request_(toy_base, moving_clip, tmp_path) -> Learn:
    return Learn(
        job="j",
        clips=(Clip(path=str(moving_clip), looks="a white box over a gray wall"),),
        motion="moving right",
        out=str(tmp_path / "motion"),
        base=str(toy_base),
        quality="draft",
        method=CustomizeAVideo(learning_rate=0.01, absorber_learning_rate=0.01),
        compute=Compute(device="cpu"),
    )


def test_a_learned_motion_is_a_whole_preset(request_, run):
    result = perform(request_, run)
    assert result.outputs == (request_.out,)
    files = {p.relative_to(request_.out).as_posix() for p in Path(request_.out).rglob("*.*") if p.is_file()}
    assert {"preset.json", "reference.mp4", "thumbnail.png", "weights/toy.safetensors"} <= files
    preset = read_preset(Path(request_.out))
    assert (preset.title, preset.motion, preset.steps, preset.frames) == (
        "moving right",
        "moving right",
        4,
        4,
    )
    assert preset.method.rank == 4  # what was used is written down, not what was left open
    assert (
        preset.weights[0].fingerprint == UNet3D(Path(request_.base), "toy", device="cpu").fingerprint.weights
    )


def test_only_the_temporal_lora_is_kept_and_it_has_learned(request_, run):
    perform(request_, run)
    state = weights(request_.out)
    assert all(k.startswith("unet.") and ("temp_attentions" in k or "transformer_in" in k) for k in state)
    assert all(state[k].abs().max() > 0 for k in state if "lora_B" in k and "to_v" in k)


def test_the_file_says_what_it_is_to_other_programs(request_, run):
    perform(request_, run)
    _, metadata = read_tensors(Path(request_.out) / "weights" / "toy.safetensors")
    config = json.loads(metadata["lora_adapter_metadata"])
    assert (config["unet.r"], config["unet.lora_alpha"]) == (4, 4.0)  # α · r
    assert metadata["modelspec.trigger_phrase"] == "moving right"


def test_the_base_is_bit_equal_after_every_stage(request_, run, monkeypatch):
    opened = []
    original = learning.open_base

    def remember(*args):
        opened.append(original(*args))
        return opened[-1]

    monkeypatch.setattr(learning, "open_base", remember)
    perform(request_, run)
    after = opened[0].denoiser.state_dict()
    before = UNet3D(Path(request_.base), "toy", device="cpu").denoiser.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[k], before[k]) for k in before)


def test_the_same_seed_learns_the_same_to_the_last_bit_and_another_does_not(request_, tmp_path):
    made = []
    for i, seed in enumerate((5, 5, 6)):
        out = str(tmp_path / f"motion{i}")
        perform(replace(request_, out=out, seed=seed), quiet_run(tmp_path / str(i)))
        made.append(weights(out))
    assert all(torch.equal(made[0][k], made[1][k]) for k in made[0])
    assert any(not torch.equal(made[0][k], made[2][k]) for k in made[0])


def stopping_after(folder: Path, steps: int, reason: str = "shutdown") -> Run:
    """Surroundings that ask to stop once `steps` learning steps were reported."""
    seen: list[int] = []

    def progress(phase: str, done: int, total: int, note: str) -> None:
        if phase.startswith("Learning"):
            seen.append(done)

    return Run(
        folder / "job",
        folder / "library",
        progress,
        lambda *_: None,
        lambda: reason if len(seen) >= steps else "",
    )


@pytest.mark.parametrize("steps", [1, 2, 3, 5], ids=lambda n: f"after {n} steps")
def test_interrupted_and_resumed_equals_uninterrupted(request_, tmp_path, steps):
    """Two steps of the absorber, four of the motion: the first stage, its end, the second."""
    perform(replace(request_, out=str(tmp_path / "whole")), quiet_run(tmp_path / "whole-run"))
    with pytest.raises(Stopped):
        perform(request_, stopping_after(tmp_path, steps))
    assert not Path(request_.out).exists()
    perform(request_, quiet_run(tmp_path))
    whole, resumed = weights(tmp_path / "whole"), weights(request_.out)
    assert all(torch.equal(whole[k], resumed[k]) for k in whole)


def test_a_resumed_run_does_not_begin_again(request_, tmp_path):
    with pytest.raises(Stopped):
        perform(request_, stopping_after(tmp_path, 5))
    seen: list[tuple[str, int]] = []
    run = quiet_run(tmp_path)
    perform(request_, replace(run, progress=lambda phase, done, *_: seen.append((phase, done))))
    assert [done for phase, done in seen if phase == "Learning the motion"] == [4]
    assert not any("looks" in phase for phase, _ in seen)


def test_a_checkpoint_of_other_words_is_not_resumed_and_does_not_stay(request_, tmp_path):
    with pytest.raises(Stopped):
        perform(request_, stopping_after(tmp_path, 5))
    changed = replace(request_, motion="moving left")
    with pytest.raises(Stopped):
        perform(changed, stopping_after(tmp_path, 1))
    assert [p.name for p in (tmp_path / "job" / "checkpoints").iterdir()] == ["0-000001"]
    seen: list[str] = []
    perform(changed, replace(quiet_run(tmp_path), progress=lambda phase, *_: seen.append(phase)))
    assert any("looks" in phase for phase in seen)


def test_a_half_written_checkpoint_is_passed_over(request_, tmp_path):
    with pytest.raises(Stopped):
        perform(request_, stopping_after(tmp_path, 5))
    newest = sorted((tmp_path / "job" / "checkpoints").iterdir())[-1]
    (newest / "adapters.safetensors").write_bytes(b"cut short")
    perform(request_, quiet_run(tmp_path))
    assert Path(request_.out, "preset.json").is_file()


def test_previews_are_clips_made_on_the_way(request_, tmp_path):
    seen: list[tuple[str, int]] = []
    run = replace(quiet_run(tmp_path), preview=lambda path, step: seen.append((path, step)))
    perform(replace(request_, preview_prompt="a red ball"), run)
    assert [step for _, step in seen] == [1, 2, 3, 4]
    assert all(Path(path).is_file() for path, _ in seen)


def test_previews_do_not_change_what_is_learned(request_, tmp_path):
    perform(request_, quiet_run(tmp_path / "a"))
    plain = weights(request_.out)
    perform(replace(request_, preview_prompt="a red ball"), quiet_run(tmp_path / "b"))
    assert all(torch.equal(plain[k], weights(request_.out)[k]) for k in plain)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_in_float32_adapters(request_, run, precision):
    perform(replace(request_, compute=Compute(device="cpu", precision=precision)), run)
    state = weights(request_.out)
    assert all(t.dtype == torch.float32 and t.isfinite().all() for t in state.values())
    assert any(state[k].abs().max() > 0 for k in state if "lora_B" in k)


@pytest.mark.parametrize("layers", ["attention+ff", "attention+ff+conv"])
def test_more_temporal_layers_than_attention_can_learn(request_, run, tmp_path, layers):
    perform(replace(request_, method=replace(request_.method, layers=layers)), run)
    state = weights(request_.out)
    assert any(".ff." in k for k in state)
    assert any("temp_convs" in k for k in state) == ("conv" in layers)
    generate = Generate(
        job="g",
        prompt="a ball",
        out=str(tmp_path / "g.mp4"),
        base=request_.base,
        motions=(Motion(path=request_.out),),
    )
    assert perform(generate, run).outputs


def test_a_longer_clip_than_the_bases_is_learned_from_its_start_and_that_is_said(request_, run):
    assert "the first 0.5 of 1.0 seconds" in perform(request_, run).notes[0]


def test_a_shorter_clip_is_learned_slower_and_that_is_said(request_, run):
    short = replace(request_.clips[0], frame_count=6)
    assert "2.0 times slower" in perform(replace(request_, clips=(short,)), run).notes[0]


@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_recomputing_modes_learn_what_the_fast_one_learns(request_, tmp_path, memory):
    perform(request_, quiet_run(tmp_path / "a"))
    fast = weights(request_.out)
    perform(replace(request_, compute=Compute(device="cpu", memory=memory)), quiet_run(tmp_path / "b"))
    assert all(torch.equal(fast[k], weights(request_.out)[k]) for k in fast)


def test_two_clips_of_one_motion_are_learned_together(request_, run):
    two = (request_.clips[0], replace(request_.clips[0], first_frame=6, looks="another"))
    perform(replace(request_, clips=two), run)
    assert weights(request_.out)


BAD = {
    "no clips": ({"clips": ()}, "no clip"),
    "no words": ({"motion": "  "}, "no words"),
    "a missing clip": ({"clips": (Clip(path="/no/such.mp4"),)}, "such.mp4"),
    "one frame": ({"one_frame": True}, "frame"),
    "no base": ({"base": "nowhere"}, "no base model"),
    "a rank of 0": ({"method": CustomizeAVideo(rank=0)}, "Rank is 0"),
    "several clips for one word": (
        {"method": CustomizeAVideo(absorber="both"), "two": True},
        "one clip's looks",
    ),
    "no steps": ({"steps": 0}, "Steps is 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_with_a_hint_and_leaves_nothing(request_, run, name):
    change, complaint = dict(BAD[name][0]), BAD[name][1]
    if change.pop("one_frame", False):
        change["clips"] = (replace(request_.clips[0], frame_count=1),)
    if change.pop("two", False):
        change["clips"] = request_.clips * 2
    with pytest.raises(UserError, match=complaint) as caught:
        perform(replace(request_, **change), run)
    assert caught.value.hint
    assert not Path(request_.out).exists()
    assert not list(Path(request_.out).parent.glob(".*part*"))


def test_a_folder_that_is_not_a_motion_is_never_replaced(request_, run):
    precious = Path(request_.out) / "photo.txt"
    precious.parent.mkdir()
    precious.write_text("mine")
    with pytest.raises(UserError, match="not a motion"):
        perform(request_, run)
    assert precious.read_text() == "mine"
