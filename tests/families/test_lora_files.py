"""LoRA files of other programs: what is read as what, what is refused, and what others read of ours."""

import json
import os
import pickle
import re
import zipfile
from pathlib import Path

import pytest
import torch
from diffusers import TextToVideoSDPipeline, UNet3DConditionModel
from diffusers.loaders import PeftAdapterMixin
from safetensors.torch import load_file, save_file

from backend.diffusion.adapters import Lora, add_lora, lora_parameters, merged, remove_loras
from backend.errors import UserError
from backend.families.lora_files import comfyui_file, diffusers_file, read_lora_file, scales_of
from backend.families.unet3d import LAYERS, UNet3D

HEADER = {"modelspec.title": "circle"}
MOTION = ("temporal attention", "temporal ff", "temporal conv", "cross-attention kv")


@pytest.fixture(scope="module")
def base(toy_base):
    return UNet3D(toy_base, "toy", device="cpu")


def learned(base, groups, scale=0.5, rank=2):
    pattern = "|".join(f"({LAYERS[group]})" for group in groups)
    g = torch.Generator().manual_seed(0)
    add_lora(base.denoiser, "a", pattern, rank=rank, scale=scale, seed=0)
    state = {
        k: torch.randn(p.shape, generator=g) * 0.5 for k, p in lora_parameters(base.denoiser, "a").items()
    }
    remove_loras(base.denoiser)
    return Lora(state, scale)


@pytest.fixture(scope="module")
def motion(base):
    return learned(base, MOTION)


@pytest.fixture(scope="module")
def looks(base):
    return learned(base, ("spatial attention",))


def predicted(unet):
    g = torch.Generator().manual_seed(9)
    x, text = torch.randn(1, 4, 4, 8, 8, generator=g), torch.randn(1, 7, 16, generator=g)
    with torch.no_grad():
        return unet(x, torch.tensor([400]), text).sample


def acting(base, lora):
    with merged(base.denoiser, [lora]):
        return predicted(base.denoiser)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def saved(path: Path, tensors, **metadata) -> Path:
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, metadata or None)
    return path


def modules(lora):
    return [key.removesuffix(".lora_A.weight") for key in lora.state if key.endswith(".lora_A.weight")]


# ------------------------------------------------------------------ ours, elsewhere


def test_a_motion_loads_in_plain_diffusers_and_acts_there_as_here(base, motion, toy_base, tmp_path):
    """UNet3DConditionModel lacks diffusers' own adapter mixin; with it, the pipeline loads our file."""
    written(tmp_path / "pytorch_lora_weights.safetensors", diffusers_file(motion, HEADER))
    pipeline = TextToVideoSDPipeline.from_pretrained(toy_base)
    able = type("UNet3DConditionModel", (UNet3DConditionModel, PeftAdapterMixin), {"__module__": "diffusers"})
    pipeline.unet.__class__ = able
    pipeline.load_lora_weights(tmp_path)
    theirs, ours = predicted(pipeline.unet), acting(base, motion)
    torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)
    assert (ours - predicted(base.denoiser)).abs().max() > 0.01


def test_a_file_says_what_it_is(motion, tmp_path):
    data = diffusers_file(motion, HEADER)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert header["modelspec.title"] == "circle"
    config = json.loads(header["lora_adapter_metadata"])
    assert (config["unet.r"], config["unet.lora_alpha"]) == (2, 1.0)
    assert sorted(config["unet.target_modules"]) == sorted(modules(motion))


def test_comfyuis_keys_name_modules_as_the_first_release_did(motion, tmp_path):
    tensors = load_file(written(tmp_path / "c.safetensors", comfyui_file(motion, HEADER)))
    query = "diffusion_model.input_blocks.1.2.transformer_blocks.0.attn1.to_q"
    ours = "down_blocks.0.temp_attentions.0.transformer_blocks.0.attn1.to_q"
    assert torch.equal(tensors[f"{query}.lora_down.weight"], motion.state[f"{ours}.lora_A.weight"])
    assert torch.equal(tensors[f"{query}.lora_up.weight"], motion.state[f"{ours}.lora_B.weight"])
    assert tensors[f"{query}.alpha"] == 1.0  # α·r
    assert "diffusion_model.input_blocks.1.0.temopral_conv.conv1.2.alpha" in tensors
    assert len(tensors) == 3 * len(modules(motion))


def test_what_covers_only_a_part_of_the_base_gets_no_wrong_numbers(motion):
    some = {k: v for k, v in motion.state.items() if k.startswith("down_blocks.0.temp_attentions.0")}
    assert some
    with pytest.raises(UserError, match="only some of the base's layers"):
        comfyui_file(Lora(some, 1.0), HEADER)


