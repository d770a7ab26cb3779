"""What the papers compare, as functions that any method can take.

Shapes: B batch, C latent channels, F frames, h×w latent size. ε noise, ε_θ prediction.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, mse_loss

from backend.api.settings import Compare, Loss
from backend.diffusion.paths import Noised, NoisePath
from backend.methods.base import Step


def residuals(x: Tensor) -> Tensor:
    """δx^n = x^{n+1} − x^n (VMC, Eq. 9 with c = 1): (B, C, F, h, w) → (B, F − 1, C·h·w)."""
    return (x[:, :, 1:] - x[:, :, :-1]).movedim(2, 1).flatten(2)


def motion_cosine(eps_theta: Tensor, eps: Tensor) -> Tensor:
    """1 − cos(δε^n, δε_θ^n), mean over n: 0 for equal residuals, 1 for unrelated, 2 for negated ones."""
    return (1 - cosine_similarity(residuals(eps), residuals(eps_theta), dim=-1)).mean()  # VMC, Eq. 17


def motion_l2(eps_theta: Tensor, eps: Tensor) -> Tensor:
    """‖δε^n − δε_θ^n‖² as a mean, without the factor (1 − ᾱ)/ᾱ, which grows to ten thousands."""
    return mse_loss(residuals(eps_theta), residuals(eps))  # VMC, Eq. 16 as its section 4.3 uses it


def debiased(eps_theta: Tensor, eps: Tensor, anchor: int, beta: float) -> Tensor:
    """MSE of φ(ε_θ) and φ(ε) with frame `anchor` taken out of every frame.

    Errors that are the same in all frames, as those of looks are, cost little: 0.17 for 1 with β = 1.
    """

    def phi(x: Tensor) -> Tensor:
        bias = beta * x[:, :, anchor : anchor + 1]
        return torch.sub(math.hypot(beta, 1) * x, bias)  # MotionDirector, Eq. 5

    return mse_loss(phi(eps_theta), phi(eps))  # MotionDirector, Eq. 6


def compared(what: Compare, path: NoisePath, n: Noised, output: Tensor) -> tuple[Tensor, Tensor]:
    """The model's output and what it should have been, as noise, as the clean clip, or as it is.

    On a base that predicts noise, clean clips differ by √((1 − ᾱ)/ᾱ) times what noises do: a squared loss
    then has the factor back that `motion_l2` leaves out. The comparison of clips is for bases that predict v.
    """
    match what:
        case "noise":
            return path.to_eps(n.x_t, output, n.t), n.noise
        case "clip":
            return path.to_x0(n.x_t, output, n.t), path.to_x0(n.x_t, n.target, n.t)
        case "prediction":
            return output, n.target


def regularized(step: Step, coarse: float, act: Sequence[str] = ()) -> Iterator[Tensor]:
    """The loss of one clip of a related motion under its own caption, where there are any, so that the base
    does not forget those (Materzynska et al., Eq. 3): one a step, unweighted. Beside the motion only
    `act` acts, so that no absorber does."""
    if not step.regular:
        return
    other = step.regular[step.pick(step.regular)]
    with step.learning("motion", act=act):
        n = step.noised(step.clip(other), coarse)
        yield mse_loss(step.predict(n, step.text(other)), n.target)


@dataclass(frozen=True)
class ClipLoss:
    """The loss of a whole clip, as the settings say."""

    loss: Loss
    compare: Compare = "noise"
    beta: float = 1.0

    def __call__(self, step: Step, n: Noised, output: Tensor) -> Tensor:
        if self.loss == "mse":
            return mse_loss(output, n.target)
        eps_theta, eps = compared(self.compare, step.family.path, n, output)
        match self.loss:
            case "motion cosine":
                return motion_cosine(eps_theta, eps)
            case "motion l2":
                return motion_l2(eps_theta, eps)
        anchor = step.integers(1, eps.shape[2])[0]
        ad = debiased(eps_theta, eps, anchor, self.beta)
        return torch.add(mse_loss(output, n.target), ad)  # MotionDirector, Eq. 7
