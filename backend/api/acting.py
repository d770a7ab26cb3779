"""What acts on new clips, motions and looks, and how strongly at each frame of them."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal

from .values import described, limited, value

BALANCE = 0.0  # measured (docs/methods): it brings no drowned motion back
BALANCE_HELP = (
    "0 adds several motions as they were learned; towards 1 all change the base by as much, layer by layer. "
    "Motions that are filmed have a clip each, so that it changes nothing unless they have to share one"
)
Whose = Literal["camera", "subject"]
STRENGTH_HELP = "0 is off, 1 as learned; below 0 pushes away from the motion"


@value
class Key:
    """A strength at a moment of the clip: 0 is its first frame, 1 its last."""

    at: float = limited(0.0, 0.0, 1.0, "0 is the clip's first frame, 1 its last")
    strength: float = limited(1.0, -2.0, 2.0, STRENGTH_HELP)


@value
class Motion:
    """A learned motion (a preset folder) and how strongly it acts; 0 is the base to the last bit."""

    path: str
    strength: float = limited(1.0, -2.0, 2.0, STRENGTH_HELP)
    curve: tuple[Key, ...] = ()  # with keys, in place of `strength`: one that changes over the clip
    step: int = limited(0, 0, 100_000, "The checkpoint after so many learning steps; 0 is the end")
    kind: Whose | None = described(None, "Whose it is, in place of what its preset says")


@value
class Looks:
    """Somebody's spatial LoRA (a file with diffusers, ComfyUI or kohya keys), and how strongly it acts."""

    path: str
    strength: float = limited(1.0, -2.0, 2.0, STRENGTH_HELP)
    curve: tuple[Key, ...] = ()  # as of a Motion


def per_frame(strength: float, curve: Sequence[Key], frames: int) -> tuple[float, ...]:
    """The strength at each of `frames` frames (two or more): the curve's where it has keys, else `strength`.

    Straight between keys, and held before the first and after the last. Of two keys at one moment the
    later in the sequence holds from there on: a step.
    """
    if not curve:
        return (strength,) * frames
    keys = sorted(curve, key=lambda key: key.at)
    return tuple(_between(keys, i / (frames - 1)) for i in range(frames))


def _between(keys: Sequence[Key], at: float) -> float:
    after = bisect_right(keys, at, key=lambda key: key.at)
    if after == 0:
        return keys[0].strength
    if after == len(keys):
        return keys[-1].strength
    a, b = keys[after - 1], keys[after]
    share = (at - a.at) / (b.at - a.at)
    return a.strength + share * (b.strength - a.strength)
