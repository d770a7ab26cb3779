"""A whole UNet that was trained on looks, such as DreamBooth's: what of it takes the place of the base's.

UNet3DConditionModel is UNet2DConditionModel with temporal layers between, under the same names: the weights
of the one, fitted to pictures, stand in the other (as diffusers' `UNetMotionModel.from_unet2d` has it).
"""

from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel, UNet3DConditionModel
from torch import Tensor

from backend.errors import UserError
from backend.families.base import Family

KINDS = {kind.__name__: kind for kind in (UNet2DConditionModel, UNet3DConditionModel)}


def unet_folder(path: Path) -> Path | None:
    """The folder itself, or `unet` in a pipeline's; None where there is no UNet's configuration."""
    found = (folder for folder in (path, path / "unet") if (folder / "config.json").is_file())
    return next(found, None)


def read_looks(folder: Path, family: Family) -> dict[str, Tensor]:
    """By name, the weights outside temporal layers that differ from the base's, in the base's precision.

    Raises UserError for a UNet that cannot be read, does not fit the base, or looks as the base does.
    """
    theirs = _weights(folder, family)
    own = {
        name: parameter.data
        for name, parameter in family.denoiser.named_parameters()
        if family.frame_layer(name) == name
    }
    if any(name not in theirs or theirs[name].shape != weight.shape for name, weight in own.items()):
        raise UserError(
            f"The UNet {folder} does not fit {family.profile.name}.",
            "Give one that was trained from the image model that the base was made of.",
        )
    differ = {n: theirs[n] for n, w in own.items() if not torch.equal(theirs[n], w.cpu())}
    if not differ:
        raise UserError(
            f"The UNet {folder} has the base's own looks.", "Give one that was trained on pictures."
        )
    return differ


def _weights(folder: Path, family: Family) -> dict[str, Tensor]:
    """On the CPU. Pickles are not loaded."""
    try:
        config: dict[str, Any] = UNet2DConditionModel.load_config(folder)
        kind = KINDS[config["_class_name"]]
        model = kind.from_pretrained(folder, torch_dtype=family.plan.dtype, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UserError(
            f"The UNet {folder} cannot be loaded.", "Give the folder of a diffusers UNet, as safetensors."
        ) from error
    weights: dict[str, Tensor] = model.state_dict()
    return weights
