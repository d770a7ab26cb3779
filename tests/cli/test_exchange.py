"""`restage presets import` and `export`, as a program."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from backend.service.worker import PLACE_HINT

from .conftest import Restage

LAYER = "unet.mid_block.temp_attentions.0.transformer_blocks.0.attn1.to_q"


def save_theirs(folder: Path) -> None:
    tensors = {f"{LAYER}.lora_A.weight": torch.ones(2, 16), f"{LAYER}.lora_B.weight": torch.ones(16, 2)}
    save_file(tensors | {"other.weight": torch.zeros(1)}, folder / "theirs.safetensors")


def test_a_file_becomes_a_motion_and_a_file_again(restage: Restage, toy_base: Path, tmp_path: Path) -> None:
    save_theirs(tmp_path)
    words = ("theirs.safetensors", "--motion-words", "whirling", "--base", toy_base)
    done = restage("presets", "import", *words)
    assert done.stdout == f"{tmp_path / 'library' / 'presets' / 'whirling'}\n"
    assert "other.weight" in done.stderr
    (listed,) = json.loads(restage("presets", "list", "--json").stdout)
    assert (listed["motion"], listed["method"]) == ("whirling", None)
    out = ("--format", "comfyui", "--out", "whirl.safetensors")
    assert restage("presets", "export", "whirling", *out).stdout == f"{tmp_path / 'whirl.safetensors'}\n"
    middle = "diffusion_model.middle_block.2.transformer_blocks.0.attn1.to_q"
    assert torch.equal(
        load_file(tmp_path / "whirl.safetensors")[f"{middle}.lora_down.weight"], torch.ones(2, 16)
    )


def test_what_cannot_be_exchanged_is_a_sentence_and_exit_code_2(
    restage: Restage, toy_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.pt").write_bytes(b"no tensors")
    done = restage("presets", "import", "bad.pt", "--motion-words", "x", "--base", toy_base)
    assert (done.returncode, done.stdout) == (2, "")
    assert "bad.pt cannot be read as a LoRA." in done.stderr
    assert "Traceback" not in done.stderr
    assert restage("presets", "export", "nowhere", "--out", "a.safetensors").returncode == 2


def test_a_place_that_cannot_be_written_is_a_sentence_and_exit_code_2(
    restage: Restage, toy_base: Path, tmp_path: Path
) -> None:
    save_theirs(tmp_path)
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "taken.safetensors").mkdir()
    words = ("presets", "import", "theirs.safetensors", "--motion-words", "whirling", "--base", toy_base)
    assert restage(*words).returncode == 0
    for place, asked in (
        ("file", (*words, "--library", "file")),
        ("file", ("presets", "export", "whirling", "--out", "file/a.safetensors")),
        ("taken.safetensors", ("presets", "export", "whirling", "--out", "taken.safetensors")),
    ):
        done = restage(*asked)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[-1].startswith(f"{tmp_path / place}")
        assert done.stderr.endswith(f"{PLACE_HINT}\n")
        assert "Traceback" not in done.stderr
