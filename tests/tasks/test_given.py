"""Absorbers made elsewhere: which files are read as looks, and which are refused."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.diffusion.adapters import Lora, add_lora, lora_parameters, remove_loras
from backend.errors import UserError
from backend.families.lora_files import comfyui_file, diffusers_file
from backend.families.unet3d import UNet3D
from backend.tasks.given import read_given


@pytest.fixture(scope="module")
def base(toy_base: Path) -> UNet3D:
    return UNet3D(toy_base, "toy", device="cpu")


def lora(base: UNet3D, *groups: str) -> Lora:
    g = torch.Generator().manual_seed(0)
    add_lora(base.denoiser, "a", "|".join(f"({base.layers(group)})" for group in groups), 2, 1.0, seed=0)
    parameters = lora_parameters(base.denoiser, "a")
    state = {key: torch.randn(p.shape, generator=g) for key, p in parameters.items()}
    remove_loras(base.denoiser)
    return Lora(state, 1.0)


@pytest.mark.parametrize("write", [diffusers_file, comfyui_file])
def test_a_spatial_lora_of_diffusers_or_comfyui_is_an_absorber(base, tmp_path, write):
    looks = lora(base, "spatial attention")
    (tmp_path / "looks.safetensors").write_bytes(write(looks, {}))
    given = read_given(str(tmp_path / "looks.safetensors"), base)
    assert given.lora.scale == 1.0
    torch.testing.assert_close(given.lora.state, looks.state)


def test_motiondirectors_spatial_tensors_are_an_absorber(base, tmp_path):
    looks = lora(base, "spatial self-attention", "spatial ff")
    pattern = "|".join(f"({base.layers(group)})" for group in ("spatial self-attention", "spatial ff"))
    names = [n for n, _ in base.skeleton.named_modules() if re.fullmatch(pattern, n)]
    sides = [looks.state[f"{name}.lora_{side}.weight"] for name in names for side in "BA"]
    torch.save(sides, tmp_path / "300_unet.pt")
    torch.testing.assert_close(read_given(str(tmp_path / "300_unet.pt"), base).lora.state, looks.state)


def test_a_motion_is_no_absorber(base, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(diffusers_file(lora(base, "temporal attention"), {}))
    with pytest.raises(UserError, match="changes motion"):
        read_given(str(tmp_path / "m.safetensors"), base)


def test_a_textual_inversion_is_an_absorber_where_its_vectors_are_as_wide_as_the_bases(base, tmp_path):
    save_file({"<oil>": torch.ones(3, 16)}, tmp_path / "oil.safetensors")
    (vectors,) = read_given(str(tmp_path / "oil.safetensors"), base).vectors.values()
    assert torch.equal(vectors, torch.ones(3, 16))
    save_file({"<oil>": torch.ones(3, 768)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="neither a LoRA nor a textual inversion"):
        read_given(str(tmp_path / "other.safetensors"), base)
