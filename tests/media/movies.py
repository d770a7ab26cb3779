"""Real movie files for the tests, whose every frame says its own number and which way is up."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from backend.api.protocol import Clip
from backend.media import clips

BITS = 8

FILM = Fraction(24000, 1001)
TV = Fraction(30000, 1001)


def numbered(number: int, width: int = 128, height: int = 96) -> np.ndarray:
    """A grey picture with the number in eight black or white bars and a red top left corner: (H, W, 3)."""
    picture = np.full((height, width, 3), 128, np.uint8)
    bar = width // BITS
    for bit in range(BITS):
        picture[height // 4 :, bit * bar : (bit + 1) * bar] = 255 * (number >> bit & 1)
    picture[: height // 4, : width // 4] = (255, 0, 0)
    return picture


def number_of(picture: np.ndarray) -> int:
    """The number in a picture made by `numbered`, at any size."""
    height, width = picture.shape[:2]
    row = picture[height * 5 // 8].mean(axis=-1)
    return sum(1 << bit for bit in range(BITS) if row[int((bit + 0.5) * width / BITS)] > 127)


def numbers(frames: np.ndarray) -> list[int]:
    return [number_of(picture) for picture in frames]


def make_movie(
    path: Path,
    count: int = 48,
    rate: Fraction = Fraction(24),
    codec: str = "libx264",
    ticks: Sequence[int] | None = None,  # presentation times in 1/1000 s, for a variable rate
    rotation: int = 0,
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (128, 96),
    **options: str,
) -> Path:
    """Encode `count` numbered frames; the container follows from the name."""
    base = Fraction(1, 1000) if ticks else 1 / rate
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt, stream.options = pix_fmt, options
        stream.codec_context.time_base = base
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(numbered(number, *size), format="rgb24").reformat(
                format=pix_fmt
            )
            frame.pts, frame.time_base = (ticks[number] if ticks else number), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_sound(path: Path) -> Path:
    """A tenth of a second of silence."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def moving(frames: int = 4, height: int = 48, width: int = 64) -> np.ndarray:
    return np.stack([numbered(i, width, height) for i in range(frames)])


def read(path: Path, frames: int = 6, fps: Fraction = Fraction(24), **clip: object) -> np.ndarray:
    return clips.read(Clip(path=str(path), **clip), frames=frames, fps=fps, size=None)
