"""How steadily a clip's surfaces keep their colours: the flow-warped error between frames.

Dense optical flow (DIS: Kroeger et al., "Fast Optical Flow using Dense Inverse Search", 2016) takes each
frame's next one back to it; what is covered or uncovered, where flow there and back does not return, is left
out, as Lai et al. do ("Learning Blind Video Temporal Consistency", 2018), here with absolute differences.
"""

from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from backend.media.flow import Array, dense_flow, places

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB

RETURNS = 1.0  # pixels by which flow there and back may miss
LEAST = 64  # working size of the shorter side: smaller clips are enlarged


def warped_error(frames: Frames) -> float:
    """Mean absolute difference, in levels of 255, between frames and their next ones taken back by flow.

    0 for a clip whose surfaces keep their colours however they move; flicker and melting raise it. Lower is
    better. Raises ValueError for fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError("consistency needs at least two frames")
    enlarged = [_enlarged(frame) for frame in frames]
    return float(np.mean([_error(before, after) for before, after in pairwise(enlarged)]))


def consistency_bounds(frames: Frames, seed: int = 0) -> tuple[float, float]:
    """The error of a clip, and what is left when nothing is followed: shuffled frames, not warped."""
    order = np.random.default_rng(seed).permutation(len(frames))
    apart = np.abs(np.diff(frames[order].astype(np.float32), axis=0)).mean()
    return warped_error(frames), float(apart)


def _enlarged(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    factor = max(1.0, LEAST / min(frame.shape[:2]))
    size = round(frame.shape[1] * factor), round(frame.shape[0] * factor)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _error(before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> float:
    there, back = dense_flow(before, after), dense_flow(after, before)
    height, width = before.shape[:2]
    x, y = np.moveaxis(places(height, width), 2, 0)
    at_x, at_y = x + there[..., 0], y + there[..., 1]
    returned = there + cv2.remap(back, at_x, at_y, cv2.INTER_LINEAR)
    inside = (at_x >= 0) & (at_x <= width - 1) & (at_y >= 0) & (at_y <= height - 1)
    shown = inside & (np.linalg.norm(returned, axis=2) < RETURNS)
    taken = cv2.remap(after, at_x, at_y, cv2.INTER_LINEAR)
    difference: Array = np.abs(taken.astype(np.float32) - before).mean(axis=2)
    return float(difference[shown].mean()) if shown.any() else 255.0
