"""Which settings of a method make no sense together, each said in a sentence, with what to do.

Numbers of an absorber that is not chosen are no nonsense: they wait until it is chosen again.
"""

from collections.abc import Callable
from typing import Any

from ..errors import UserError
from .settings import Absorbing, CustomizeAVideo, Method, MotionDirector, MotionToken, Vmc, resolved

# What MotionDirector's temporal path alone reads, of what may be left open.
OF_MOTION = ("loss", "compare", "beta", "layers", "rank", "alpha", "learning_rate", "coarse", "follow")
NO_PLACE = (
    "The new word that absorbs the looks has no place in a caption of the motion alone.",
    "Choose another caption, or the absorber “spatial LoRA”.",
)
NONSENSE: tuple[tuple[type, Callable[[Any], bool], str, str], ...] = (
    (
        Absorbing,
        lambda s: s.absorber == "given" and not s.given.strip(),
        "The absorber is to be a given one, and none is given.",
        "Name a LoRA, a textual inversion, a UNet or a looks folder, or choose another absorber.",
    ),
    (
        Absorbing,
        lambda s: s.absorber != "given" and bool(s.given.strip()),
        "An absorber is given, and another one is to be learned.",
        "Choose the absorber “given”, or name none.",
    ),
    (
        Absorbing,
        lambda s: s.keep_absorber and s.absorber in ("given", "none"),
        "No absorber is learned that could be kept.",
        "Choose an absorber that learns, or do not keep it.",
    ),
    (
        Absorbing,
        lambda s: s.absorber not in ("given", "none") and s.absorber_share == 0.0,
        "The absorber is to learn, and for no step.",
        "Give it a share of the steps, or choose the absorber “none”.",
    ),
    (
        CustomizeAVideo,
        lambda s: s.placement == "spatial" and s.layers is not None,
        "Temporal layers are chosen, and the LoRA sits in none of them.",
        "Choose the placement “temporal” or “both”, or leave the layers to the base.",
    ),
    (
        Absorbing,
        lambda s: bool(s.absorber_words.strip()) and s.absorber not in ("textual inversion", "both"),
        "There are words for a textual inversion, and the absorber has none.",
        "Choose the absorber “textual inversion” or “both”, or leave its words empty.",
    ),
    (
        Absorbing,
        lambda s: bool(s.absorber_words.strip()) and not 2 <= len(s.absorber_words.split()) <= 6,
        "A textual inversion starts from 2 to 6 words.",
        "Choose the few words that describe best what is seen.",
    ),
    (
        Absorbing,
        lambda s: s.crop_low > s.crop_high,
        "The smallest crop is larger than the largest.",
        "Choose a smallest crop below the largest.",
    ),
    (
        Vmc,
        lambda s: s.caption == "motion only" and s.absorber in ("textual inversion", "both"),
        *NO_PLACE,
    ),
    (
        MotionDirector,
        lambda s: s.keep_looks and s.spatial_rest == 1.0,
        "The looks are to be kept, and rest in every step.",
        "Let them learn in some steps, or do not keep them.",
    ),
    (
        MotionDirector,
        lambda s: s.learns == "looks" and s.keep_looks,
        "Only the looks are learned, so that nothing is left to keep beside them.",
        "Learn the motion, or do not ask to keep the looks.",
    ),
    (
        MotionDirector,
        lambda s: s.learns == "looks" and any(getattr(s, name) is not None for name in OF_MOTION),
        "Only the looks are learned, and there are settings of the motion.",
        "Learn the motion, or leave to the base all but the settings of the looks and the variants.",
    ),
    (
        MotionToken,
        lambda s: not s.token.strip() or len(s.token.split()) > 1,
        "The token is not one word.",
        "Choose a rare word that means nothing, such as pll.",
    ),
    (
        MotionToken,
        lambda s: bool(s.regular_words.strip()) and s.regularization != "sampled clips",
        "There are captions for sampled clips, and none are sampled.",
        "Choose “sampled clips” as the regularization, or leave the captions empty.",
    ),
    (
        MotionToken,
        lambda s: s.regular_count is not None and s.regularization != "sampled clips",
        "There is a number of clips to sample, and none are sampled.",
        "Choose “sampled clips” as the regularization, or leave the number open.",
    ),
    (
        object,
        lambda s: s.beta not in (None, 1.0) and resolved(s, {}).loss != "mse + debiased",
        "Beta is set, and the loss has no debiasing.",
        "Choose the loss “mse + debiased”, or leave beta as it is.",
    ),
    (
        object,
        lambda s: s.compare is not None and s.loss == "mse",
        "Where losses on motion compare is set, and the loss “mse” is none on motion.",
        "Choose another loss, or leave it to the base.",
    ),
)


def taken(method: Method) -> frozenset[str]:
    """What a method learns from besides one clip, as it is set: "clips", "stills", "regular".

    A given absorber acts in every step; clips that keep the base from forgetting are learned without one. A
    new word stands for one clip's looks.
    """
    match method:
        case MotionDirector(learns="looks"):
            return frozenset({"clips", "stills"})
        case MotionToken(regularization="given clips") | MotionDirector():
            return frozenset({"clips", "stills", "regular"})
        case MotionToken():
            return frozenset({"clips", "stills"})
        case Absorbing(absorber="given"):
            return frozenset({"clips"})
        case Absorbing(absorber="textual inversion" | "both"):
            return frozenset({"regular"})
    return frozenset({"clips", "regular"})


def only_looks(method: Method) -> bool:
    """Whether no motion is learned."""
    return isinstance(method, MotionDirector) and method.learns == "looks"


def check_sense(method: Method) -> None:
    """Raise UserError for the first combination of settings that makes no sense together."""
    for kind, holds, sentence, hint in NONSENSE:
        if isinstance(method, kind) and holds(method):
            raise UserError(sentence, hint)