# ------------------------------------------------------------------ others', here


@pytest.mark.parametrize("write", [diffusers_file, comfyui_file])
def test_what_is_exported_is_imported_to_the_same_output(base, motion, tmp_path, write):
    found = read_lora_file(written(tmp_path / "m.safetensors", write(motion, HEADER)), base)
    assert not found.unused
    torch.testing.assert_close(acting(base, found.lora), acting(base, motion), atol=1e-5, rtol=1e-5)


def test_layers_of_several_ranks_are_written_and_read_with_each_its_scale(base, tmp_path):
    one, other = learned(base, ("temporal attention",)), learned(base, ("temporal conv",), rank=3)
    both = Lora({**one.state, **other.state}, 0.5)
    found = read_lora_file(written(tmp_path / "m.safetensors", diffusers_file(both, HEADER)), base)
    torch.testing.assert_close(acting(base, found.lora), acting(base, both), atol=1e-5, rtol=1e-5)


def old_name(module: str) -> str:
    return module.removesuffix(".0").replace(".to_", ".processor.to_")


SIDES = ("down", "up")
NAMINGS = {
    "peft": lambda m: [f"base_model.model.{m}.lora_{side}.weight" for side in "AB"],
    "diffusers": lambda m: [f"unet.{m}.lora.{side}.weight" for side in SIDES],
    "old diffusers": lambda m: [f"{old_name(m)}_lora.{side}.weight" for side in SIDES],
    "kohya": lambda m: [f"lora_unet_{m.replace('.', '_')}.lora_{side}.weight" for side in SIDES],
}


@pytest.mark.parametrize("naming", NAMINGS)
def test_keys_are_read_as_other_programs_write_them(base, looks, tmp_path, naming):
    tensors = {}
    for m in modules(looks):
        down, up = NAMINGS[naming](m)
        tensors[down], tensors[up] = looks.state[f"{m}.lora_A.weight"], looks.state[f"{m}.lora_B.weight"]
    found = read_lora_file(saved(tmp_path / "l.safetensors", tensors), base)
    assert not found.unused
    torch.testing.assert_close(acting(base, found.lora), acting(base, Lora(looks.state, 1.0)))


def test_an_alpha_beside_a_layer_is_divided_by_its_rank(base, looks, tmp_path):
    """α 3 at rank 2: the pair acts at 1.5."""
    m = modules(looks)[0]
    name = f"lora_unet_{m.replace('.', '_')}"
    a, b = looks.state[f"{m}.lora_A.weight"], looks.state[f"{m}.lora_B.weight"]
    tensors = {f"{name}.lora_down.weight": a, f"{name}.lora_up.weight": b, f"{name}.alpha": torch.tensor(3.0)}
    found = read_lora_file(saved(tmp_path / "l.safetensors", tensors), base)
    torch.testing.assert_close(found.lora.state, {f"{m}.lora_A.weight": a, f"{m}.lora_B.weight": 1.5 * b})


@pytest.mark.parametrize(
    ("config", "factor"),
    [
        ({"unet.r": 4, "unet.lora_alpha": 8}, 2.0),
        ({"unet.r": 4, "unet.lora_alpha": 8, "unet.use_rslora": True}, 4.0),  # α/√r
        ({"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_[qkv]": 12}}, 3.0),
        ({"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": {"to_q2": 12}}, 2.0),
    ],
)
def test_pefts_metadata_scale_as_they_do_in_peft(config, factor):
    module = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    assert scales_of({"lora_adapter_metadata": json.dumps(config)}).of(module) == factor


def test_all_that_the_base_has_no_layer_for_is_named_like_layers_together(base, looks, tmp_path):
    tensors = {f"unet.{k}": v for k, v in looks.state.items()}
    layers = [f"text_encoder.layers.{i}.{name}" for i in range(12) for name in "qkvo"]
    unused = [f"{layer}.lora_{side}.weight" for layer in layers for side in "AB"]
    tensors |= {key: torch.zeros(2, 4) for key in unused}
    found = read_lora_file(saved(tmp_path / "l.safetensors", tensors), base)
    assert sorted(found.unused) == sorted(unused)
    assert "(each * a number)" in found.note
    assert all(f"text_encoder.layers.*.{name}" in found.note for name in "qkvo")
    assert found.note.count("text_encoder") == 4


# ------------------------------------------------------------------ MotionDirector


