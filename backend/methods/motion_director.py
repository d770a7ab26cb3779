"""MotionDirector: Motion Customization of Text-to-Video Diffusion Models (arXiv 2310.08465).

Two paths learn at once. On single frames, with temporal layers bypassed, a spatial LoRA of each clip learns
its looks; on whole clips, with that LoRA acting but not learning, one temporal LoRA learns what all clips
have in common, under a loss that takes the looks out. The temporal LoRA is the motion; a spatial one can
be kept, to mix one clip's (or stills') looks with another's motion.

    ε_θ, φ(ε)   losses.debiased          i   Step.frame            spatial LoRA   "looks 1", "looks 2" …
    β           settings.beta            y   Example.caption       temporal LoRA  "motion"

Differs from the paper: by default a fifth of the steps run without the spatial LoRA and without its loss (the
20 % rule of the released code; `spatial_rest` 0 is the paper), and new clips are recommended to start from
the learned one's latent by 0.3 (the noise prior of the released code); latents are the posterior's mean; both
paths draw their own noise and timestep; plain MSE compares the base's own prediction, the debiased loss the
noise; clips of related motions may be learned beside it (`losses.regularized`); each step of the inversion is
refined (`diffusion/sampling.py`). The starter's profile lets temporal convolutions learn too, and favours
high noise.
Differs from the authors' code: no dropout of 0.1 in the LoRAs, as all randomness comes from one generator;
the base's own guidance and steps when sampling instead of 12 and 30; the start of new clips is inverted
on the timesteps they are sampled on.
"""

from collections.abc import Iterator

from torch import Tensor
from torch.nn.functional import mse_loss

from backend.api.settings import MotionDirector, chosen
from backend.methods.base import TEMPORAL, Adapter, Beside, Example, Material, Method, Stage, Step
from backend.methods.losses import ClipLoss, regularized

SPATIAL = ("spatial self-attention", "spatial ff")  # never cross-attention: what words mean stays
STILLS = "looks of stills"


class DualPath(Method):
    def __init__(self, settings: MotionDirector, material: Material) -> None:
        s = settings
        self.learning_rate, self.spatial_rate = chosen(s.learning_rate), chosen(s.spatial_learning_rate)
        self.coarse, self.rest = chosen(s.coarse), s.spatial_rest
        self.loss = ClipLoss(chosen(s.loss), chosen(s.compare), chosen(s.beta))
        self.rate_falls, self.offset = chosen(s.rate_falls), chosen(s.offset)
        self.follow = chosen(s.follow) if len(material.looks) == 1 else 0.0
        names = [f"looks {i}" for i, _ in enumerate(material.looks, start=1)]
        names += [STILLS] if material.stills else []
        if s.learns == "looks":
            self.kept, self.kind, names = "looks", "style", ["looks"]
        spatial = tuple(Adapter(name, SPATIAL, chosen(s.spatial_rank), 1.0) for name in names)
        motion = Adapter("motion", TEMPORAL[chosen(s.layers)], chosen(s.rank), chosen(s.alpha))
        self.adapters = spatial if s.learns == "looks" else (*spatial, motion)
        seen = [*material.looks, *material.stills[:1]]
        kept = names if s.keep_looks else [name for name in names if name == STILLS]
        self.beside = tuple(Beside(adapter=n, looks=seen[names.index(n)], clip=names.index(n)) for n in kept)

    def stages(self, steps: int) -> tuple[Stage, ...]:
        learn = {
            a.name: self.learning_rate if a.name == "motion" else self.spatial_rate for a in self.adapters
        }
        if self.kind == "style":
            return (Stage("Learning the looks", learn, (), steps, self.looks_losses),)
        return (Stage("Learning the motion", learn, (), steps, self.losses),)

    def losses(self, step: Step) -> Iterator[Tensor]:
        number = step.pick(step.examples)
        example, looks = step.examples[number], f"looks {number + 1}"
        rests = step.chance(self.rest)
        if not rests:
            yield from self.frame_loss(step, example, looks)
        with step.learning("motion", act=() if rests else (looks,)):
            n = step.noised(step.clip(example), self.coarse)
            yield self.loss(step, n, step.predict(n, step.text(example)))  # Eq. 7
        yield from regularized(step, self.coarse)
        if step.stills:
            yield from self.frame_loss(step, step.stills[step.pick(step.stills)], STILLS)

    def looks_losses(self, step: Step) -> Iterator[Tensor]:
        """Of clips and stills alike."""
        sources = [*step.examples, *step.stills]
        yield from self.frame_loss(step, sources[step.pick(sources)], "looks")

    def frame_loss(self, step: Step, example: Example, looks: str) -> Iterator[Tensor]:
        """One frame at random, without temporal layers."""
        with step.learning(looks, bypass_temporal=True):
            n = step.noised(step.frame(step.clip(example)), coarse=0.0)
            yield mse_loss(step.predict(n, step.text(example)), n.target)  # Eq. 4
