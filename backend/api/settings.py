"""Each method's settings, once: the panel, the wire, the CLI, presets and `methods/` all use these.

A setting that is None takes the base's own value (its profile says what was measured best there)
and, where the base has none, the paper's, which stands here as `paper`. Settings that several papers
share are the functions at the top, so that each paper only says its own value.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from .values import described, limited, value

T = TypeVar("T")
M = TypeVar("M", bound="Method")
Layers = Literal[  # Blender keeps a choice by its place: new ones come last
    "qk",
    "qkv",
    "attention",
    "attention+ff",
    "attention+ff+conv",
    "attention+ff+conv+cross kv",
    "qk+conv",
    "qkv+conv",
    "attention+conv",
    "attention+cross kv",
]
Loss = Literal["mse", "mse + debiased", "motion cosine", "motion l2"]
Wording = Literal["without looks", "motion only", "whole"]
Compare = Literal["noise", "clip", "prediction"]
Absorber = Literal["spatial LoRA", "textual inversion", "both", "given", "none"]
Steps = Mapping[str, int]  # quality → learning steps


# ------------------------------------------------------------------ what several methods share


def open_choice(paper: Any, help: str) -> Any:
    """A choice that is the base's own value, or else the paper's, until it is made."""
    return dataclasses.field(default=None, metadata={"paper": paper, "help": help})


def layers_(paper: Layers) -> Any:
    return open_choice(paper, "Temporal layers that learn the motion; attention is q, k, v and out")


def rank_(paper: int) -> Any:
    return limited(None, 1, 128, "Rank of the motion's LoRA", paper=paper)


def alpha_(paper: float) -> Any:
    return limited(None, 0.01, 16, "The motion's LoRA acts with this factor while learning", paper=paper)


def rate_(paper: float) -> Any:
    return limited(None, 1e-6, 0.1, "Learning rate of the motion", paper=paper)


def falls_(paper: float) -> Any:
    help = "The learning rates fall to 0 over this last share of the steps; at 0 they stay, as in the papers"
    return limited(None, 0.0, 1.0, help, paper=paper)


def coarse_(paper: float) -> Any:
    help = "0 draws timesteps evenly; towards 1 favours high noise, where motion is decided"
    return limited(None, 0.0, 1.0, help, paper=paper)


def offset_() -> Any:
    help = "How much of the noise while learning is one value all over each frame; below 0.2, 0 in the papers"
    return limited(None, 0.0, 1.0, help, paper=0.0)


def caption_(paper: Wording) -> Any:
    help = 'Learned under: "a ball moving in a circle", "moving in a circle", or all words'
    return open_choice(paper, help)


def loss_(paper: Loss) -> Any:
    return open_choice(paper, "What is compared: each value, or only what changes between frames")


def compare_(paper: Compare) -> Any:
    help = "Where losses on motion compare: noise, clean clips (on bases of v), or what the base predicts"
    return open_choice(paper, help)


def beta_() -> Any:
    help = "How strongly the debiased loss omits looks"
    return limited(None, 0.0, 10.0, help, paper=1.0)


def follow_(paper: float) -> Any:
    help = "Recommended with the motion: how closely new clips start from the learned clip's inverted latent"
    return limited(None, 0.0, 1.0, help, paper=paper)


def absorber_(default: Absorber) -> Any:
    help = "What soaks up the looks of the clip, so that the motion is learned without them"
    return described(default, help)


def variants_(paper: int) -> Any:
    help = "Versions of each clip to learn from, cropped and coloured differently; 1 is the clip as it is"
    return limited(None, 1, 64, help, paper=paper)


# ------------------------------------------------------------------ methods


@value
class Absorbing:
    """What an appearance absorber is told (Customize-A-Video), by whichever method has one."""

    absorber: Absorber = absorber_("none")
    given: str = described(
        "",
        "Of a given absorber: a motion's looks folder, a spatial LoRA, a textual inversion, or a UNet folder",
        path=True,
    )
    keep_absorber: bool = described(
        False, "Keep the absorber beside the motion, for another clip of the same looks"
    )
    absorber_words: str = described(
        "", "Words that textual inversion starts from, 2 to 6; the looks' own when empty"
    )
    absorber_rank: int | None = limited(None, 1, 128, "Rank of the absorber", paper=1)
    absorber_alpha: float | None = limited(None, 0.01, 16, "Absorber acts with this factor", paper=0.5)
    absorber_learning_rate: float | None = limited(
        None, 1e-6, 0.1, "Learning rate of the absorber", paper=5e-5
    )
    token_learning_rate: float | None = limited(
        None, 1e-6, 0.1, "Learning rate of textual inversion", paper=5e-5
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


@value
class CustomizeAVideo(Absorbing):
    """Customize-A-Video (Ren et al., arXiv 2402.14780): T-LoRA with an appearance absorber."""

    absorber: Absorber = absorber_("spatial LoRA")
    placement: Literal["temporal", "spatial", "both"] = described(
        "temporal", "Where the LoRA sits that is kept; all but temporal are for comparison"
    )
    layers: Layers | None = layers_("attention")
    rank: int | None = rank_(4)
    alpha: float | None = alpha_(1.0)
    learning_rate: float | None = rate_(5e-4)
    rate_falls: float | None = falls_(0.0)
    coarse: float | None = coarse_(0.0)
    offset: float | None = offset_()
    loss: Loss | None = loss_("mse")
    compare: Compare | None = compare_("noise")
    beta: float | None = beta_()
    variants: int | None = variants_(1)
    follow: float | None = follow_(0.0)


@value
class Vmc(Absorbing):
    """VMC (Jeong et al., arXiv 2312.00845): motion distilled from the residuals between frames."""

    loss: Loss | None = loss_("motion cosine")
    compare: Compare | None = compare_("noise")
    beta: float | None = beta_()
    caption: Wording | None = caption_("without looks")
    layers: Layers | None = layers_("qkv")
    rank: int | None = rank_(16)
    alpha: float | None = alpha_(1.0)
    learning_rate: float | None = rate_(1e-4)
    rate_falls: float | None = falls_(0.0)
    coarse: float | None = coarse_(0.0)
    offset: float | None = offset_()
    variants: int | None = variants_(1)
    follow: float | None = follow_(1.0)


@value
class MotionDirector:
    """MotionDirector (Zhao et al., arXiv 2310.08465): looks and motion learned on two paths at once."""

    learns: Literal["motion", "looks"] = described(
        "motion", "The motion, or only the looks of clips and stills, to mix with other motions"
    )
    keep_looks: bool = described(False, "Keep each clip's looks beside the motion, to mix with other motions")
    loss: Loss | None = loss_("mse + debiased")
    compare: Compare | None = compare_("noise")
    beta: float | None = beta_()
    spatial_rest: float = limited(
        0.2,
        0.0,
        1.0,
        "The 20 % rule of the released code: share of steps without the looks; the paper's is 0",
    )
    layers: Layers | None = layers_("attention+ff")
    rank: int | None = rank_(32)
    alpha: float | None = alpha_(1.0)
    learning_rate: float | None = rate_(5e-4)
    spatial_rank: int | None = limited(None, 1, 128, "Rank of each clip's looks", paper=32)
    spatial_learning_rate: float | None = limited(None, 1e-6, 0.1, "Learning rate of the looks", paper=5e-4)
    rate_falls: float | None = falls_(0.0)
    coarse: float | None = coarse_(0.0)
    offset: float | None = offset_()
    variants: int | None = variants_(1)
    follow: float | None = follow_(0.3)  # 0.1 to 0.5 for one clip; for several it is 0 whatever stands here


@value
class MotionToken:
    """Motion token (Materzynska et al., arXiv 2312.04966): a rare word for what several clips show."""

    token: str = described("pll", "The rare word that V* in the motion's words stands for")
    learn_token: bool = described(False, "Learn the word's embedding too; it copies more of the looks")
    caption: Wording | None = caption_("without looks")
    regularization: Literal["given clips", "sampled clips", "none"] = described(
        "given clips", "Clips of related motions that keep the base from forgetting; sampled ones do worse"
    )
    regular_count: int | None = limited(None, 1, 200, "How many clips to sample from the base", paper=50)
    regular_words: str = described("", "Their captions, with a semicolon between; who is seen when empty")
    layers: Layers | None = layers_("attention+ff+conv+cross kv")
    rank: int | None = rank_(16)
    alpha: float | None = alpha_(1.0)
    # The paper's 5e-6 is for full weights.
    learning_rate: float | None = rate_(5e-4)
    token_learning_rate: float | None = limited(None, 1e-6, 0.1, "Learning rate of new words", paper=5e-4)
    rate_falls: float | None = falls_(0.0)
    subject_share: float | None = limited(
        None, 0.05, 2.0, "Steps in which stills say who does it, as a share of the motion's", paper=0.5
    )  # the paper gives none: the share is ours
    loss: Loss | None = loss_("mse")
    compare: Compare | None = compare_("noise")
    beta: float | None = beta_()
    slowed: float | None = limited(
        None,
        0.0,
        0.9,
        "Share of the steps with a clip at half its speed, so that “slowly” acts beside V*; 0.3 is enough",
        paper=0.0,
    )
    coarse: float | None = coarse_(0.5)
    offset: float | None = offset_()
    variants: int | None = variants_(8)
    follow: float | None = follow_(0.0)


Method = CustomizeAVideo | Vmc | MotionDirector | MotionToken

# Learning steps around those that a paper gives (VMC 400; the token up to 3000) or its released code does
# (MotionDirector), as draft, normal and best; without them the base's profile decides.
STEPS: Mapping[type, Callable[[int], Steps]] = {
    Vmc: lambda clips: {"draft": 200, "normal": 400, "best": 800},
    MotionDirector: lambda clips: (
        {"draft": 50, "normal": 100, "best": 150} if clips < 2 else {"draft": 300, "normal": 400, "best": 500}
    ),
    MotionToken: lambda clips: {"draft": 300, "normal": 1000, "best": 3000},
}


def chosen(setting: T | None) -> T:
    """A setting of a method that `resolved` has been through."""
    assert setting is not None
    return setting


def resolved(method: M, base: Mapping[str, Any]) -> M:
    """`method` with every None replaced by the base's own value or, without one, the paper's."""
    fields = {f.name: f for f in dataclasses.fields(method)}
    chosen = {
        name: base.get(name, f.metadata["paper"])
        for name, f in fields.items()
        if getattr(method, name) is None
    }
    return dataclasses.replace(method, **chosen)
