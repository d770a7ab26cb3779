"""How one picture's background lies in another: a similarity, by direct alignment of all pixels.

Gauss-Newton on the difference of colours (inverse compositional: Baker and Matthews, "Lucas-Kanade 20 years
on", 2004), from coarse to fine, at last with shear and perspective, and with Tukey's weights, so that what
moves otherwise (the subject) is left out. Pixels near the frame's edges count more: the background is there.
Several starts are tried and the one is kept whose pictures agree best. Unlike features, whole pictures also
tell where the background is soft or periodic.

Shapes: H height, W width of the working size. A move is a matrix (3, 3) from the first picture's places to
the second's, in half widths of the shorter side from the picture's middle.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.rim import EDGE, TURNS, Told, block_means, slope_energies, told_by_rim

Array = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]

SIDE = 128  # working size of the shorter side
LEVELS = (8, 4, 2, 1)  # the working size is divided by these, one after the other
ROUNDS = (12, 8, 6, 5)
INNER = 0.25  # what a pixel inside the bands counts
LIMITS = (3.0, 80.0)  # of 255: at least and at most, a difference from which a pixel is something else
STIFF = 20.0  # … and this much sooner the picture is thought not to shear or lean
SOFT = 0.05  # levels a pixel: a direction with weaker gradients than this stays as it was
GRAIN = 1.5  # levels: what a clip's noise is at least
OUTSIDE = 0.6  # what a block costs that the other picture does not show
AGREES, LIKELY = 0.5, 0.65  # a block that costs less is explained, or may be
SAME = 0.02  # half frames: moves that differ by less are one
CLEAR = 0.45  # cost above which a move is not believed: in rendered shots wrong ones cost 0.55 and more
SHORT = 0.02  # cost of half a frame's shift: of equally good ones the shortest is taken
DOUBT, DOUBTED = 2.0, 0.2  # the same, for each unit of cost that is not clear, and at most


@dataclass(frozen=True)
class Fit:
    """A move, what it leaves unexplained (0 to 1), and which parts of it are told: surely, or likely."""

    move: Matrix
    cost: float
    energies: Array  # the first picture's `slope_energies`
    agreed: tuple[Mask, Mask]  # blocks of it that the move explains: surely, or likely

    @cached_property
    def known(self) -> Told:
        return told_by_rim(self.energies * self.agreed[0])

    @cached_property
    def likely(self) -> Told:
        return told_by_rim(self.energies * self.agreed[1])


@dataclass(frozen=True)
class _Level:
    picture: Array  # (H, W, 3)
    jacobian: Array  # (H·W·3, P): of the colours by zoom, roll, across, down; at last by shear, perspective
    prior: Array  # (H, W): what a pixel counts by where it is

    @cached_property
    def energies(self) -> Array:
        height, width = self.prior.shape
        slopes = self.jacobian.reshape(height, width, 3, -1)[..., :4] / (min(height, width) / 2)
        return slope_energies(slopes)


class Picture:
    """One frame (H, W, 3) RGB, ready to be aligned with others of its clip."""

    def __init__(self, frame: npt.NDArray[np.uint8]) -> None:
        scale = SIDE / min(frame.shape[:2])
        size = max(16, round(frame.shape[1] * scale)), max(16, round(frame.shape[0] * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        whole = cv2.resize(frame, size, interpolation=method).astype(np.float32)
        self.levels = [_level(whole, divisor) for divisor in LEVELS]


def aligned(first: Picture, second: Picture, starts: list[Matrix]) -> Fit:
    """The move that best explains the second picture, from the best of `starts` and of a correlation's peak.

    A start is taken as it is and as coarse pictures improve it: these see far, but a large subject draws
    them.
    """
    starts = [*starts, _correlated(first, second)]
    coarse = [_fitted(first, second, start, 0, 2).move for start in starts[:1] + starts[-1:]]
    rough = sorted((_fitted(first, second, move, 2, 2) for move in starts + coarse), key=_rank)
    return min((_fitted(first, second, fit.move, 2, 4) for fit in _apart(rough)), key=_rank)


def _rank(fit: Fit) -> float:
    """What speaks against a move: what it leaves unexplained and, the more so the less is clear, its shift.

    Before a pattern that bends a little nothing is clear, and a jump by one period explains no less than
    standing still.
    """
    shift = float(np.abs(fit.move[:2, 2]).sum())
    return fit.cost + SHORT * shift + min(DOUBTED, DOUBT * max(0.0, fit.cost - CLEAR) * shift)


def _apart(fits: list[Fit]) -> list[Fit]:
    """The best three that are not the same."""
    kept: list[Fit] = []
    for fit in fits:
        if len(kept) < 3 and all(np.abs(fit.move - other.move).max() > SAME for other in kept):
            kept.append(fit)
    return kept


def refined(first: Picture, second: Picture, start: Matrix) -> Fit:
    """The same from one start that is nearly right, at the finest sizes only."""
    return _fitted(first, second, start, 2, 4)


def overlap(move: Matrix, shape: tuple[int, int]) -> float:
    """The share of the first picture that the second still shows."""
    return float(_shared(move, shape)[2].mean())


def similar(move: Matrix, shape: tuple[int, int]) -> Matrix:
    """The similarity nearest to a move (least squares) over what both pictures show."""
    places, moved, shown = _shared(move, shape)
    a, b = (p[shown] @ np.array([1, 1j]) for p in (places, moved))
    factor = ((b - b.mean()) * np.conj(a - a.mean())).sum() / (np.abs(a - a.mean()) ** 2).sum()
    shift = b.mean() - factor * a.mean()
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag], [0, 0, 1]]
    )


def _shared(move: Matrix, shape: tuple[int, int]) -> tuple[Array, Matrix, Mask]:
    """Places of the first picture (N, 2), where they are in the second, and whether that shows them."""
    side = 24 / min(shape)
    places = _places(round(shape[0] * side), round(shape[1] * side)).reshape(-1, 2)
    lifted = np.c_[places, np.ones(len(places))] @ move.T
    moved = lifted[:, :2] / lifted[:, 2:]
    reach = np.array([shape[1], shape[0]]) / min(shape)
    return places, moved, (np.abs(moved) <= reach).all(axis=1)


def _level(whole: Array, divisor: int) -> _Level:
    blurred = cv2.GaussianBlur(whole, (0, 0), 0.6 * divisor + 0.4)
    size = max(8, whole.shape[1] // divisor), max(8, whole.shape[0] // divisor)
    picture = cv2.resize(blurred, size, interpolation=cv2.INTER_AREA)
    height, width = picture.shape[:2]
    places = _places(height, width)
    per_unit = min(height, width) / 2
    across = cv2.Sobel(picture, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8) * per_unit
    down = cv2.Sobel(picture, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8) * per_unit
    x, y = places[..., :1], places[..., 1:]
    turned = [across * x + down * y, down * x - across * y, across, down]
    bent = [across * x - down * y, across * y + down * x]
    bent += [-x * turned[0], -y * turned[0]]
    jacobian = np.stack(turned + (bent if divisor == 1 else []), axis=-1)
    return _Level(picture, jacobian.reshape(height * width * 3, -1), _prior(height, width))


@cache
def _places(height: int, width: int) -> Any:
    """The pixels' middles (H, W, 2), in half widths of the shorter side from the picture's middle."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([2 * x + 1 - width, 2 * y + 1 - height], axis=-1) / min(height, width)


