"""Customize-A-Video: One-Shot Motion Customization of Text-to-Video Diffusion Models (arXiv 2402.14780).

An appearance absorber (`absorber.py`) first learns the clip's looks from single frames; with it acting, a
LoRA on temporal attention (T-LoRA) learns what is left, the motion. Only the T-LoRA is used afterwards.

    α (Eq. 2)  settings.alpha, absorber_alpha      Δθ_T  adapter "motion"     y    Example.caption

Differs from the paper: AdamW decays by 0.01; latents are the posterior's mean; what `absorber.py` says. Where
a base's profile says so, temporal feed-forward and convolutions learn beside temporal attention, timesteps
favour high noise and rates fall (`layers`, `coarse`, `rate_falls`); the noise is compared in the base's own
prediction (ε or v). Clips of related motions may be learned beside it, without the absorber
(`losses.regularized`).
Differs from the authors' code: nothing known, none was released.
"""

from backend.api.settings import CustomizeAVideo, chosen
from backend.methods.absorber import AbsorbingMethod
from backend.methods.base import TEMPORAL, Material


class TemporalLora(AbsorbingMethod):
    """Eq. 5 is `losses`."""

    def __init__(self, settings: CustomizeAVideo, material: Material) -> None:
        temporal = TEMPORAL[chosen(settings.layers)] if settings.placement != "spatial" else ()
        spatial = ("spatial attention",) if settings.placement != "temporal" else ()
        super().__init__(settings, material, temporal + spatial)

    def caption(self, looks: str, motion: str) -> str:
        return super().caption(self.looks_caption(looks), motion)
