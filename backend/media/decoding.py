"""Frames of a movie file by their place in presentation order, for any container and rate.

Packets are listed first (cheap: nothing is decoded), which gives every frame's presentation timestamp (pts);
then only the stretch that holds the wanted frames is decoded. Where a seek lands is checked, never assumed.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from backend.errors import UserError

Picture = npt.NDArray[np.uint8]  # (height, width, 3) RGB
Fit = Callable[[Picture], Picture]

COUNTED = {"avi", "mpeg"}  # containers whose timestamps are guesses, wrong for B frames or after a seek
REORDER = 64  # packets read past a range: B frames come in an order at most 16 frames from their own


@dataclass(frozen=True)
class FrameIndex:
    """What the packets say about the frames, in presentation order."""

    pts: tuple[int, ...]  # in time_base; a frame's number where the file has no timestamps
    keys: tuple[tuple[int, int], ...]  # (pts, where to seek for it) of each key frame, ascending
    time_base: Fraction

    def times(self) -> list[Fraction]:
        """Seconds of each frame's start."""
        return [p * self.time_base for p in self.pts]


@contextmanager
def opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """(container, video stream) of a movie; UserError for what is not one."""
    _check_file(path)
    try:
        # Only plain files: a playlist must not reach the network. An absolute path reads as no protocol.
        container = av.open(str(path.absolute()), options={"protocol_whitelist": "file"})
    except PermissionError as error:
        raise UserError(
            f"{path.name} may not be read.", "Give yourself permission to read the file."
        ) from error
    except (av.error.FFmpegError, OSError) as error:
        raise _unreadable(path) from error
    with container:
        yield container, _video_stream(container, path)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path.name} is a folder, not a movie.", "Choose a movie file.")
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UserError(
            f"{path.name} is missing.", f"Put it back in {path.parent}, or relink the strip."
        ) from error
    if size == 0:
        raise UserError(f"{path.name} is empty.", "Export or copy it again, or choose another movie.")


def _unreadable(path: Path) -> UserError:
    with open(path, "rb") as file:
        cut_off = file.read(12)[4:8] == b"ftyp"  # an MP4 or QuickTime file whose table of frames is not there
    if cut_off:
        return UserError(f"{path.name} is incomplete.", "It was cut off: export or copy it again.")
    return UserError(f"{path.name} is not a movie that can be read.", "Choose a movie, or convert it to MP4.")


def _undecodable(path: Path) -> UserError:
    return UserError(f"The pictures in {path.name} cannot be decoded.", "Convert it to H.264 in an MP4 file.")


def _video_stream(container: Any, path: Path) -> Any:
    name = container.format.name
    if name == "tty":  # ffmpeg plays text files as a terminal's picture
        raise UserError(f"{path.name} is not a movie that can be read.", "Choose a movie file.")
    if name == "image2" or name.endswith("_pipe"):
        raise UserError(
            f"{path.name} is a still picture: one frame.", "Choose a movie; motion needs two frames."
        )
    cover = av.stream.Disposition.attached_pic  # the picture on a song is no movie
    streams = [s for s in container.streams.video if not s.disposition & cover]
    if not streams:
        raise UserError(f"{path.name} has no picture, only sound.", "Choose a movie with a picture.")
    stream = streams[0]
    if stream.codec_context is None or not stream.width or not stream.height:
        raise _undecodable(path)
    stream.thread_type = "AUTO"
    return stream


def frame_rate(stream: Any) -> Fraction:
    """Frames per second as the file states it (the average where it varies)."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate:
            return Fraction(rate)
    return Fraction(24)


def frame_index(path: Path, until: int | None = None) -> FrameIndex:
    """List the frames of a movie; at least the first `until` (all when None). No frame is decoded."""
    shown: list[int | None] = []
    keys: list[tuple[int, int]] = []
    with opened(path) as (container, stream):
        rate, time_base = frame_rate(stream), stream.time_base
        counted = container.format.name in COUNTED or not time_base
        for packet in _packets(container, stream):
            if packet.size == 0 or packet.is_discard:  # the end; outside the file's edit list
                continue
            shown.append(packet.pts)
            if packet.is_keyframe and packet.pts is not None:
                keys.append((packet.pts, packet.pts if packet.dts is None else packet.dts))
            if until is not None and len(shown) >= until + REORDER:
                break
    if counted or None in shown:
        return FrameIndex(tuple(range(len(shown))), (), 1 / rate)
    return FrameIndex(tuple(sorted({p for p in shown if p is not None})), tuple(sorted(keys)), time_base)


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """Packets up to the end (an empty one) or to where the file is cut off: what came before is good."""
    with suppress(av.error.FFmpegError):
        yield from container.demux(stream)


def decode(path: Path, index: FrameIndex, wanted: Sequence[int], fit: Fit) -> dict[int, Picture]:
    """Decode the frames numbered `wanted` (ascending), each put through `fit` at once: none piles up.

    A frame that cannot be decoded is replaced by its neighbour; those after the last good one are left out.
    """
    with opened(path) as (container, stream):
        found = _decode(container, stream, index, wanted, fit, seek=True)
    if found is None:  # the seek came out too late: from the beginning
        with opened(path) as (container, stream):
            found = _decode(container, stream, index, wanted, fit, seek=False)
    return found or {}


def _decode(
    container: Any, stream: Any, index: FrameIndex, wanted: Sequence[int], fit: Fit, seek: bool
) -> dict[int, Picture] | None:
    """None when the seek landed behind the first wanted frame."""
    start = index.pts[wanted[0]]
    key = max((k for k in index.keys if k[0] <= start), default=None)
    if seeking := seek and key is not None and key[0] > index.pts[0]:
        container.seek(key[1], stream=stream, backward=True)
    found: dict[int, Picture] = {}
    pending = list(wanted)
    before: tuple[int, Any] | None = None
    for count, frame in enumerate(_frames(container, stream)):
        pts = frame.pts if index.keys else count
        if seeking and before is None:
            if pts > start:
                return None
            if not frame.key_frame:  # needs pictures from before the place where the seek landed
                continue
        while pending and index.pts[pending[0]] <= pts:
            due = index.pts[pending[0]]
            nearer = frame if before is None or pts - due <= due - before[0] else before[1]
            found[pending.pop(0)] = fit(_upright(nearer))
        if not pending:
            break
        before = (pts, frame)
    return found


def _frames(container: Any, stream: Any) -> Iterator[Any]:
    """Decoded frames in presentation order; damaged packets are skipped."""
    flushed = False
    for packet in _packets(container, stream):
        flushed = packet.size == 0
        with suppress(av.error.InvalidDataError):
            yield from packet.decode()
    if not flushed:
        yield from stream.codec_context.decode(None)


def quarter_turns(frame: Any) -> int:
    """Counter-clockwise quarter turns that put the frame upright (phones store how they were held)."""
    degrees: int = frame.rotation
    return round(degrees / 90) % 4


def _upright(frame: Any) -> Picture:
    return np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns(frame))


def first_frame_turns(path: Path) -> int:
    """`quarter_turns` of the first frame that decodes; UserError when none does."""
    with opened(path) as (container, stream):
        for frame in _frames(container, stream):
            return quarter_turns(frame)
    raise _undecodable(path)
