"""What the panel says about a strip and about what of it will be learned."""

import json
from pathlib import Path
from typing import Any

from . import strips
from .backend.errors import UserError

STARTER = Path(__file__).parent / "backend" / "starter" / "weights"
Window = tuple[int, float]  # frames and frames per second of the clips that a base makes and learns from


def window_of(base: str, library: Path) -> Window | None:
    """What a base's own profile says; None for one without (the backend knows more). Reads one small file."""
    for folder in [STARTER] if base == "starter" else [Path(base), library / "models" / base]:
        path = folder / "restage.json"
        if path.is_file():
            profile = json.loads(path.read_text("utf-8"))
            return int(profile.get("frames", 16)), float(profile.get("fps", 8))
    return None


def lines_about(strip: Any, scene: Any, window: Window | None) -> list[str]:
    """Size, rate and length of a movie strip's range, and which part of it is learned. Reads no file."""
    picture = strip.elements[0]
    rate = scene.render.fps / scene.render.fps_base
    lines = [f"{picture.orig_width} × {picture.orig_height}, {strip.fps:.5g} frames a second"]
    try:
        first, count = strips.source_range(strip, 1.0)
    except UserError as error:
        return [*lines, error.message]
    seconds = count / strip.fps
    if abs(strip.fps - rate) < 0.01:
        lines.append(f"Frames {first} to {first + count - 1} of the file, {seconds:.3g} s")
    else:  # how the strip matches the scene's rate is known only once its file is opened
        lines.append(f"{count} frames on the timeline, which runs at {rate:.5g}")
        seconds = min(seconds, count / rate)
    return [*lines, learned(seconds, window)] if window else lines


def learned(seconds: float, window: Window) -> str:
    frames, fps = window
    length = frames / fps
    if seconds > 1.05 * length:
        return f"Learned: the first {length:.3g} s, as {frames} frames"
    return f"Learned: all of it, as {frames} frames"
