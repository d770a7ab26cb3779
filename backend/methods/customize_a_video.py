"""Customize-A-Video: One-Shot Motion Customization of Text-to-Video Diffusion Models (arXiv 2402.14780).

An appearance absorber first learns the clip's looks from single frames; with it acting, a LoRA on
temporal attention (T-LoRA) learns what is left, the motion. Only the T-LoRA is used afterwards.

    α (Eq. 2)  settings.alpha, absorber_alpha      Δθ_T  adapter "motion"     y    Example.text
    f          a single frame, unordered           Δθ_S  adapter "absorber"   y_S  Example.looks_text

Differs from the paper: it gives no numbers of steps (ours: the absorber's are half the motion's); AdamW
decays by 0.01; latents are the posterior's mean; frames come from a bank of crops encoded once. Where a
base's profile says so, temporal feed-forward and convolutions learn beside temporal attention and
timesteps favour high noise (`layers`, `coarse`); the noise is compared in the base's own prediction (ε or
v). In 16 bits a gentle absorber lies near the weights' precision.
Not here yet: textual inversion, absorbers made elsewhere, a choice among checkpoints afterwards.
Differs from the authors' code: nothing known, none was released.
"""

from collections.abc import Iterator

from torch import Tensor
from torch.nn.functional import mse_loss

from backend.api.settings import CustomizeAVideo, chosen
from backend.methods.base import Adapter, Stage, Step

LAYERS = {
    "attention": ("temporal attention",),
    "attention+ff": ("temporal attention", "temporal ff"),
    "attention+ff+conv": ("temporal attention", "temporal ff", "temporal conv"),
}
CROPS = 8  # single frames in a step of stage 1: about the cost of one clip


class TemporalLora:
    kept = "motion"

    def __init__(self, settings: CustomizeAVideo) -> None:
        s = settings
        self.learning_rate = chosen(s.learning_rate)
        self.absorber_learning_rate = chosen(s.absorber_learning_rate)
        self.absorber_share = chosen(s.absorber_share)
        self.coarse = chosen(s.coarse)
        self.absorbs = s.absorber == "spatial LoRA" and self.absorber_share > 0
        motion = Adapter("motion", LAYERS[chosen(s.layers)], chosen(s.rank), chosen(s.alpha))
        absorber = Adapter(
            "absorber", ("spatial attention",), chosen(s.absorber_rank), chosen(s.absorber_alpha)
        )
        self.adapters: tuple[Adapter, ...] = (absorber, motion) if self.absorbs else (motion,)

    def stages(self, steps: int) -> tuple[Stage, ...]:
        learn_motion = Stage(
            title="Learning the motion",
            learn={"motion": self.learning_rate},
            act=("absorber",) if self.absorbs else (),
            steps=steps,
            bypass_temporal=False,
            losses=self.motion_losses,
        )
        if not self.absorbs:
            return (learn_motion,)
        absorb = Stage(
            title="Learning the looks, to leave them out",
            learn={"absorber": self.absorber_learning_rate},
            act=(),
            steps=max(1, round(steps * self.absorber_share)),
            bypass_temporal=True,
            losses=self.absorber_losses,
        )
        return absorb, learn_motion

    def absorber_losses(self, step: Step) -> Iterator[Tensor]:
        """Single frames without order, each at its own timestep, without temporal layers."""
        example = step.example()
        crops = example.crops[step.integers(CROPS, len(example.crops))]  # (B, C, 1, h, w)
        with step.learning("absorber"):
            n = step.noised(crops, coarse=0.0)
            yield mse_loss(step.predict(n, example.looks_text), n.target)  # Eq. 3

    def motion_losses(self, step: Step) -> Iterator[Tensor]:
        example = step.example()
        with step.learning("motion", act=("absorber",) if self.absorbs else ()):
            n = step.noised(example.latents, self.coarse)
            yield mse_loss(step.predict(n, example.text), n.target)  # Eq. 5
