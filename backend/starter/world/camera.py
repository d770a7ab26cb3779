"""Where the camera is at each moment, and what that does to a layer of the scene.

A camera move is a function of times in seconds, of its amount and of a phase. A point of a layer at depth d
(the subjects stand at depth 1) that was at P is seen at

    X = (P - 0.5 - truck / d) · d / (d - dolly)          seen from the place where the camera has gone
    screen = 0.5 + R(roll) · zoom · (X - pan)            through the lens and the way it is turned

so pan, tilt, roll and zoom move all layers alike, truck, crane and dolly the near ones more. Lengths are
fractions of the frame, x right, y down.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch

from .motions import MIDDLE, TAU, WANDER, random_waves, summed

if TYPE_CHECKING:
    from .shots import Shot


class CameraPath(NamedTuple):
    """Pan, truck (F, 2) in frames, dolly (F,) in subject depths, zoom (F,) as a factor, roll (F,) in radians.

    Positive pan and truck look right and down; positive roll turns the picture clockwise.
    """

    pan: torch.Tensor
    truck: torch.Tensor
    dolly: torch.Tensor
    zoom: torch.Tensor
    roll: torch.Tensor


Move = Callable[[torch.Tensor, float, float], CameraPath]
"""(times (F,), amount, phase in turns) → the camera's path."""


AHEAD = 0.25
"""Seconds before a clip's middle at which a named pan, tilt or zoom passes its place of rest, so that most
frames show where it goes. Were its way centred there, opposite words would mean the same but for the order
of frames, and a model finds no hold to tell them apart by (as with subjects, `shots.AHEAD`)."""


def _at_rest(t: torch.Tensor) -> CameraPath:
    nothing, pair = torch.zeros_like(t), torch.zeros(len(t), 2, dtype=t.dtype)
    return CameraPath(pair, pair, nothing, torch.ones_like(t), nothing)


