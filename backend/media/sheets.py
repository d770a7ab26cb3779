"""Contact sheets: clips side by side as one picture, a labelled row for each."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from backend.api.library import write_whole

Frames = npt.NDArray[np.uint8]  # (F, H, W, 3) RGB
Picture = npt.NDArray[np.uint8]  # (H, W, 3) RGB

HEIGHT = 112  # of a frame on the sheet; smaller ones are enlarged at least to it, larger ones reduced
MOST = 8  # frames in a row
GAP = 4
TEXT = 15
GROUND, INK = (24, 24, 26), (235, 235, 235)


def contact_sheet(rows: Sequence[tuple[str, Frames]], path: Path) -> None:
    """Write a picture with a row for each (label, frames): the label above up to eight evenly spaced frames.

    PNG or JPEG, as the path ends. Lines after the first of a label are its caption and drawn paler. Small
    frames are enlarged without smoothing, so that every pixel shows; long labels are wrapped to fit.
    """
    if not rows:
        raise ValueError("a contact sheet needs at least one row")
    strips = [_strip(frames) for _, frames in rows]
    width = max(strip.shape[1] for strip in strips)
    parts = []
    for (label, _), strip in zip(rows, strips, strict=True):
        filler = ((0, 0), (0, width - strip.shape[1]), (0, 0))
        ground = np.stack(
            [np.pad(strip[..., i], filler[:2], constant_values=GROUND[i]) for i in range(3)], -1
        )
        parts += [_label(label, width), ground]
    ok, data = cv2.imencode(Path(path).suffix, np.concatenate(parts)[..., ::-1])
    if not ok:
        raise ValueError("the contact sheet is too large for one picture")
    write_whole(Path(path), data.tobytes())


def _strip(frames: Frames) -> Picture:
    chosen = np.linspace(0, len(frames) - 1, min(len(frames), MOST)).round().astype(int)
    return np.concatenate([_framed(_scaled(frames[i])) for i in chosen], axis=1)


def _scaled(frame: Picture) -> Picture:
    height, width = frame.shape[:2]
    if height <= HEIGHT:
        times = -(-HEIGHT // height)
        return frame.repeat(times, axis=0).repeat(times, axis=1)
    size = (max(1, round(width * HEIGHT / height)), HEIGHT)
    reduced: Picture = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return reduced


def _framed(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    framed = np.full((height + GAP, width + GAP, 3), GROUND, np.uint8)
    framed[:height, :width] = picture
    return framed


def _label(text: str, width: int) -> Picture:
    """A band of text as wide as the sheet, as high as its lines need."""
    font = ImageFont.load_default(TEXT)
    letters = max(8, int(width / (TEXT * 0.58)))
    first, *captions = text.split("\n")
    lines = [(line, INK) for line in textwrap.wrap(first, letters) or [""]]
    lines += [(line, (160, 160, 165)) for c in captions for line in textwrap.wrap(c, letters)]
    step = TEXT + 5
    band = Image.new("RGB", (width, step * len(lines) + 8), GROUND)
    draw = ImageDraw.Draw(band)
    for number, (line, ink) in enumerate(lines):
        draw.text((4, 5 + number * step), line, fill=ink, font=font)
    return np.asarray(band)
