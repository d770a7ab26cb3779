"""What is known of a base beyond its weights: its native clip, how it samples best, what to learn on it."""

import json
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

from backend.api.protocol import Stacking
from backend.api.settings import Absorbing, CustomizeAVideo, Method
from backend.api.values import check, from_plain
from backend.errors import UserError

STEPS = {"draft": 100, "normal": 300, "best": 600}  # the paper gives none: they "depend on the clip" (B.3)


COUNTS = ("frames", "width", "height", "sampling_steps", "inversion_steps")


@dataclass(frozen=True)
class Profile:
    """A base's own values; in `learn` and `steps` what was measured best there, else the paper's."""

    name: str
    frames: int = 16
    fps: Fraction = Fraction(8)
    width: int = 256
    height: int = 256
    sampling_steps: int = 30
    inversion_steps: int = 50
    guidance: float = 9.0
    moving_guidance: float | None = None  # where learned motions act; None is the same
    stacking: Stacking = "added"  # as all four papers do
    version: int = 0
    steps: dict[str, int] = field(default_factory=lambda: dict(STEPS))  # by quality
    learn: dict[str, dict[str, Any]] = field(default_factory=dict)  # method → settings

    def guidance_at(self, present: float) -> float:
        """Guidance where learned motions are present so far (`diffusion.stacking.presence`)."""
        moving = self.guidance if self.moving_guidance is None else self.moving_guidance
        return (1 - present) * self.guidance + present * moving

    def own(self, method: type) -> dict[str, Any]:
        """The base's own values for a method; for any absorber those for Customize-A-Video's."""
        absorbers = {f.name for f in fields(Absorbing)} if issubclass(method, Absorbing) else set()
        known = self.learn.get(CustomizeAVideo.__name__, {}).items()
        return {k: v for k, v in known if k in absorbers} | self.learn.get(method.__name__, {})


KNOWN = {
    "damo-vilab/text-to-video-ms-1.7b": Profile(name="ModelScope"),
    "cerspense/zeroscope_v2_576w": Profile(name="ZeroScope", width=576, height=320, frames=24, guidance=12.0),
}


def read_profile(folder: Path, name: str, pixels: int | None) -> Profile:
    """From the base's own `restage.json`, else a known one, else one for its sample size in pixels."""
    path = folder / "restage.json"
    if path.is_file():
        return _read_file(path)
    if name in KNOWN:
        return KNOWN[name]
    return Profile(name=name) if pixels is None else Profile(name=name, width=pixels, height=pixels)


def _check(profile: Profile) -> None:
    """Raises ValueError or UserError for what is no clip, no number of steps, or no setting of a method."""
    for name in COUNTS:
        value, least = getattr(profile, name), 2 if name == "frames" else 1  # one frame has no motion
        if type(value) is not int or value < least:
            raise ValueError(f"{name} is {value!r}, not a whole number from {least}")
    for method, own in profile.learn.items():
        settings = {key: value for key, value in own.items() if key != "steps"}
        check(from_plain(Method, {"type": method, **settings}, "learn"))
    if profile.stacking not in get_args(Stacking):
        raise ValueError(f"stacking is {profile.stacking!r}, not {' or '.join(get_args(Stacking))}")
    moving = () if profile.moving_guidance is None else (profile.moving_guidance,)
    for guidance in (profile.guidance, *moving):
        if not isinstance(guidance, int | float):
            raise ValueError(f"guidance is {guidance!r}, not a number")
    if profile.fps <= 0:
        raise ValueError(f"fps is {profile.fps}, not above 0")


def _read_file(path: Path) -> Profile:
    try:
        data = json.loads(path.read_text("utf-8"))
        if data.pop("schema") != 1:
            raise ValueError("its schema is newer than this Restage")
        data["fps"] = Fraction(data.get("fps", 8))
        known = {f.name for f in fields(Profile)}
        profile = Profile(**{key: value for key, value in data.items() if key in known})
        _check(profile)
        return profile
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise UserError(
            f"The profile {path} cannot be read: {error}.",
            "Restore the file, or delete it to use general values.",
        ) from error
