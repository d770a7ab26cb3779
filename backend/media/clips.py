"""Clips: a range of a movie's frames as an array, and an array as a movie that Blender shows and scrubs well.

Shapes: F frames, H height, W width; pictures are (F, H, W, 3) uint8 RGB.
"""

import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import cv2
import numpy as np
import numpy.typing as npt

from backend.api.library import write_whole
from backend.api.protocol import Clip
from backend.errors import UserError
from backend.media import decoding

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB
Picture = decoding.Picture

KEY = "restage"  # under which a written movie carries its metadata
QUALITY = "12"  # x264's crf: a colour chart comes back within 3 of 255
BT709, TV_RANGE = 1, 1  # as H.264 numbers its matrix, primaries and transfer; and ffmpeg its ranges


@dataclass(frozen=True)
class ClipFacts:
    """What a movie file is. Width and height are after rotation; pixels count as square, as in Blender."""

    width: int
    height: int
    rate: Fraction
    frames: int
    seconds: float


def probe(path: str | Path) -> ClipFacts:
    """The facts of a movie; UserError for one that is missing, empty, cut off, sound only, or no movie."""
    path = Path(path)
    with decoding.opened(path) as (_, stream):
        width, height, rate = stream.width, stream.height, decoding.frame_rate(stream)
    if decoding.first_frame_turns(path) % 2:
        width, height = height, width
    times = decoding.frame_index(path).times()
    last = times[-1] - times[-2] if len(times) > 1 else 1 / rate
    return ClipFacts(width, height, rate, len(times), float(times[-1] - times[0] + last))


def read(clip: Clip, *, frames: int, fps: Fraction, size: tuple[int, int] | None) -> Frames:
    """Exactly `frames` pictures, sampled at `fps` from the start of the clip's range: (frames, H, W, 3).

    A range too short for that has its frames spread evenly; one past the file's end stops there. With
    `size` = (width, height) each picture is scaled to cover it and cropped at the centre. Reversed clips
    start at their last frame. UserError: see `probe`, and for a range of fewer than two frames.
    """
    path = Path(clip.path)
    until = None if clip.frame_count is None else clip.first_frame + clip.frame_count
    index = decoding.frame_index(path, until)
    numbers = list(range(len(index.pts)))[clip.first_frame : until]
    while True:
        _check_range(path, len(index.pts), numbers)
        chosen = _sample(index.times(), numbers, frames, fps, clip.reverse)
        found = decoding.decode(path, index, sorted(set(chosen)), lambda p: _cover(p, size))
        if found.keys() == set(chosen):
            return np.stack([found[i] for i in chosen])
        # The end of the file is damaged: the range ends where decoding did.
        numbers = [i for i in numbers if i <= max(found, default=-1)]


def _check_range(path: Path, total: int, numbers: Sequence[int]) -> None:
    if total == 1:
        raise UserError(
            f"{path.name} has only one frame.", "Choose a movie; motion needs at least two frames."
        )
    if len(numbers) < 2:
        raise UserError(
            f"{'One frame alone' if numbers else 'No frame'} of {path.name} is used.",
            f"Use more of its {total} frames, by a longer strip for one: motion needs at least two.",
        )


def _sample(
    times: Sequence[Fraction], numbers: Sequence[int], frames: int, fps: Fraction, reverse: bool
) -> list[int]:
    """Numbers of the frames nearest to `frames` moments, 1/fps apart or, where the range is short, closer."""
    order = list(reversed(numbers)) if reverse else list(numbers)
    elapsed = [abs(times[i] - times[order[0]]) for i in order]
    last = elapsed[-1]
    half = (last - elapsed[-2]) / 2
    step = 1 / fps if (frames - 1) / fps <= last + half else last / max(frames - 1, 1)
    moments = np.array([float(step * k) for k in range(frames)])
    nearest = np.abs(moments[:, None] - np.array([float(e) for e in elapsed])).argmin(axis=1)
    return [order[int(i)] for i in nearest]


def _cover(picture: Picture, size: tuple[int, int] | None) -> Picture:
    if size is None:
        return np.ascontiguousarray(picture)
    width, height = size
    h, w = picture.shape[:2]
    scale = max(width / w, height / h)
    new_w, new_h = max(width, round(w * scale)), max(height, round(h * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LANCZOS4
    if (new_w, new_h) != (w, h):
        picture = cv2.resize(picture, (new_w, new_h), interpolation=method)
    x, y = (new_w - width) // 2, (new_h - height) // 2
    return np.ascontiguousarray(picture[y : y + height, x : x + width])


def write(path: str | Path, frames: Frames, rate: Fraction, metadata: dict[str, Any]) -> None:
    """Write an MP4 at exactly `rate`: H.264, every frame a key frame, BT.709 in matrix and tags, video range.

    An odd width or height gets its last column or row once more (H.264 in 4:2:0 is even). `metadata` goes
    inside the file and into `<path>.json`, which is in place before the movie appears. Nothing appears
    under `path` unless it is whole. UserError when the disk is full, read-only or gone.
    """
    path = Path(path)
    try:
        movie = _encode(frames, Fraction(rate), json.dumps(metadata, ensure_ascii=False))
        write_whole(sidecar(path), json.dumps(metadata, ensure_ascii=False, indent=1).encode())
        write_whole(path, movie)
    except OSError as error:
        if not path.exists():
            with suppress(OSError):
                sidecar(path).unlink()
        raise UserError(
            f"{path.name} could not be written: {error.strerror or error}.",
            f"Check that {path.parent} exists, may be written to and has room.",
        ) from error


def _encode(frames: Frames, rate: Fraction, metadata: str) -> bytes:
    """The movie in memory: far smaller than `frames`, so that it can be put on disk in one piece."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) == 0:
        raise ValueError(f"frames must be (F, H, W, 3) uint8, not {frames.shape} {frames.dtype}")
    height, width = frames.shape[1:3]
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata[KEY] = metadata
        stream: Any = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width + width % 2, height + height % 2, "yuv420p"
        stream.options = {"crf": QUALITY, "preset": "fast", "tune": "fastdecode", "g": "1"}
        coder = stream.codec_context
        coder.time_base = 1 / rate
        coder.colorspace = coder.color_primaries = coder.color_trc = BT709
        coder.color_range = TV_RANGE
        for number, picture in enumerate(frames):
            padded = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            frame = av.VideoFrame.from_ndarray(padded, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def sidecar(path: str | Path) -> Path:
    """Where the metadata of the movie at `path` stands beside it."""
    path = Path(path)
    return path.with_name(path.name + ".json")


def read_metadata(path: str | Path) -> dict[str, Any] | None:
    """What `write` stored, from inside the movie or else from the file beside it; None when there is none."""
    path = Path(path)
    stored: str | bytes | None = None
    with suppress(UserError), decoding.opened(path) as (container, _):  # a missing movie may have its sidecar
        stored = container.metadata.get(KEY)
    if stored is None and sidecar(path).is_file():
        stored = sidecar(path).read_bytes()
    try:
        data = json.loads(stored or "null")
    except ValueError:  # somebody else's .json
        return None
    return data if isinstance(data, dict) else None


def resample(frames: Frames, source: Fraction, target: Fraction, length: int | None) -> Frames:
    """Each output frame shows what a player would show then: same tempo, or stretched to `length` frames."""
    n = len(frames)
    step = Fraction(n, length) if length else Fraction(source) / Fraction(target)
    count = length or max(1, round(n / step))
    return frames[[min(n - 1, int(k * step)) for k in range(count)]]
