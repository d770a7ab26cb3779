"""Dense optical flow, and where places come to lie.

Shapes: pictures (h, w, 3) of 0 to 255; places and flows (h, w, 2), x before y, in pixels.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Move = npt.NDArray[np.float64]  # (2, 3)


def places(height: int, width: int) -> Array:
    """(h, w, 2): each pixel's own place."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], axis=2)


def moved(where: npt.NDArray[Any], move: Move) -> Array:
    """Places (..., 2) after a move (2, 3)."""
    return np.asarray(where @ move[:, :2].T + move[:, 2], np.float32)


def dense_flow(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> Array:
    """DIS (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    greys = [cv2.cvtColor(np.asarray(picture, np.uint8), cv2.COLOR_RGB2GRAY) for picture in (one, other)]
    return np.asarray(search.calc(greys[0], greys[1], None), np.float32)
