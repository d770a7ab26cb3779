"""Each method's settings, once: the panel, the wire, the CLI, presets and `methods/` all use these.

A setting that is None takes the base's own value (its profile says what was measured best there)
and, where the base has none, the paper's, which stands here as `paper`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from .values import described, limited, value

T = TypeVar("T")
M = TypeVar("M", bound="Method")
Layers = Literal["attention", "attention+ff", "attention+ff+conv"]


@value
class CustomizeAVideo:
    """Customize-A-Video (Ren et al., arXiv 2402.14780): T-LoRA with an appearance absorber."""

    absorber: Literal["spatial LoRA", "none"] = described(
        "spatial LoRA", "What soaks up the looks of the clip, so that the motion is learned without them"
    )
    layers: Layers | None = dataclasses.field(
        default=None,
        metadata={"paper": "attention", "help": "Temporal layers that learn the motion"},
    )
    rank: int | None = limited(None, 1, 128, "Rank of the T-LoRA", paper=4)
    alpha: float | None = limited(None, 0.01, 16, "T-LoRA acts with this factor while learning", paper=1.0)
    learning_rate: float | None = limited(None, 1e-6, 0.1, "Learning rate of the T-LoRA", paper=5e-4)
    absorber_rank: int | None = limited(None, 1, 128, "Rank of the absorber", paper=1)
    absorber_alpha: float | None = limited(None, 0.01, 16, "Absorber acts with this factor", paper=0.5)
    absorber_learning_rate: float | None = limited(
        None, 1e-6, 0.1, "Learning rate of the absorber", paper=5e-5
    )
    absorber_share: float | None = limited(
        # The paper gives only times: half a minute against seven. The share is ours.
        None,
        0.0,
        2.0,
        "Absorber steps, as a share of the motion's steps",
        paper=0.5,
    )
    crop_low: float = limited(0.33, 0.1, 1.0, "Smallest random crop, as a share of the frame")
    crop_high: float = limited(0.67, 0.1, 1.0, "Largest random crop, as a share of the frame")
    coarse: float | None = limited(
        None,
        0.0,
        1.0,
        "0 draws timesteps evenly; towards 1 favours high noise, where motion is decided",
        paper=0.0,
    )


def chosen(setting: T | None) -> T:
    """A setting of a method that `resolved` has been through."""
    assert setting is not None
    return setting


Method = CustomizeAVideo


def resolved(method: M, base: Mapping[str, Any]) -> M:
    """`method` with every None replaced by the base's own value or, without one, the paper's."""
    fields = {f.name: f for f in dataclasses.fields(method)}
    chosen = {
        name: base.get(name, f.metadata["paper"])
        for name, f in fields.items()
        if getattr(method, name) is None
    }
    return dataclasses.replace(method, **chosen)