@cache
def _prior(height: int, width: int) -> Any:
    inside = np.ones((height, width), np.float32)
    band = round(EDGE * height), round(EDGE * width)
    inside[band[0] : height - band[0], band[1] : width - band[1]] = INNER
    return inside


def _fitted(first: Picture, second: Picture, start: Matrix, coarsest: int, end: int) -> Fit:
    """The move after Gauss-Newton on levels `coarsest` to before `end`, judged on the last of them."""
    move = start
    for number in range(coarsest, end):
        template, image = first.levels[number], second.levels[number]
        for _ in range(ROUNDS[number]):
            residual, seen = _residual(template, image, move)
            if seen.mean() < 0.1:
                nothing = np.zeros(template.energies.shape[1:], bool)
                return Fit(np.eye(3), 1.0, template.energies, (nothing, nothing))
            step = _step(template, residual, seen)
            move = move @ np.linalg.inv(step)
            if np.abs(step - np.eye(3)).max() < 0.02 / min(template.prior.shape):
                break
    template, image = (p.levels[max(2, end - 1)] for p in (first, second))
    return _judged(template, *_residual(template, image, move), move)


def _residual(template: _Level, image: _Level, move: Matrix) -> tuple[Array, Array]:
    """The difference (H, W, 3) without a flicker of the whole, and where both show the scene (H, W)."""
    warped, shown = _warped(image, move)
    seen = (shown > 0.99).astype(np.float32)
    residual = warped - template.picture
    if seen.any():
        residual = residual - np.median(residual[seen > 0], axis=0)
    return residual * seen[..., None], seen


