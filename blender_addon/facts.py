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
    seconds = strips.seconds_of(strip, scene)
    lines = [f"{picture.orig_width} × {picture.orig_height}, {strip.fps:.5g} frames a second"]
    if abs(strip.fps - rate) < 0.01:
        try:
            first, count = strips.source_range(strip, 1.0)
        except UserError as error:
            return [*lines, error.message]
        lines.append(f"Frames {first} to {first + count - 1} of the file: {count} in {seconds:.3g} s")
    else:
        lines.append(f"{seconds:.3g} s on the timeline, which runs at {rate:.5g}")
    return [*lines, learned(seconds, window)] if window else lines


def learned(seconds: float, window: Window) -> str:
    frames, fps = window
    length = frames / fps
    if seconds > 1.05 * length:
        return f"Learned from: the first {length:.3g} s ({frames} frames)"
    return f"Learned from: all of it, as {frames} frames"
