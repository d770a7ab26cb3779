"""One prediction from several: a subject's motion where it changes the clip most, a camera's on the rest.

Added up in the weights, a motion learned under a still camera holds the ground still as much as it moves its
subject, and the camera's is lost. Apart, each is asked what it *changes* about a prediction, which for the
subject's is little on the ground, and only acts in its place:

    ε_∅ + g (ε(K) − ε_∅) + w_S M (ε_S(S) − ε(S)) + w_K (1 − M) (ε_K(K) − ε(K))

K, S   the prompt with the words of the camera's motions, of the subject's
ε, ε_∅ without motions, and without words; looks act in every pass
ε_K    with the camera's motions; ε_S with the subject's
M      1 at the places of a frame where |ε_S(S) − ε(S)|, as a running mean over steps, is largest
g      guidance
w_K    g or 1, whichever is more: what the effect weighs where a motion acts alone, as long as it changes
       little about ε_∅, which is so at high noise
w_S    g or 3, whichever is more: the words of K lead the subject along with the ground, also in its places

Predictions are added as in composable diffusion (Liu et al., arXiv 2206.01714), and what is added is held to
its place as in SEGA (Brack et al., arXiv 2301.12247), which takes a quantile of a guidance's size. Ours: what
is added is a LoRA's own effect, the places are smoothed, remembered from step to step and counted frame by
frame, and what lies outside of one motion's places is left to the other. Nothing here is from the four papers
of the methods.

Shapes: B batch, C latent channels, F frames, h×w latent size.
"""

from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

SHARE = 0.4  # of a frame's places are the subject's; docs/log.md
KEPT = 0.8  # of what is remembered of earlier steps; docs/log.md
SUBJECT = 3.0  # what a subject's effect weighs at least; docs/log.md
FAINT = 0.05  # of the clip's mean: where a motion changes less than this it has no place


class Places:
    """M, step by step, for one clip after the other.

    The sizes of one step alone are noise in part, and a subject whose places come and go is torn; so they are
    a running mean over a clip's steps, in each of which they are shares of the clip's mean.
    """

    def __init__(self) -> None:
        self._sizes: Tensor | None = None
        self._last = 0

    def after(self, effect: Tensor, timestep: int) -> Tensor:
        """The places (B, 1, F, h, w) once `effect` (B, C, F, h, w) counts too.

        `timestep` falls within a clip; where it does not, another one has begun.
        """
        sizes = sizes_of(effect)
        sizes = sizes / sizes.mean().clamp(min=1e-12)
        if self._sizes is not None and timestep < self._last:
            sizes = KEPT * self._sizes + (1 - KEPT) * sizes
        self._sizes, self._last = sizes, timestep
        return (where_most(sizes, SHARE) & (sizes > FAINT).unsqueeze(1)).to(effect.dtype)


def composed(guided: Tensor, camera: Tensor, subject: Tensor, places: Tensor, guidance: float) -> Tensor:
    """`guided` by the words of the camera's motion, and what each motion changes: all (B, C, F, h, w).

    `places` (B, 1, F, h, w) are M.
    """
    return guided + max(SUBJECT, guidance) * places * subject + max(1.0, guidance) * (1 - places) * camera


def sizes_of(effect: Tensor) -> Tensor:
    """How large `effect` (B, C, F, h, w) is at each place (B, F, h, w).

    The norm over channels, a mean over a place and its neighbours, because one place alone is noise.
    """
    size = effect.float().square().sum(1).sqrt()
    return avg_pool2d(pad(size, (1, 1, 1, 1), mode="replicate"), kernel_size=3, stride=1)


def where_most(sizes: Tensor, share: float) -> Tensor:
    """True at about that share of each frame's places, where `sizes` (B, F, h, w) are largest.

    → (B, 1, F, h, w).
    """
    least = sizes.flatten(2).quantile(1 - share, dim=2)[..., None, None]
    return (sizes >= least).unsqueeze(1)
