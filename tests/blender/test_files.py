"""Motions from and for other programs, stills, looks, strength over time: from buttons to results."""

from pathlib import Path
from typing import Any

import pytest
import torch

from backend.api.presets import read_preset
from backend.diffusion.adapters import Lora, add_lora, lora_parameters, remove_loras
from backend.diffusion.tensors import read_tensors
from backend.families.lora_files import diffusers_file, model_spec
from backend.families.unet3d import LAYERS, UNet3D

from .conftest import Drive, gone

pytestmark = [pytest.mark.blender, pytest.mark.slow]


@pytest.fixture(scope="module")
def loras(toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Other programs' files for the toy base: a motion, MotionDirector's .pt of one, and looks."""
    return made_files(toy_base, tmp_path_factory.mktemp("loras"))


def made_files(base: Path, folder: Path) -> dict[str, str]:
    family = UNet3D(base, "toy", device="cpu")
    motion, looks = lora(family, "temporal attention"), lora(family, "spatial attention")
    both = lora(family, "temporal attention", "temporal ff").state
    modules = list(dict.fromkeys(key.rsplit(".lora_", 1)[0] for key in both))
    sides = [both[f"{module}.lora_{side}.weight"] for module in modules for side in "BA"]
    (folder / "motion.safetensors").write_bytes(
        diffusers_file(motion, model_spec(family, "Whirl", "whirling"))
    )
    (folder / "looks.safetensors").write_bytes(diffusers_file(looks, {}))
    torch.save(sides, folder / "director.pt")
    names = {"motion": "motion.safetensors", "looks": "looks.safetensors", "director": "director.pt"}
    return {name: str(folder / file) for name, file in names.items()}


def lora(family: UNet3D, *groups: str) -> Lora:
    """In the order of the network's modules, as MotionDirector writes them."""
    add_lora(family.denoiser, "a", "|".join(f"({LAYERS[group]})" for group in groups), 2, 0.5, seed=0)
    g = torch.Generator().manual_seed(0)
    parameters = lora_parameters(family.denoiser, "a")
    state = {key: torch.randn(p.shape, generator=g) * 0.1 for key, p in parameters.items()}
    remove_loras(family.denoiser)
    return Lora(state, 0.5)


def test_files_go_in_and_out_and_stills_and_strengths_over_time_reach_the_result(
    drive: Drive, movie: Path, still: Path, toy_base: Path, loras: dict[str, str]
) -> None:
    told = drive("drive_files.py", movie=str(movie), picture=str(still), base=str(toy_base), **loras)
    files_are_exchanged(told["files"])
    stills_are_learned(told["stills"])
    what_was_asked_for_acted(told["made"])
    assert gone(told["process"])


def files_are_exchanged(seen: dict[str, Any]) -> None:
    for name, words in (
        ("diffusers", "whirling"),
        ("comfyui", "whirling again"),
        ("director", "swinging"),
    ):
        (folder,) = seen[name]["outputs"]
        assert (read_preset(Path(folder)).motion, seen[name]["note"]) == (words, "")
        assert seen[name]["rows"]["motions"][-1] == words.capitalize()
    assert seen["exported"]["request"]["format"] == "comfyui"
    (out,) = seen["exported"]["outputs"]
    assert Path(out).name == "whirl.safetensors"
    assert all(key.startswith("diffusion_model.") for key in read_tensors(Path(out))[0])
    assert seen["looks"]["note"].startswith("looks.safetensors changes looks, not motion")
    assert "“Look like”" in seen["looks"]["hint"]
    assert seen["its own words"] == ["whirling", ""]
    assert "The motion has no words. Say how it moves" in seen["no words"]


def stills_are_learned(seen: dict[str, Any]) -> None:
    """Two clips and a still reach the backend; the motion and the still's looks land on their lists."""
    request = seen["request"]
    assert request["method"]["type"] == "MotionDirector"
    assert [clip["first_frame"] for clip in request["clips"]] == [0, 12]
    assert [clip["looks"] for clip in request["stills"]] == ["a dog"]
    motion, looks = (read_preset(Path(folder)) for folder in seen["outputs"])
    assert (motion.kind, looks.kind) == ("subject", "style")
    assert seen["rows"] == {"motions": ["Moving to the right"], "looks": ["Looks: a dog"]}


def what_was_asked_for_acted(seen: dict[str, Any]) -> None:
    for name in ("generated", "edited"):
        request = seen[name]["request"]
        motion, still = request["motions"]
        strengths = [key["strength"] for key in motion["curve"]]
        assert len(strengths) == 4, "the toy base makes 4 frames"
        assert (strengths[0], strengths[-1]) == (0.0, 1.0)
        assert strengths == sorted(strengths)
        assert still["curve"] == []
        assert [Path(one["path"]).name for one in request["looks"]] == ["looks.safetensors"]
        assert Path(seen[name]["outputs"][0]).is_file()
    assert len(seen["strips"]) == 3
