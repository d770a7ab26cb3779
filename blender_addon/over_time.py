"""A strength that changes over the clip: keyframes on the timeline → the protocol's keys, and back."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from . import strips
from .backend.api.protocol import Key
from .backend.errors import UserError
from .facts import Base
from .properties import value_of

LIMITS = next(f.metadata for f in fields(Key) if f.name == "strength")
ROW = re.compile(r"restage\.(\w+)\[(\d+)\]\.(\w+)")  # where an action or driver says that a row is animated


FRAMES = 16  # moments of a clip that are looked at where nobody knows how many frames the base makes


@dataclass(frozen=True)
class Span:
    """Where on the timeline a new clip will lie, in its frames, and how many the base makes of it."""

    start: float
    length: float
    frames: int

    def moment(self, at: float) -> float:
        """The timeline's frame for 0, the clip's first frame, to 1, its last."""
        return self.start + at * self.length * (self.frames - 1) / self.frames


def span_of(scene: Any, base: Base) -> Span:
    """As the settings stand. Raises UserError where nobody knows how long a clip of the base is."""
    strip, settings = strips.active_strip(scene), scene.restage
    start = getattr(strip, strips.START) if strip else scene.frame_current
    frames = value_of(settings.sampling, "frames") or (base.window[0] if base.window else FRAMES)
    if settings.as_long and strip:
        return Span(start, getattr(strip, strips.DURATION), frames)
    if base.window is None:
        raise UserError(
            f"How long a clip of {base.name} is, is not known here.",
            "Choose “As long as the strip” in the options, or switch Over Time off.",
        )
    seconds, render = frames / base.window[1], scene.render
    return Span(start, round(seconds * render.fps / render.fps_base), frames)


def sampled(row: Any, span: Span) -> tuple[float, ...]:
    """The strength of a row at each frame of the clip; empty where it is not to change over it."""
    curve = curve_of(row) if row.over_time else None
    if curve is None or curve.mute:
        return ()
    moments = (span.moment(i / (span.frames - 1)) for i in range(span.frames))
    low, high = LIMITS["low"], LIMITS["high"]
    return tuple(round(min(max(curve.evaluate(moment), low), high), 4) for moment in moments)


def said(row: Any, span: Span) -> dict[str, Any]:
    """The fields of a protocol.Motion or Looks that say how strongly a row acts."""
    values = sampled(row, span)
    if len(set(values)) < 2:  # one that does not change is merged into the weights, which is faster
        return {"strength": values[0] if values else row.strength}
    last = len(values) - 1
    return {"curve": tuple(Key(at=i / last, strength=v) for i, v in enumerate(values))}


def in_words(row: Any, span: Span) -> str:
    """What will be sent of a row, for the panel."""
    values, where = sampled(row, span), f"frames {span.start:.0f} to {span.start + span.length - 1:.0f}"
    if not values:
        return f"{row.strength:.2f} throughout: it has no keyframes yet"
    if len(set(values)) < 2:
        return f"{values[0]:.2f} throughout: it does not change over {where}"
    return f"{_turns(values)} over {where}"


def _turns(values: Sequence[float]) -> str:
    """ "0.00 → 1.00 → 0.20": the ends, and where rising turns to falling between them."""
    inner = zip(values, values[1:], values[2:], strict=False)
    turns = [b for a, b, c in inner if (b - a) * (c - b) < 0]
    return " → ".join(f"{value:.2f}" for value in (values[0], *turns, values[-1]))


def lay(row: Any, curve: Sequence[Key], span: Span) -> None:
    """Keyframes that say the same as a request's keys; none for a strength that does not change."""
    row.over_time = bool(curve)
    for key in curve:
        row.strength = key.strength
        row.keyframe_insert("strength", frame=span.moment(key.at))
    for point in curve_of(row).keyframe_points if curve else ():
        point.interpolation = "LINEAR"


# ------------------------------------------------------------------ where Blender keeps them


def curve_of(row: Any) -> Any:
    """The F-curve that animates a row's strength, or None."""
    path = row.path_from_id("strength")
    return next((c for held in _channels(row.id_data) for c in held if c.data_path == path), None)


def forget(scene: Any, name: str, index: int) -> None:
    """Remove keyframes and drivers of a row that goes; those of later rows follow to their new numbers."""
    drivers = [scene.animation_data.drivers] if scene.animation_data else []
    for held in (*_channels(scene), *drivers):
        for curve in list(held):
            found = ROW.fullmatch(curve.data_path)
            if not found or found[1] != name or int(found[2]) < index:
                continue
            if int(found[2]) == index:
                held.remove(curve)
            else:
                curve.data_path = f"restage.{name}[{int(found[2]) - 1}].{found[3]}"


def _channels(scene: Any) -> list[Any]:
    """The collections of F-curves that act on a scene: in slots since 4.4, and only there since 5.0."""
    data = scene.animation_data
    if data is None or data.action is None:
        return []
    if not hasattr(data, "action_slot"):
        return [data.action.fcurves]
    if data.action_slot is None:
        return []
    found = (strip.channelbag(data.action_slot) for layer in data.action.layers for strip in layer.strips)
    return [bag.fcurves for bag in found if bag is not None]
