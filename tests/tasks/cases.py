"""Every method as the suites run it: at toy size, with rates that make a few steps show."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from backend.api.protocol import Clip, Compute, Learn
from backend.api.settings import CustomizeAVideo, Method, MotionDirector, MotionToken, Vmc
from backend.diffusion.adapters import Lora
from backend.families.lora_files import diffusers_file
from backend.families.unet3d import LAYERS, UNet3D
from backend.media.pictures import png


@dataclass(frozen=True)
class Case:
    method: Method
    more: tuple[
        str, ...
    ] = ()  # what is given besides the clip: "clips", "stills", "regular"; an absorber: "LoRA", "words"
    outputs: int = 1  # preset folders


FAST = {"learning_rate": 0.01}
ABSORBING = FAST | {"absorber_learning_rate": 0.01, "token_learning_rate": 0.01}
CASES = {
    "customize-a-video": Case(CustomizeAVideo(**ABSORBING)),
    "no absorber": Case(CustomizeAVideo(absorber="none", **FAST)),
    "textual inversion": Case(CustomizeAVideo(absorber="textual inversion", **ABSORBING)),
    "both, kept": Case(CustomizeAVideo(absorber="both", keep_absorber=True, **ABSORBING), outputs=2),
    "spatial alone": Case(CustomizeAVideo(absorber="none", placement="spatial", **FAST)),
    "given words": Case(CustomizeAVideo(absorber="given", **FAST), ("words",)),
    "given LoRA": Case(Vmc(absorber="given", **FAST), ("LoRA", "clips")),
    "coupled": Case(CustomizeAVideo(absorber="none", placement="both", variants=2, **FAST)),
    "vmc": Case(Vmc(**FAST)),
    "vmc, Eq. 16, noise offset": Case(Vmc(loss="motion l2", offset=0.1, **FAST)),
    "vmc with an absorber": Case(Vmc(absorber="both", **ABSORBING), ("regular",)),
    "motion director": Case(MotionDirector(spatial_learning_rate=0.01, keep_looks=True, **FAST), outputs=2),
    "motion director, two clips": Case(
        MotionDirector(spatial_learning_rate=0.01, keep_looks=True, rank=4, **FAST), ("clips",), outputs=3
    ),
    "motion director with stills": Case(
        MotionDirector(spatial_learning_rate=0.01, rank=4, **FAST), ("stills", "regular"), outputs=2
    ),
    "looks alone": Case(MotionDirector(learns="looks", spatial_learning_rate=0.01)),
    "motion token": Case(MotionToken(variants=2, rank=4, slowed=0.5, **FAST), ("regular",)),
    "motion token, sampled": Case(
        MotionToken(variants=1, regularization="sampled clips", regular_count=2, learn_token=True, **FAST)
    ),
    "motion token and who": Case(MotionToken(variants=1, rank=4, slowed=0.5, **FAST), ("stills",), outputs=2),
}


def request_for(case: Case, base: Path, clip: Path, out: Path) -> Learn:
    """Four steps on one clip of a moving white box."""
    still = out.with_name("still.png")
    still.write_bytes(png(np.full((20, 30, 3), (200, 60, 30), np.uint8)))
    shown = (Clip(path=str(clip), looks="a white box over a gray wall"),)
    turned = Clip(path=str(clip), reverse=True, looks="a box moving left")
    more: dict[str, Any] = {
        "clips": {"clips": (*shown, turned)},
        "stills": {"stills": (Clip(path=str(still), looks="a red dog on grass"),)},
        "regular": {"regular": (turned,)},
    }
    given = {key: value for name in case.more for key, value in more.get(name, {}).items()}
    method = case.method
    if absorber := {"LoRA", "words"} & set(case.more):
        method = replace(method, given=str(given_file(*absorber, base, out.with_name("given.safetensors"))))
    return Learn(
        job="j",
        motion="moving right",
        out=str(out),
        base=str(base),
        steps=4,
        method=method,
        compute=Compute(device="cpu"),
        **({"clips": shown} | given),
    )


def given_file(kind: str, base: Path, path: Path) -> Path:
    """An absorber of somebody else's, written to `path`."""
    if kind == "words":
        save_file({"<cat>": torch.full((3, 16), 0.1)}, path)
    else:
        own = lora(UNet3D(base, "toy", device="cpu"), "spatial attention")
        path.write_bytes(diffusers_file(own, {}))
    return path


def lora(base: UNet3D, group: str, size: float = 0.1) -> Lora:
    """On every layer of the group, of rank 2."""
    modules = {n: m for n, m in base.denoiser.named_modules() if re.fullmatch(LAYERS[group], n)}
    state = {}
    for name, m in modules.items():
        out, into = m.weight.shape[:2]
        state[f"{name}.lora_A.weight"] = torch.full((2, into), size)
        state[f"{name}.lora_B.weight"] = torch.full((out, 2), size)
    return Lora(state, 0.5)


def weights(folder: str | Path, name: str = "toy") -> dict[str, torch.Tensor]:
    """The tensors of a motion that was learned on the toy base; `toy-000002` is a checkpoint's."""
    return load_file(Path(folder) / "weights" / f"{name}.safetensors")
