"""How sure a mean is: bootstrap intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class Mean:
    """A mean and its 95 % percentile bootstrap interval (Efron, 1979) over `count` values."""

    mean: float
    low: float
    high: float
    count: int

    def percent(self) -> str:
        """As a share: "93 % (88 to 97)"."""
        return f"{100 * self.mean:.0f} % ({100 * self.low:.0f} to {100 * self.high:.0f})"

    def decimal(self) -> str:
        """As a number: "0.93 (0.88 to 0.97)"."""
        return f"{self.mean:.2f} ({self.low:.2f} to {self.high:.2f})"


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of `values` and its interval; the same values give the same interval."""
    array = np.asarray(values, dtype=np.float64)
    if not len(array):
        raise ValueError("a mean needs at least one value")
    drawn = np.random.default_rng(0).integers(len(array), size=(RESAMPLES, len(array)))
    low, high = np.percentile(array[drawn].mean(axis=1), (2.5, 97.5))
    return Mean(float(array.mean()), float(low), float(high), len(array))
