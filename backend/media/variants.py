"""Versions of a clip that differ in framing and colour, for methods that learn what stays."""

from typing import Any

import cv2
import numpy as np

from backend.media.pictures import resized

CROP = 0.8  # of the frame's sides, at least
COLOUR = 0.2  # brightness, contrast and saturation change by up to this share
HUE = 9  # of OpenCV's 180 degrees


def varied(
    frames: np.ndarray[Any, Any], count: int, size: tuple[int, int], seed: int
) -> list[np.ndarray[Any, Any]]:
    """(F, H, W, 3) uint8 RGB → `count` clips (F, h, w, 3) for size = (w, h), the first one as it is.

    Each of the others is one crop and one change of colour, the same in all its frames. It is never
    mirrored and keeps its order: both would be another motion.
    """
    rng = np.random.default_rng(seed)
    _, height, width, _ = frames.shape
    clips = [resized(frames, size)]
    for _ in range(1, count):
        part = rng.uniform(CROP, 1)
        h, w = max(1, round(height * part)), max(1, round(width * part))
        top, left = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
        clips.append(recoloured(resized(frames[:, top : top + h, left : left + w], size), rng))
    return clips


def recoloured(frames: np.ndarray[Any, Any], rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """All frames in one other colour: hue turned, saturation, contrast and brightness changed."""
    saturation, contrast = rng.uniform(1 - COLOUR, 1 + COLOUR, 2)
    brightness, hue = rng.uniform(-COLOUR, COLOUR) * 128, int(rng.integers(-HUE, HUE + 1))
    made = []
    for frame in frames:
        hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV).astype(np.float32)
        hsv[..., 0] = (hsv[..., 0] + hue) % 180
        hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 255)
        rgb = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
        made.append(np.clip((rgb - 128) * contrast + 128 + brightness, 0, 255).astype(np.uint8))
    return np.stack(made)