def _pair(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.stack((x, y), dim=-1)


def _locked(t: torch.Tensor, amount: float, phase: float) -> CameraPath:
    return _at_rest(t)


def _turn(across: float, down: float) -> Move:
    def move(t: torch.Tensor, amount: float, phase: float) -> CameraPath:
        way = 0.35 * amount * (t - MIDDLE + AHEAD)
        return _at_rest(t)._replace(pan=_pair(across * way, down * way))

    return move


def _zoom(sign: float) -> Move:
    def move(t: torch.Tensor, amount: float, phase: float) -> CameraPath:
        return _at_rest(t)._replace(zoom=torch.exp(sign * 0.7 * amount * (t - MIDDLE + AHEAD)))

    return move


def _roll(t: torch.Tensor, amount: float, phase: float) -> CameraPath:
    return _at_rest(t)._replace(roll=0.9 * amount * (t - MIDDLE))


def _whip_pan(t: torch.Tensor, amount: float, phase: float) -> CameraPath:
    way = 0.45 * amount * torch.tanh(9 * (t - MIDDLE))
    return _at_rest(t)._replace(pan=_pair(way, torch.zeros_like(t)))


def _handheld(t: torch.Tensor, amount: float, phase: float) -> CameraPath:
    across = torch.sin(TAU * (1.3 * t + phase)) + 0.5 * torch.sin(TAU * (2.9 * t + 2 * phase))
    down = torch.sin(TAU * (1.7 * t + 3 * phase)) + 0.5 * torch.sin(TAU * (2.3 * t + phase))
    return _at_rest(t)._replace(
        pan=0.03 * amount * _pair(across, down), roll=0.03 * amount * torch.sin(TAU * (t + phase))
    )


def _dolly_zoom(t: torch.Tensor, amount: float, phase: float) -> CameraPath:
    dolly = 0.35 * amount * (t - MIDDLE)
    return _at_rest(t)._replace(dolly=dolly, zoom=1 - dolly)  # what stands at depth 1 keeps its size


def _orbit(t: torch.Tensor, amount: float, phase: float) -> CameraPath:
    way = 0.5 * amount * (t - MIDDLE)
    across = _pair(way, torch.zeros_like(t))
    return _at_rest(t)._replace(truck=across, pan=-across)  # goes sideways and keeps looking at depth 1


def _crane(t: torch.Tensor, amount: float, phase: float) -> CameraPath:
    way = 0.4 * amount * (t - MIDDLE)
    up = _pair(torch.zeros_like(t), -way)
    return _at_rest(t)._replace(truck=up, pan=-0.4 * up)


def _wander(t: torch.Tensor, amount: float, phase: float) -> CameraPath:
    """A random smooth way, another for each phase: it pans up to 0.6 of the frame, at times zooms or rolls.

    None of it is named. As with subjects that wander, a model that has seen grounds move any way holds them
    together under a learned move.
    """
    rng = random.Random(f"camera {phase}")
    second = torch.linspace(0, 1, 33, dtype=t.dtype)
    ways = []
    for most in (rng.uniform(0.15, 0.6), rng.uniform(0.05, 0.6), *rng.choice(((0, 0), (0.7, 0), (0, 0.9)))):
        waves = random_waves(rng)
        low, high = summed(waves, second).aminmax()
        ways.append(amount * most * (summed(waves, t) - (low + high) / 2) / (high - low))
    x, y, zoom, roll = ways
    return _at_rest(t)._replace(pan=_pair(x, y), zoom=torch.exp(zoom), roll=roll)


CAMERAS_INSIDE: dict[str, Move] = {
    "locked": _locked,
    "pan left": _turn(-1, 0),
    "pan right": _turn(1, 0),
    "tilt up": _turn(0, -1),
    "tilt down": _turn(0, 1),
    "zoom in": _zoom(1),
    "zoom out": _zoom(-1),
}
CAMERAS_OUTSIDE: dict[str, Move] = {
    "roll": _roll,
    "whip pan": _whip_pan,
    "handheld": _handheld,
    "dolly zoom": _dolly_zoom,
    "orbit": _orbit,
    "crane": _crane,
}


def camera_path(shot: Shot, times: torch.Tensor) -> CameraPath:
    """The camera's path at `times` (F,) in seconds."""
    return (CAMERAS_INSIDE | CAMERAS_OUTSIDE | {WANDER: _wander})[shot.camera](
        times, shot.camera_amount, shot.phase
    )


def rotated(points: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Points (…, 2) turned clockwise on the screen by `angle` (…)."""
    cos, sin = angle.cos(), angle.sin()
    return _pair(cos * points[..., 0] - sin * points[..., 1], sin * points[..., 0] + cos * points[..., 1])


def seen_at(camera: CameraPath, points: torch.Tensor, depth: float = 1.0) -> torch.Tensor:
    """Where on the screen points (F, 2) of the layer at `depth` are seen (F, 2)."""
    nearer = (depth / (depth - camera.dolly)).unsqueeze(-1)
    seen = (points - 0.5 - camera.truck / depth) * nearer
    return 0.5 + rotated(camera.zoom.unsqueeze(-1) * (seen - camera.pan), camera.roll)


def magnification(camera: CameraPath, depth: float = 1.0) -> torch.Tensor:
    """How much larger than at rest the layer at `depth` is seen (F,)."""
    return camera.zoom * depth / (depth - camera.dolly)


def looked_at(camera: CameraPath, screen: torch.Tensor, depth: float) -> torch.Tensor:
    """The inverse of `seen_at`: which points of the layer lie behind screen points (F, …, 2)."""
    ones = (1,) * (screen.dim() - 2)
    zoom, roll = camera.zoom.view(-1, *ones), camera.roll.view(-1, *ones)
    pan, truck = camera.pan.view(-1, *ones, 2), camera.truck.view(-1, *ones, 2)
    farther = ((depth - camera.dolly) / depth).view(-1, *ones, 1)
    seen = rotated(screen - 0.5, (-roll).expand(screen.shape[:-1])) / zoom.unsqueeze(-1) + pan
    return seen * farther + 0.5 + truck / depth