def _step(template: _Level, residual: Array, seen: Array) -> Matrix:
    """One Gauss-Newton step (3, 3) with Tukey's weights."""
    size = np.linalg.norm(residual, axis=2)
    limit = np.clip(4.7 * float(np.median(size[seen > 0])), *LIMITS)
    prior = template.prior * seen
    weight = np.repeat((prior * np.clip(1 - (size / limit) ** 2, 0, None) ** 2).ravel(), 3)
    jacobian = template.jacobian
    weighted = jacobian * weight[:, None]
    hessian = (weighted.T @ jacobian).astype(np.float64)
    soft = np.array([1, 1, 1, 1, STIFF, STIFF, STIFF, STIFF])[: len(hessian)]
    hessian += np.diag(soft) * (SOFT * min(prior.shape) / 2) ** 2 * float(prior.sum())
    by = np.zeros(8)
    by[: len(hessian)] = np.linalg.solve(hessian, (weighted.T @ residual.ravel()).astype(np.float64))
    zoom, roll, across, down, wide, slant, lean, nod = by
    return np.array(
        [[1 + zoom + wide, slant - roll, across], [roll + slant, 1 + zoom - wide, down], [lean, nod, 1]]
    )


def _warped(image: _Level, move: Matrix) -> tuple[Array, Array]:
    """The second picture as the first saw it (H, W, 3), and how much of each pixel it shows (H, W)."""
    height, width = image.prior.shape
    half = min(height, width) / 2
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    pixels = np.array([[half, 0, middle[0]], [0, half, middle[1]], [0, 0, 1]])
    matrix = pixels @ move @ np.linalg.inv(pixels)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpPerspective(image.picture, matrix, (width, height), flags=flags)
    seen = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, (width, height), flags=flags)
    return warped, seen


def _judged(template: _Level, residual: Array, seen: Array, move: Matrix) -> Fit:
    """How well a move explains the pictures, block by block, and what the frame's edges tell of it.

    A block's difference is weighed against its own contrast: the difference that a pixel's shift would make.
    """
    energies = template.energies
    contrast = energies[2] + energies[2 + TURNS // 2]
    error, shown = block_means((residual**2).sum(axis=2)), block_means(seen)
    grain = GRAIN**2 + float(np.median(error[shown > 0.5])) if (shown > 0.5).any() else GRAIN**2
    tells = contrast / (contrast + grain) * block_means(template.prior)
    costs = np.where(shown > 0.5, np.clip(error / (contrast + GRAIN**2), None, 1), OUTSIDE)
    cost = float((tells * costs).sum() / max(float(tells.sum()), 1e-6))
    sure, likely = ((costs < limit) & (shown > 0.5) for limit in (AGREES, LIKELY))
    return Fit(move, cost, energies, (sure, likely))


def _correlated(first: Picture, second: Picture) -> Matrix:
    """The shift at the peak of the pictures' phase correlation."""
    one, other = (cv2.cvtColor(p.levels[-2].picture, cv2.COLOR_RGB2GRAY) for p in (first, second))
    window = cv2.createHanningWindow(one.shape[::-1], cv2.CV_32F)
    (across, down), _ = cv2.phaseCorrelate(one, other, window)
    half = min(one.shape) / 2
    return np.array([[1, 0, across / half], [0, 1, down / half], [0, 0, 1]])
