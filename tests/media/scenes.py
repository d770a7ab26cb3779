"""Pictures of known motion for the tests of measured motion."""

from collections.abc import Callable

import cv2
import numpy as np

Place = Callable[[float], tuple[float, float]]  # part of the clip, 0 to 1 → x, y as fractions of the frame


def texture(seed: int, side: int = 700) -> np.ndarray:
    """Soft blobs of all sizes and colours: (side, side, 3)."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.normal(0, 1, (side // k, side // k, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
        * k**0.5
        for k in (6, 15, 40)
    ]
    return np.clip(128 + 7 * sum(layers), 0, 255).astype(np.uint8)


def filmed(
    *, pan: float = 0, tilt: float = 0, zoom: float = 1, roll: float = 0, frames: int = 9,
    size: tuple[int, int] = (320, 240), ball: Place | None = None, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """A textured plane filmed by a camera that has moved by this much at the end; a red ball before it."""
    plane, pictures = texture(seed), []
    middle = np.array(size) / 2
    for moment in np.linspace(0, 1, frames):
        angle, grown = np.radians(roll * moment), zoom**moment
        turn = grown * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shift = middle - turn @ np.array([350, 350]) - moment * np.array([pan, tilt]) * size
        picture = cv2.warpAffine(plane, np.c_[turn, shift], size)
        if ball:
            x, y = (round(v * 16 * side) for v, side in zip(ball(moment), size, strict=True))
            cv2.circle(picture, (x, y), round(0.15 * 16 * size[1]), (230, 20, 20), -1, cv2.LINE_AA, shift=4)
        pictures.append(picture)
    return np.stack(pictures)


def sampled(frames: np.ndarray, noise: float, seed: int = 0) -> np.ndarray:
    """Frames with the kind of flicker that a small diffusion model leaves: blobs, grain and brightness."""
    rng = np.random.default_rng(seed)
    height, width = frames.shape[1:3]
    out = []
    for frame in frames:
        blobs = cv2.resize(rng.normal(0, noise, (8, 8, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
        grain = rng.normal(0, noise, frame.shape)
        out.append(frame + 0.7 * blobs + 0.7 * grain + rng.normal(0, 0.3 * noise))
    return np.clip(np.stack(out), 0, 255).round().astype(np.uint8)


def bent(frames: np.ndarray, pixels: float, seed: int = 0) -> np.ndarray:
    """Each frame bent a little, another way each time, as patterns are in a small diffusion model's clips."""
    rng = np.random.default_rng(seed)
    size = frames.shape[2], frames.shape[1]
    down, across = np.mgrid[: size[1], : size[0]]
    out = []
    for frame in frames:
        by = cv2.resize(rng.normal(0, pixels, (8, 8, 2)), size, interpolation=cv2.INTER_CUBIC)
        places = (np.stack([across, down], axis=-1) + by).astype(np.float32)
        out.append(cv2.remap(frame, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))
    return np.stack(out)
