"""VMC: Video Motion Customization using Temporal Attention Adaption for Text-to-Video Diffusion Models
(arXiv 2312.00845).

Temporal attention learns to predict not the noise of each frame but how it changes from one frame to the
next, under a caption without looks: whatever is the same in all frames is neither priced nor learned.
New clips start from the reference's DDIM-inverted latent.

    ε, ε_θ   compared() of ClipLoss          P_inv   caption()
    δε^n     losses.residuals                θ_TA    adapter "motion", on W_q, W_k, W_v

Differs from the paper: a LoRA on the matrices that it changes in full, which makes a small preset out of
74 million weights; Eq. 16 without its factor, as in its own ablation; on a base that predicts v, ε is
computed from v; the caption loses what describes the subject too, not only the background. The cascade
that follows (more frames, larger ones) is not learned here.
Differs from the authors' code: that takes absolute values of both residuals and the cosine along frames,
which cannot tell a motion from its reverse; it inverts with a scheduler other than the base's own.
"""

from collections.abc import Iterator

from torch import Tensor

from backend.api.settings import Vmc, chosen
from backend.methods.base import TEMPORAL, Adapter, Material, Method, Stage, Step
from backend.methods.losses import ClipLoss
from backend.methods.wording import captioned


class MotionDistillation(Method):
    def __init__(self, settings: Vmc, material: Material) -> None:
        s = settings
        self.settings = s
        self.learning_rate, self.coarse = chosen(s.learning_rate), chosen(s.coarse)
        self.follow, self.rate_falls = chosen(s.follow), chosen(s.rate_falls)
        self.loss = ClipLoss(chosen(s.loss), chosen(s.compare), chosen(s.beta))
        self.adapters = (Adapter("motion", TEMPORAL[chosen(s.layers)], chosen(s.rank), chosen(s.alpha)),)

    def caption(self, looks: str, motion: str) -> str:
        return captioned(chosen(self.settings.caption), looks, motion)  # section 3.2

    def stages(self, steps: int) -> tuple[Stage, ...]:
        learn = {"motion": self.learning_rate}
        return (Stage("Learning the motion", learn, (), steps, self.losses, clip_gradient=1.0),)

    def losses(self, step: Step) -> Iterator[Tensor]:
        example = step.example()
        with step.learning("motion"):
            n = step.noised(step.clip(example), self.coarse)
            yield self.loss(step, n, step.predict(n, step.text(example)))