def in_order(base, *groups, feed_forward_first=False):
    """[up, down, …] as MotionDirector collects them, and what they are by module."""
    pattern = "|".join(f"({base.layers(group)})" for group in groups)
    names = [n for n, _ in base.skeleton.named_modules() if re.fullmatch(pattern, n)]
    if feed_forward_first:  # diffusers once defined a block's ff before its second attention
        blocks = dict.fromkeys(n.split("transformer_blocks")[0] for n in names)
        parts = ("attn1", "ff", "attn2")
        names = [n for b in blocks for p in parts for n in names if n.startswith(b) and f".{p}." in n]
    lora = learned(base, groups, scale=1.0)
    sides = [lora.state[f"{n}.lora_{side}.weight"] for n in names for side in "BA"]
    return sides, lora


@pytest.mark.parametrize(
    ("groups", "old"),
    [
        (("temporal attention", "temporal ff"), False),
        (("temporal attention", "temporal ff"), True),
        (("spatial self-attention", "spatial ff"), False),
    ],
)
def test_motiondirectors_tensors_find_their_modules_by_order(base, tmp_path, groups, old):
    tensors, lora = in_order(base, *groups, feed_forward_first=old)
    torch.save(tensors, tmp_path / "300_unet.pt")
    found = read_lora_file(tmp_path / "300_unet.pt", base)
    assert found.lora.scale == 1.0
    torch.testing.assert_close(found.lora.state, lora.state)


def test_tensors_in_another_order_are_refused(base, tmp_path):
    tensors, _ = in_order(base, "temporal attention", "temporal ff")
    torch.save(tensors[::-1], tmp_path / "unet.pt")
    with pytest.raises(UserError, match="no LoRA for toy: it names no layers"):
        read_lora_file(tmp_path / "unet.pt", base)


# ------------------------------------------------------------------ hostile files


class Trap:
    """A pickle that runs a command when it is read."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def zipped(path: Path, name: str, data: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr(name, data)


def changed(path: Path, state, change) -> None:
    """The state with another tensor in the place of its first."""
    first = next(iter(state))
    save_file({**state, first: change(state[first])}, path)


def without_rank(state):
    return {k: v[:0].clone() if ".lora_A." in k else v[:, :0].clone() for k, v in state.items()}


HOSTILE = {  # what a file is → what writes it, given its path and a good LoRA's tensors
    "runs code.pt": lambda p, s: torch.save([Trap(p.with_name("trapped"))], p),
    "bare pickle.pt": lambda p, s: p.write_bytes(pickle.dumps(Trap(p.with_name("trapped")))),
    "names outside.pt": lambda p, s: zipped(p, "../../outside", b"x"),
    "packed.pt": lambda p, s: zipped(p, "archive/data.pkl", b"0" * 10**7, zipfile.ZIP_DEFLATED),
    "repeated numbers.pt": lambda p, s: torch.save([torch.zeros(1).expand(10**6, 10**6)] * 2, p),
    "other things.pt": lambda p, s: torch.save({"step": 300}, p),
    "not there.safetensors": lambda p, s: None,
    "empty.safetensors": lambda p, s: p.write_bytes(b""),
    "huge header.safetensors": lambda p, s: p.write_bytes((2**62).to_bytes(8, "little") + b"{}"),
    "cut short.safetensors": lambda p, s: p.write_bytes(diffusers_file(Lora(s, 1.0), HEADER)[:-10]),
    "not numbers.safetensors": lambda p, s: changed(p, s, lambda t: t * float("nan")),
    "wrong shape.safetensors": lambda p, s: changed(p, s, lambda t: torch.zeros(2, 99)),
    "no shape.safetensors": lambda p, s: changed(p, s, lambda t: torch.tensor(1.0)),
    "rank 0.safetensors": lambda p, s: save_file(without_rank(s), p),
    "bad rank.safetensors": lambda p, s: save_file(s, p, {"lora_adapter_metadata": '{"unet.r": "many"}'}),
    "bad header.safetensors": lambda p, s: save_file(s, p, {"lora_adapter_metadata": "[]"}),
    "rank nought.safetensors": lambda p, s: save_file(s, p, {"lora_adapter_metadata": '{"unet.r": 0}'}),
    "no pattern.safetensors": lambda p, s: save_file(
        s, p, {"lora_adapter_metadata": '{"unet.rank_pattern": {"(": 2}}'}
    ),
    "dora.safetensors": lambda p, s: save_file({**s, "unet.conv_in.dora_scale": torch.ones(2)}, p),
    "no lora.safetensors": lambda p, s: save_file({"conv_in.weight": torch.zeros(2, 2)}, p),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_damaged_file_is_one_sentence_and_does_nothing(base, looks, tmp_path, name):
    path = tmp_path / "in" / "here" / name
    path.parent.mkdir(parents=True)
    HOSTILE[name](path, looks.state)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UserError) as caught:
        read_lora_file(path, base)
    assert caught.value.hint
    assert name in caught.value.message
    assert set(tmp_path.rglob("*")) == before
