"""Absorbers made elsewhere, and what may be given to a method besides clips."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_from
from safetensors.torch import load_file, save_file

from backend.api.presets import read_preset
from backend.api.protocol import Clip, Generate, Learn, Motion
from backend.api.settings import CustomizeAVideo, MotionDirector, MotionToken, Vmc
from backend.errors import UserError
from backend.families.lora_files import comfyui_file, diffusers_file
from backend.families.unet3d import UNet3D
from backend.media.pictures import png
from backend.tasks import perform
from backend.tasks.given import WORD, read_given
from tests.conftest import quiet_run
from tests.tasks.cases import CASES, lora, request_for


@pytest.fixture
def base(toy_base) -> UNet3D:
    return UNet3D(toy_base, "toy", device="cpu")


@pytest.fixture
def request_(toy_base, moving_clip, tmp_path) -> Learn:
    return request_for(CASES["customize-a-video"], toy_base, moving_clip, tmp_path / "motion")


def test_a_spatial_lora_is_read_in_the_keys_of_diffusers_and_of_comfyui(base, tmp_path):
    own = lora(base, "spatial attention")
    for name, write in (("diffusers", diffusers_file), ("comfyui", comfyui_file)):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(write(own, {}))
        read = read_given(str(path), base)
        assert read.lora.state.keys() == own.state.keys()
        key = next(iter(own.state)).replace("lora_A", "lora_B")
        torch.testing.assert_close(read.lora.scale * read.lora.state[key], own.scale * own.state[key])


def test_what_of_a_given_absorber_is_not_used_is_named_in_the_end(request_, base, tmp_path):
    own = load_from(diffusers_file(lora(base, "spatial attention"), {}))
    own |= {f"unet.attic.lora_{side}.weight": torch.ones(2, 2) for side in "AB"}
    save_file(own, tmp_path / "looks.safetensors")
    method = replace(request_.method, absorber="given", given=str(tmp_path / "looks.safetensors"))
    result = perform(replace(request_, method=method, steps=1), quiet_run(tmp_path / "job"))
    assert any("looks.safetensors" in note and "attic" in note for note in result.notes)


def test_motiondirectors_spatial_tensors_are_read_in_order(base, tmp_path):
    groups = ("spatial self-attention", "spatial ff")
    state = {k: torch.randn(t.shape) for g in groups for k, t in lora(base, g).state.items()}
    pattern = "|".join(f"({base.layers(group)})" for group in groups)
    names = [n for n, _ in base.skeleton.named_modules() if re.fullmatch(pattern, n)]
    sides = [state[f"{name}.lora_{side}.weight"] for name in names for side in "BA"]
    torch.save(sides, tmp_path / "300_unet.pt")
    torch.testing.assert_close(read_given(str(tmp_path / "300_unet.pt"), base).lora.state, state)


def test_a_textual_inversion_is_read_by_its_one_tensor(base, tmp_path):
    save_file({"<cat>": torch.ones(3, 16)}, tmp_path / "cat.safetensors")
    torch.save({"<cat>": torch.ones(16)}, tmp_path / "cat.bin")
    assert read_given(str(tmp_path / "cat.safetensors"), base).vectors[WORD].shape == (3, 16)
    assert read_given(str(tmp_path / "cat.bin"), base).vectors[WORD].shape == (1, 16)
    by_automatic1111 = {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.ones(2, 16)}, "step": 9}
    torch.save(by_automatic1111, tmp_path / "cat.pt")
    assert read_given(str(tmp_path / "cat.pt"), base).vectors[WORD].shape == (2, 16)


def test_with_a_given_absorber_only_the_motion_learns_and_otherwise_than_without(request_, base, tmp_path):
    (tmp_path / "looks.safetensors").write_bytes(diffusers_file(lora(base, "spatial attention", 0.5), {}))
    save_file({"<cat>": torch.ones(3, 16)}, tmp_path / "cat.safetensors")
    learned = []
    for i, given in enumerate(("", "looks.safetensors", "cat.safetensors")):
        chosen = {"absorber": "given", "given": str(tmp_path / given)} if given else {"absorber": "none"}
        phases: set[str] = set()
        run = replace(quiet_run(tmp_path / str(i)), progress=lambda phase, *_, seen=phases: seen.add(phase))
        (out,) = perform(
            replace(request_, out=f"{request_.out}{i}", method=replace(request_.method, **chosen)), run
        ).outputs
        assert not any("looks" in phase for phase in phases)
        learned.append(load_file(Path(out) / "weights" / "toy.safetensors"))
    assert learned[0].keys() == learned[1].keys() == learned[2].keys()
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert any(not torch.equal(learned[one][k], learned[other][k]) for k in learned[0])


def test_a_kept_absorber_serves_the_next_clip_of_the_same_looks(request_, base, tmp_path):
    kept = replace(request_.method, absorber="both", keep_absorber=True)
    motion, looks = perform(replace(request_, method=kept), quiet_run(tmp_path / "a")).outputs
    assert read_preset(Path(looks)).kind == "style"
    given = read_given(looks, base)
    assert given.vectors[WORD].shape == (4, 16)  # white box gray wall
    assert given.lora.scale == 0.5
    again = replace(kept, absorber="given", given=looks, keep_absorber=False)
    assert perform(replace(request_, method=again, out=str(tmp_path / "next")), quiet_run(tmp_path)).outputs
    with pytest.raises(UserError, match="holds motion too"):
        read_given(motion, base)


@pytest.mark.parametrize("what", ["missing", "not a file of tensors", "temporal", "too wide"])
def test_an_absorber_that_is_none_is_refused_in_a_sentence(base, tmp_path, what):
    path = tmp_path / "x.safetensors"
    match what:
        case "not a file of tensors":
            path.write_text("hello")
        case "temporal":
            path.write_bytes(diffusers_file(lora(base, "temporal attention"), {}))
        case "too wide":
            save_file({"<cat>": torch.ones(3, 17)}, path)
    with pytest.raises(UserError) as caught:
        read_given(str(path), base)
    assert caught.value.hint


def still(folder: Path) -> Clip:
    path = folder / "still.png"
    path.write_bytes(png(np.full((20, 30, 3), (200, 60, 30), np.uint8)))
    return Clip(path=str(path), looks="a red dog on grass")


@pytest.mark.parametrize(
    ("method", "more", "complaint"),
    [
        (CustomizeAVideo(), "stills", "Customize-A-Video learns nothing from stills"),
        (Vmc(), "stills", "VMC learns nothing from stills"),
        (MotionDirector(learns="looks"), "regular", "MotionDirector is not to use them as it is set"),
        (MotionToken(regularization="none"), "regular", "Motion token is not to use them as it is set"),
        (Vmc(absorber="given", given="looks.bin"), "regular", "VMC is not to use them as it is set"),
        (Vmc(absorber="both"), "two clips", "stands for one clip's looks"),
        (MotionDirector(follow=0.2), "two clips", "can only start from one"),
        (MotionToken(subject_share=0.3), "", "no stills of it"),
        (CustomizeAVideo(compare="clip"), "", "is none on motion"),
        (Vmc(compare="clip"), "", "predicts noise"),
        (CustomizeAVideo(absorber="textual inversion"), "no looks", "Nothing is said of what is seen"),
        (MotionDirector(), "no clips", "no clip to learn from"),
    ],
)
def test_what_a_method_would_not_use_is_refused_in_a_sentence(request_, tmp_path, method, more, complaint):
    change = {
        "": {},
        "stills": {"stills": (still(tmp_path),)},
        "regular": {"regular": request_.clips},
        "no looks": {"clips": (replace(request_.clips[0], looks=""),)},
        "two clips": {"clips": request_.clips * 2},
        "no clips": {"clips": (), "stills": (still(tmp_path),)},
    }[more]
    with pytest.raises(UserError, match=complaint) as caught:
        perform(replace(request_, method=method, **change), quiet_run(tmp_path))
    assert caught.value.hint
    assert not Path(request_.out).exists()


@pytest.mark.parametrize(
    ("method", "clips", "complaint"),
    [
        (CustomizeAVideo(), 2, "stands for one clip's looks"),
        (Vmc(), 2, "stands for one clip's looks"),
        (Vmc(caption="motion only"), 1, "no place in a caption of the motion alone"),
    ],
)
def test_a_given_textual_inversion_wants_one_clip_and_words_for_its_looks(
    request_, tmp_path, method, clips, complaint
):
    save_file({"<cat>": torch.ones(3, 16)}, tmp_path / "cat.safetensors")
    method = replace(method, absorber="given", given=str(tmp_path / "cat.safetensors"))
    asked = replace(request_, method=method, clips=request_.clips * clips)
    with pytest.raises(UserError, match=complaint) as caught:
        perform(asked, quiet_run(tmp_path / "job"))
    assert caught.value.hint
    assert not Path(request_.out).exists()


def test_the_looks_that_several_clips_share_are_kept_as_one_absorber(request_, base, tmp_path):
    kept = replace(request_.method, absorber="spatial LoRA", keep_absorber=True)
    asked = replace(request_, method=kept, clips=request_.clips * 2)
    _, looks = perform(asked, quiet_run(tmp_path / "a")).outputs
    given = read_given(looks, base)
    assert given.lora.scale == 0.5
    assert not given.vectors
    assert any(t.abs().max() > 0 for name, t in given.lora.state.items() if "lora_B" in name)


def test_looks_of_a_still_alone_are_a_preset_to_mix_with_any_motion(request_, tmp_path):
    """Animate a still: its looks, stacked with a motion that was learned from a clip."""
    looks = MotionDirector(learns="looks", spatial_learning_rate=0.01)
    asked = replace(
        request_, method=looks, clips=(), stills=(still(tmp_path),), motion="", out=str(tmp_path / "dog")
    )
    (dog,) = perform(asked, quiet_run(tmp_path / "a")).outputs
    (motion,) = perform(request_, quiet_run(tmp_path / "b")).outputs
    preset = read_preset(Path(dog))
    assert (preset.kind, preset.motion, preset.looks, preset.title) == (
        "style", "", "a red dog on grass", "Looks: a red dog on grass",
    )  # fmt: skip
    state = load_file(Path(dog) / "weights" / "toy.safetensors")
    assert all("temp_" not in k and "transformer_in" not in k and "attn2" not in k for k in state)
    stack = (Motion(path=dog), Motion(path=motion))
    mixed = Generate(job="g", prompt="a dog moving right", out=str(tmp_path / "g.mp4"),
                     base=request_.base, motions=stack, compute=request_.compute)  # fmt: skip
    assert perform(mixed, quiet_run(tmp_path)).outputs


def test_a_reversed_clip_is_learned_reversed(request_, base, tmp_path):
    from backend.media import clips
    from backend.methods import METHODS
    from backend.methods.base import Material
    from backend.tasks.learn import settled
    from backend.tasks.prepare import prepare

    seen = []
    for reverse in (False, True):
        clip = replace(request_.clips[0], reverse=reverse, frame_count=12)
        asked = settled(replace(request_, clips=(clip,), method=Vmc()), base)
        method = METHODS[Vmc](asked.method, Material())
        seen.append(prepare(asked, method, base, quiet_run(tmp_path / str(reverse))).examples[0].latents)
    # The white box goes the other way: what was first is now last, to within a frame's sampling.
    forward, backward = (x[0].mean(dim=(0, 2)) for x in seen)  # (F, w)
    to_itself = (forward - backward).abs().mean()
    assert (forward - backward.flip(0)).abs().mean() < to_itself
    out = perform(
        replace(request_, clips=(replace(request_.clips[0], reverse=True),)), quiet_run(tmp_path)
    ).outputs
    kept = clips.read(Clip(path=f"{out[0]}/reference.mp4"), frames=4, fps=8, size=None).astype(int)
    places = [np.argwhere(frame.mean(2) > 180)[:, 1].mean() for frame in kept]
    assert places == sorted(places, reverse=True)
    assert places[0] > places[-1] + 10
