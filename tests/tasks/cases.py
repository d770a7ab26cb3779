"""Every method as the suites run it: at toy size, with rates that make a few steps show."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.api.protocol import Clip, Compute, Learn
from backend.api.settings import CustomizeAVideo, Method, Vmc


@dataclass(frozen=True)
class Case:
    method: Method
    request: dict[str, Any] = field(default_factory=dict)  # further fields of Learn
    outputs: int = 1  # preset folders


FAST = {"learning_rate": 0.01}
ABSORBING = FAST | {"absorber_learning_rate": 0.01, "token_learning_rate": 0.01}
CASES = {
    "customize-a-video": Case(CustomizeAVideo(**ABSORBING)),
    "no absorber": Case(CustomizeAVideo(absorber="none", **FAST)),
    "textual inversion": Case(CustomizeAVideo(absorber="textual inversion", **ABSORBING)),
    "both, kept": Case(CustomizeAVideo(absorber="both", keep_absorber=True, **ABSORBING), outputs=2),
    "coupled": Case(CustomizeAVideo(absorber="none", placement="both", variants=2, **FAST)),
    "vmc": Case(Vmc(**FAST)),
    "vmc, Eq. 16": Case(Vmc(loss="motion l2", **FAST)),
}


def request_for(case: Case, base: Path, clip: Path, out: Path) -> Learn:
    """Four steps on one clip of a moving white box."""
    return Learn(
        job="j",
        clips=(Clip(path=str(clip), looks="a white box over a gray wall"),),
        motion="moving right",
        out=str(out),
        base=str(base),
        steps=4,
        method=case.method,
        compute=Compute(device="cpu"),
        **case.request,
    )
