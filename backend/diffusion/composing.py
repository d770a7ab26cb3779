"""One prediction from several: a subject's motion where it changes the clip most, a camera's on the rest.

Added up in the weights, a motion learned under a still camera holds the ground still as much as it moves its
subject, and the camera's is lost. Apart, each is asked what it *changes* about a prediction, which for the
subject's is little on the ground, and only acts in its place:

    ε_∅ + g (ε(K) − ε_∅) + w [M (ε_S(S) − ε(S)) + (1 − M) (ε_K(K) − ε(K))]

K, S   the prompt with the words of the camera's motions, of the subject's
ε, ε_∅ without motions, and without words; looks act in every pass
ε_K    with the camera's motions; ε_S with the subject's
M      1 at the places of a frame where |ε_S(S) − ε(S)| is largest
g, w   guidance, and `weight`

Predictions are added as in composable diffusion (Liu et al., arXiv 2206.01714), and what is added is held to
its place as in SEGA (Brack et al., arXiv 2301.12247), which takes a quantile of a guidance's size. Ours: what
is added is a LoRA's own effect, the places are smoothed and counted frame by frame, and what lies outside of
one motion's places is left to the other. Nothing here is from the four papers of the methods.

Shapes: B batch, C latent channels, F frames, h×w latent size.
"""

from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

SHARE = 0.4  # of a frame's places are the subject's; docs/log.md
MOST = 2.0


def weight(guidance: float) -> float:
    """w: the guidance, at least 1, and no more than was measured best, at guidance 3 and 4 (docs/log.md)."""
    return min(max(1.0, guidance), MOST)


def composed(guided: Tensor, camera: Tensor, subject: Tensor, guidance: float) -> Tensor:
    """`guided` by the words of the camera's motion, and what each motion changes: all (B, C, F, h, w)."""
    places = where_most(subject, SHARE)
    effect = places * subject + (1 - places) * camera
    return guided + weight(guidance) * effect


def where_most(effect: Tensor, share: float) -> Tensor:
    """1 at about that share of each frame's places, where `effect` (B, C, F, h, w) is largest, else 0.

    → (B, 1, F, h, w). The size is the norm over channels, as a mean over a place and its neighbours, because
    that of one place alone is noise.
    """
    size = effect.float().square().sum(1).sqrt()  # (B, F, h, w)
    smooth = avg_pool2d(pad(size, (1, 1, 1, 1), mode="replicate"), kernel_size=3, stride=1)
    least = smooth.flatten(2).quantile(1 - share, dim=2)[..., None, None]
    return ((smooth >= least) & (smooth > 0)).to(effect.dtype).unsqueeze(1)
