"""Single pictures: random crops, other sizes, PNG."""

from typing import Any

import cv2
import numpy as np


def random_crops(
    frames: np.ndarray[Any, Any], count: int, share: tuple[float, float], size: tuple[int, int], seed: int
) -> np.ndarray[Any, Any]:
    """(F, H, W, 3) uint8 → (count, h, w, 3) uint8 for size = (w, h).

    Posture and layout are cut apart, shapes and textures stay. Each is cut from a random frame at a
    random place; its sides are a random share of the frame's, drawn evenly from `share`
    (Customize-A-Video, supplement A.2: 0.33 to 0.67).
    """
    rng = np.random.default_rng(seed)
    _, height, width, _ = frames.shape
    crops = []
    for _ in range(count):
        part = rng.uniform(*share)
        h, w = max(1, round(height * part)), max(1, round(width * part))
        top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        cut = frames[rng.integers(len(frames)), top : top + h, left : left + w]
        crops.append(cut)
    return np.stack([_resized(crop, size) for crop in crops])


def resized(frames: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """(F, H, W, 3) → (F, h, w, 3) for size = (w, h)."""
    return np.stack([_resized(frame, size) for frame in frames])


def _resized(picture: np.ndarray[Any, Any], size: tuple[int, int]) -> np.ndarray[Any, Any]:
    shrinks = picture.shape[1] > size[0]
    made: np.ndarray[Any, Any] = cv2.resize(
        picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )
    return made


def png(picture: np.ndarray[Any, Any]) -> bytes:
    """(H, W, 3) uint8 RGB → the bytes of a PNG file."""
    return bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1])


def tiled(frames: np.ndarray[Any, Any], across: int = 3) -> np.ndarray[Any, Any]:
    """(F, H, W, 3) → (across · H, across · W, 3): evenly spaced frames, row by row, as one picture."""
    chosen = np.linspace(0, len(frames) - 1, across * across).round().astype(int)
    rows = frames[chosen].reshape(across, across, *frames.shape[1:])
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)
