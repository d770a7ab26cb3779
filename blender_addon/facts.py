"""What the panel says about a strip, about what of it will be learned, and about which motions fit a base."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from . import strips
from .backend.api.bases import HUB_NAME, STARTER, architecture
from .backend.api.library import expand_user
from .backend.api.presets import FILE, Kind, checkpoints_of, of_step, read_preset
from .backend.errors import UserError

LORAS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
NEW_WORDS = ("X*", "<looks>")  # in the words of learned looks: what a prompt must say for them to act
Window = tuple[int, float]  # frames and frames per second of the clips that a base makes and learns from


@dataclass(frozen=True)
class Base:
    """What a base's folder tells; nothing of one that has not been fetched (the backend knows more)."""

    name: str
    window: Window | None = None
    architecture: str = ""
    wrong: str = ""  # why it cannot be used, and what to do
    to_fetch: bool = False  # from the hub, by its first job


@dataclass(frozen=True)
class Learned:
    """What of a motion's preset the panel needs."""

    title: str
    bases: str  # that it was learned on, in words
    architectures: frozenset[str]  # empty where only the backend can tell
    say: str = ""  # what a prompt must say for it to be seen
    steps: int = 0  # of learning; 0 where nobody knows
    kind: Kind = "style"  # what moves; of somebody's LoRA nothing
    checkpoints: tuple[int, ...] = ()  # after how many of them it was kept, to choose instead of the end


def base_of(name: str, library: Path) -> Base:
    """Reads two small files: not for `draw`."""
    own = expand_user(name)
    for folder in [STARTER] if name == "starter" else [own, library / "models" / name]:
        profile, config = _json(folder / "restage.json"), _json(folder / "unet" / "config.json")
        if profile or config:
            wrong, window = "", None
            try:
                window = _window(profile) if profile else None
            except (ValueError, TypeError, ArithmeticError):
                wrong = f"{folder / 'restage.json'} gives no usable frames and fps; correct or delete it"
            form = architecture(config) if config else ""
            return Base(str(profile.get("name", name)), window, form, wrong, _to_fetch(name, library))
    return Base(name, to_fetch=_to_fetch(name, library))


def why_not_fetch(base: Base) -> str:
    """Why a base of the hub that is not here cannot be fetched, in a sentence; nothing when it can."""
    if not base.to_fetch or bpy.app.online_access:
        return ""
    return f"{base.name} is to be fetched: allow online access first (Preferences > System > Network)"


def check_fetch(request: Any, library: Path) -> None:
    """Raises UserError when a job's bases are to be fetched, and cannot be."""
    second = getattr(request, "finish", None)
    for name in filter(None, (getattr(request, "base", ""), getattr(second, "base", ""))):
        if reason := why_not_fetch(base_of(name, library)):
            raise UserError(f"{reason}.", "Then try again.")


def _to_fetch(name: str, library: Path) -> bool:
    """As the backend decides it: a folder without its index has been fetched in part."""
    here = os.path.exists(expand_user(name)) or (library / "models" / name / "model_index.json").is_file()
    return bool(HUB_NAME.fullmatch(name)) and not here


def _window(profile: dict[str, Any]) -> Window:
    """Raises ValueError, TypeError or ArithmeticError for what is no length or no rate."""
    from fractions import Fraction  # loads decimal: not while Blender starts

    frames, fps = int(profile.get("frames", 16)), Fraction(profile.get("fps", 8))  # such as 24000/1001
    if frames < 2 or fps <= 0:
        raise ValueError(f"{frames} frames at {fps} fps are no clip")
    return frames, float(fps)


def why_not_library(folder: Path) -> str:
    """Why nothing can be kept in a library, and what to do; nothing when it can. Not for `draw`."""
    what_to_do = "Choose another one in Restage's preferences."
    if os.path.exists(folder) and not os.path.isdir(folder):
        return f"The library {folder} is a file, not a folder. {what_to_do}"
    if os.path.isdir(folder) and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return f"The library {folder} may not be read and written. {what_to_do}"
    return ""


def is_lora(path: Path) -> bool:
    """Whether that is somebody's LoRA, and not a preset folder. Looks at the disk: not for `draw`."""
    return path.suffix.lower() in LORAS and not os.path.isfile(path / FILE)


def unsaid(words: str, prompt: str) -> bool:
    """Whether there is a new word in these that the prompt does not say."""
    return any(word in words and word not in prompt for word in NEW_WORDS)


def learned_in(folder: Path) -> Learned | None:
    """What a motion's folder, or a LoRA, tells; None when there is none (any more). Not for `draw`."""
    if is_lora(folder):  # (os.path: of what may not be looked at, Path.is_file raises)
        return Learned(folder.stem, "", frozenset()) if os.path.isfile(folder) else None
    try:
        preset = read_preset(folder)
    except UserError:
        return None
    known = [w for w in of_step(preset, 0) if w.base]
    return Learned(
        preset.title or preset.motion,
        ", ".join(w.base for w in known),
        frozenset(w.architecture for w in preset.weights) or frozenset({"none"}),
        preset.looks if unsaid(preset.looks, "") else "",
        preset.steps or 0,
        preset.kind,
        tuple(checkpoints_of(preset)),
    )


def why_not_on(base: Base | None, motion: Learned | None, step: int) -> str:
    """Why a motion, as after that step, cannot act on a base, in a sentence; nothing when it can or when
    that is not known.
    """
    if motion is None:
        return "This motion is not in the library any more"
    if step and step not in motion.checkpoints:
        return f"It has no checkpoint after {step} steps"
    if base is None or not base.architecture or not motion.architectures:
        return ""
    if base.architecture in motion.architectures:
        return ""
    return f"Learned on {motion.bases or 'no base'}, so it does not fit {base.name}"


def lines_about(strip: Any, scene: Any, window: Window | None) -> list[str]:
    """Size, rate and length of a movie strip's range, and which part of it is learned. Reads no file."""
    picture = strip.elements[0]
    rate = scene.render.fps / scene.render.fps_base
    lines = [f"{picture.orig_width} × {picture.orig_height} pixels, {strip.fps:.5g} fps"]
    try:
        first, count = strips.source_range(strip, 1.0)
    except UserError as error:
        return [*lines, error.message]
    seconds = count / strip.fps
    if abs(strip.fps - rate) < 0.01:
        lines.append(f"Frames {first} to {first + count - 1} of the file, {seconds:.3g} s")
    else:  # how the strip matches the scene's rate is known only once its file is opened
        lines.append(f"{count} frames of the timeline, which runs at {rate:.5g} fps")
        seconds = min(seconds, count / rate)
    if strip.use_reverse_frames:
        lines.append("Played backwards, and learned so")
    return [*lines, learned(seconds, window)] if window else lines


def learned(seconds: float, window: Window) -> str:
    frames, fps = window
    length = frames / fps
    if seconds > 1.05 * length:
        return f"Learned: the first {length:.3g} s, as {frames} frames"
    return f"Learned: all of it, as {frames} frames"


def left_aside(strip: Any) -> str:
    """What the strip does to its picture that the file's own frames do not have; "" for nothing."""
    done = {
        "flip": strip.use_flip_x or strip.use_flip_y,
        "crop": any(getattr(strip.crop, side) for side in ("min_x", "max_x", "min_y", "max_y")),
        "rotation": abs(strip.transform.rotation) > 1e-4,
        "strobe": strip.strobe > 1,
        "modifiers": len(strip.modifiers) > 0,
    }
    words = [name for name, does in done.items() if does]
    return f"The file's own frames are used, without the strip's {' and '.join(words)}" if words else ""


def _json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
