"""Customize-A-Video: One-Shot Motion Customization of Text-to-Video Diffusion Models (arXiv 2402.14780).

An appearance absorber first learns the clip's looks from single frames; with it acting, a LoRA on
temporal attention (T-LoRA) learns what is left, the motion. Only the T-LoRA is used afterwards.

    α (Eq. 2)  settings.alpha, absorber_alpha      Δθ_T  adapter "motion"     y    Example.caption
    f          a single frame, unordered           Δθ_S  adapter "absorber"   y_S  Example.looks
                                                   Δv    new word "looks"

Differs from the paper: it gives no numbers of steps (ours: the absorber's are half the motion's); AdamW
decays by 0.01; latents are the posterior's mean; frames come from a bank of crops encoded once. Where a
base's profile says so, temporal feed-forward and convolutions learn beside temporal attention and
timesteps favour high noise (`layers`, `coarse`); the noise is compared in the base's own prediction (ε or
v). In 16 bits a gentle absorber lies near the weights' precision. With textual inversion the new word
takes the place of all the looks in both captions; "both" learn at once, in one stage.
Differs from the authors' code: nothing known, none was released.
"""

from collections.abc import Iterator

from torch import Tensor
from torch.nn.functional import mse_loss

from backend.api.settings import CustomizeAVideo, chosen
from backend.methods.base import TEMPORAL, Adapter, Beside, Material, Method, NewWord, Stage, Step
from backend.methods.losses import ClipLoss
from backend.methods.wording import describing_words

CROPS = 8  # single frames in a step of stage 1: about the cost of one clip
WORD = "<looks>"
TOKENS = 6  # of a textual inversion, at most (supplement A.4: 2 to 6)


class TemporalLora(Method):
    def __init__(self, settings: CustomizeAVideo, material: Material) -> None:
        s = settings
        self.settings = s
        self.coarse, self.follow, self.rate_falls = chosen(s.coarse), chosen(s.follow), chosen(s.rate_falls)
        self.loss = ClipLoss(chosen(s.loss), chosen(s.compare), chosen(s.beta))
        kind = s.absorber if chosen(s.absorber_share) > 0 or s.absorber == "given" else "none"
        temporal = TEMPORAL[chosen(s.layers)] if s.placement != "spatial" else ()
        spatial = ("spatial attention",) if s.placement != "temporal" else ()
        motion = Adapter("motion", temporal + spatial, chosen(s.rank), chosen(s.alpha))
        absorber = Adapter(
            "absorber", ("spatial attention",), chosen(s.absorber_rank), chosen(s.absorber_alpha)
        )
        self.absorber: dict[str, float] = {}  # what learns in stage 1 → learning rate
        self.adapters = (motion,)
        if kind in ("spatial LoRA", "both"):
            self.absorber["absorber"] = chosen(s.absorber_learning_rate)
            self.adapters = (absorber, motion)
        if kind in ("textual inversion", "both"):
            self.absorber["looks"] = chosen(s.token_learning_rate)
            self.words = (NewWord("looks", WORD, start_words(s.absorber_words or material.looks[0])),)
        self.act = ("given",) if kind == "given" else tuple(self.absorber)
        self.has_word = bool(self.words) or material.given_word
        self.crops = (s.crop_low, s.crop_high) if self.absorber else None
        if s.keep_absorber and self.absorber:
            lora = "absorber" if "absorber" in self.absorber else ""
            self.beside = (Beside(lora, "looks" if self.words else "", material.looks[0]),)

    def caption(self, looks: str, motion: str) -> str:
        return super().caption(self.looks_caption(looks), motion)

    def looks_caption(self, looks: str) -> str:
        return WORD if self.has_word else looks

    def stages(self, steps: int) -> tuple[Stage, ...]:
        learn = {"motion": chosen(self.settings.learning_rate)}
        motion = Stage("Learning the motion", learn, self.act, steps, self.motion_losses)
        if not self.absorber:
            return (motion,)
        share = max(1, round(steps * chosen(self.settings.absorber_share)))
        title = "Learning the looks, to leave them out"
        return Stage(title, self.absorber, (), share, self.absorber_losses), motion

    def absorber_losses(self, step: Step) -> Iterator[Tensor]:
        """Single frames without order, each at its own timestep, without temporal layers."""
        example = step.example()
        crops = example.crops[step.integers(CROPS, len(example.crops))]  # (B, C, 1, h, w)
        with step.learning(*self.loras(), bypass_temporal=True):
            n = step.noised(crops, coarse=0.0)
            yield mse_loss(step.predict(n, step.looks_text(example)), n.target)  # Eq. 3, Eq. 4

    def motion_losses(self, step: Step) -> Iterator[Tensor]:
        example = step.example()
        with step.learning("motion", act=self.loras()):
            n = step.noised(step.clip(example), self.coarse)
            yield self.loss(step, n, step.predict(n, step.text(example)))  # Eq. 5

    def loras(self) -> tuple[str, ...]:
        return ("absorber",) if "absorber" in self.absorber else ()


def start_words(looks: str) -> tuple[str, ...]:
    """2 to 6 words that describe the looks; one alone counts twice, and none stay none."""
    words = describing_words(looks)[:TOKENS]
    return tuple(words * 2 if len(words) == 1 else words)
