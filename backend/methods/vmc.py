"""VMC: Video Motion Customization using Temporal Attention Adaption for Text-to-Video Diffusion Models
(arXiv 2312.00845).

Temporal attention learns to predict not the noise of each frame but how it changes from one frame to the
next, under a caption without looks: whatever is the same in all frames is neither priced nor learned.
New clips start from the reference's DDIM-inverted latent.

    ε, ε_θ   losses.compared                 P_inv   caption()
    δε^n     losses.residuals                θ_TA    adapter "motion", on W_q, W_k, W_v

Differs from the paper: a LoRA on the matrices that it changes in full, which makes a small preset out of 74
million weights (its rate for full weights, 1e-4, stays the default: a LoRA may want more); Eq. 16 without its
factor, as in its own ablation; on a base that predicts v, ε is computed from v, unless `compare` says
otherwise (its noisiest steps then hardly teach: whatever v is, ε_θ is nearly the noisy clip itself);
gradients are clipped at 1, as in the released code; latents are the posterior's mean; the caption loses what
describes the subject too, not only the background; a clip is inverted on the steps that the new one takes,
not on 75, and each step is refined (`diffusion/sampling.py`). A base's profile may change more: the starter's
learns all that sees time, more of high noise, by Eq. 16 on the base's own prediction, under the whole
caption, and recommends to follow the latent by 0.3 only. The cascade that follows (more frames, larger ones)
is not learned here. An absorber may act beside it (a new word then stands for all looks, whatever the
caption), and clips of related motions may be learned with it; these are other papers' (`absorber.py`,
`losses.regularized`).
Differs from the authors' code: that takes absolute values of both residuals and the cosine along frames,
which cannot tell a motion from its reverse; it inverts with a scheduler other than the base's own.
"""

from backend.api.settings import Vmc, Wording, chosen
from backend.methods.absorber import WORD, AbsorbingMethod
from backend.methods.base import TEMPORAL, Material
from backend.methods.wording import captioned


class MotionDistillation(AbsorbingMethod):
    clip_gradient = 1.0

    def __init__(self, settings: Vmc, material: Material) -> None:
        self.wording: Wording = chosen(settings.caption)
        super().__init__(settings, material, TEMPORAL[chosen(settings.layers)])

    def caption(self, looks: str, motion: str) -> str:
        if self.absorber.has_word:
            return f"{WORD} {motion}"
        return captioned(self.wording, looks, motion)  # section 3.2
