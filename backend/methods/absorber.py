"""The appearance absorber of Customize-A-Video (arXiv 2402.14780, section 3.2), for whoever wants one.

Before the motion, a spatial LoRA, a new word in place of the looks, or both learn what single frames look
like; while the motion learns they act, frozen, and are left away afterwards.

    Δθ_S  adapter "absorber"   y_S  Example.looks   Δv  new word "looks"   f  a single frame, unordered

Differs from the paper: it gives no numbers of steps (ours: a share of the motion's); frames come from a bank
of crops encoded once, eight in a step; where learning rates fall, they fall in both stages. With textual
inversion the new word takes the place of all the looks in both captions; "both" learn at once, in one stage.
In 16 bits a gentle absorber lies near the weights' precision.
"""

from collections.abc import Iterator

from torch import Tensor
from torch.nn.functional import mse_loss

from backend.api.settings import Absorbing, CustomizeAVideo, Vmc, chosen
from backend.methods.base import Adapter, Beside, Material, Method, NewWord, Stage, Step
from backend.methods.losses import ClipLoss, regularized
from backend.methods.wording import describing_words

CROPS = 8  # single frames in a step: about the cost of one clip
WORD = "<looks>"
TOKENS = 6  # of a textual inversion, at most (supplement A.4: 2 to 6)


class Absorber:
    """What a method takes over: `adapters`, `words`, `crops`, `beside`, and `stages` before its own, in which
    then `act` acts, of that the LoRAs `loras`: "given" too, passed over where there is none beside them."""

    def __init__(self, settings: Absorbing, material: Material) -> None:
        s = settings
        self.share = chosen(s.absorber_share)
        kind = s.absorber if self.share > 0 or s.absorber == "given" else "none"
        self.learns: dict[str, float] = {}  # adapter or new word → learning rate
        self.adapters: tuple[Adapter, ...] = ()
        self.words: tuple[NewWord, ...] = ()
        if kind in ("spatial LoRA", "both"):
            rank, alpha = chosen(s.absorber_rank), chosen(s.absorber_alpha)
            self.learns["absorber"] = chosen(s.absorber_learning_rate)
            self.adapters = (Adapter("absorber", ("spatial attention",), rank, alpha),)
        if kind in ("textual inversion", "both"):
            self.learns["looks"] = chosen(s.token_learning_rate)
            self.words = (NewWord("looks", WORD, start_words(s.absorber_words or material.looks[0])),)
        self.act = ("given",) if kind == "given" else tuple(self.learns)
        self.loras = ("given",) if kind == "given" else tuple(adapter.name for adapter in self.adapters)
        self.has_word = bool(self.words) or material.given_word
        self.crops = (s.crop_low, s.crop_high) if self.learns else None
        self.beside: tuple[Beside, ...] = ()
        if s.keep_absorber and self.learns:
            word = self.words[0].name if self.words else ""
            seen, say = ", ".join(dict.fromkeys(material.looks)), WORD if word else ""
            self.beside = (Beside("".join(self.loras), word, seen, say),)

    def stages(self, steps: int) -> tuple[Stage, ...]:
        """What comes before `steps` steps of the motion: one stage, or none."""
        if not self.learns:
            return ()
        share = max(1, round(steps * self.share))
        title = "Learning the looks, to leave them out"
        return (Stage(title, self.learns, (), share, self.losses),)

    def losses(self, step: Step) -> Iterator[Tensor]:
        """Single frames without order, each at its own timestep, without temporal layers."""
        example = step.example()
        crops = example.crops[step.integers(CROPS, len(example.crops))]  # (B, C, 1, h, w)
        with step.learning(*self.loras, bypass_temporal=True):
            n = step.noised(crops, coarse=0.0)
            yield mse_loss(step.predict(n, step.looks_text(example)), n.target)  # Eq. 3, Eq. 4


class AbsorbingMethod(Method):
    """One LoRA of the motion in `layers` of the family's groups, learned while an absorber acts, if any."""

    clip_gradient: float | None = None

    def __init__(self, settings: CustomizeAVideo | Vmc, material: Material, layers: tuple[str, ...]) -> None:
        s = settings
        self.learning_rate, self.coarse = chosen(s.learning_rate), chosen(s.coarse)
        self.follow = chosen(s.follow) if len(material.looks) == 1 else 0.0  # which clip's, of several?
        self.rate_falls, self.offset = chosen(s.rate_falls), chosen(s.offset)
        self.loss = ClipLoss(chosen(s.loss), chosen(s.compare), chosen(s.beta))
        self.absorber = absorber = Absorber(s, material)
        motion = Adapter("motion", layers, chosen(s.rank), chosen(s.alpha))
        self.adapters = (*absorber.adapters, motion)
        self.words, self.crops, self.beside = absorber.words, absorber.crops, absorber.beside

    def looks_caption(self, looks: str) -> str:
        return WORD if self.absorber.has_word else looks

    def stages(self, steps: int) -> tuple[Stage, ...]:
        learn, act = {"motion": self.learning_rate}, self.absorber.act
        motion = Stage("Learning the motion", learn, act, steps, self.losses, self.clip_gradient)
        return *self.absorber.stages(steps), motion

    def losses(self, step: Step) -> Iterator[Tensor]:
        example = step.example()
        with step.learning("motion", act=self.absorber.loras):
            n = step.noised(step.clip(example), self.coarse)
            yield self.loss(step, n, step.predict(n, step.text(example)))
        yield from regularized(step, self.coarse)


def start_words(looks: str) -> tuple[str, ...]:
    """2 to 6 words that describe the looks; one alone counts twice, and none stay none."""
    words = describing_words(looks)[:TOKENS]
    return tuple(words * 2 if len(words) == 1 else words)
