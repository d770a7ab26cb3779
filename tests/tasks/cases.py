"""Every method as the suites run it: at toy size, with rates that make a few steps show."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from backend.api.protocol import Clip, Compute, Learn
from backend.api.settings import CustomizeAVideo, Method, MotionDirector, MotionToken, Vmc
from backend.media.pictures import png


@dataclass(frozen=True)
class Case:
    method: Method
    more: tuple[str, ...] = ()  # what is given besides the clip: "stills", "regular"
    outputs: int = 1  # preset folders


FAST = {"learning_rate": 0.01}
ABSORBING = FAST | {"absorber_learning_rate": 0.01, "token_learning_rate": 0.01}
CASES = {
    "customize-a-video": Case(CustomizeAVideo(**ABSORBING)),
    "no absorber": Case(CustomizeAVideo(absorber="none", **FAST)),
    "textual inversion": Case(CustomizeAVideo(absorber="textual inversion", **ABSORBING)),
    "both, kept": Case(CustomizeAVideo(absorber="both", keep_absorber=True, **ABSORBING), outputs=2),
    "spatial alone": Case(CustomizeAVideo(absorber="none", placement="spatial", **FAST)),
    "coupled": Case(CustomizeAVideo(absorber="none", placement="both", variants=2, **FAST)),
    "vmc": Case(Vmc(**FAST)),
    "vmc, Eq. 16, noise offset": Case(Vmc(loss="motion l2", offset=0.1, **FAST)),
    "vmc with an absorber": Case(Vmc(absorber="both", **ABSORBING), ("regular",)),
    "motion director": Case(MotionDirector(spatial_learning_rate=0.01, keep_looks=True, **FAST), outputs=2),
    "motion director with stills": Case(
        MotionDirector(spatial_learning_rate=0.01, rank=4, **FAST), ("stills", "regular"), outputs=2
    ),
    "looks alone": Case(MotionDirector(learns="looks", spatial_learning_rate=0.01)),
    "motion token": Case(MotionToken(variants=2, rank=4, **FAST), ("regular",)),
    "motion token, sampled": Case(
        MotionToken(variants=1, regularization="sampled clips", regular_count=2, learn_token=True, **FAST)
    ),
    "motion token and who": Case(MotionToken(variants=1, rank=4, **FAST), ("stills",), outputs=2),
}


def request_for(case: Case, base: Path, clip: Path, out: Path) -> Learn:
    """Four steps on one clip of a moving white box."""
    still = out.with_name("still.png")
    still.write_bytes(png(np.full((20, 30, 3), (200, 60, 30), np.uint8)))
    more: dict[str, Any] = {
        "stills": {"stills": (Clip(path=str(still), looks="a red dog on grass"),)},
        "regular": {"regular": (Clip(path=str(clip), reverse=True, looks="a box moving left"),)},
    }
    given = {key: value for name in case.more for key, value in more[name].items()}
    return Learn(
        job="j",
        clips=(Clip(path=str(clip), looks="a white box over a gray wall"),),
        motion="moving right",
        out=str(out),
        base=str(base),
        steps=4,
        method=case.method,
        compute=Compute(device="cpu"),
        **given,
    )


def weights(folder: str | Path, name: str = "toy") -> dict[str, torch.Tensor]:
    """The tensors of a motion that was learned on the toy base; `toy-000002` is a checkpoint's."""
    return load_file(Path(folder) / "weights" / f"{name}.safetensors")
