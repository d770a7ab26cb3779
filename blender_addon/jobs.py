"""A job as the panel lists it, and how what it made gets where it belongs.

Jobs are plain values that hold ids, never anything of Blender's: undo, another .blend or a deleted scene
cannot invalidate them, and drawing them reads no file.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from . import stack, strips
from .backend.api.protocol import Edit, Export, Generate, Import, Learn, Progress, Request
from .backend.errors import UserError
from .requests_from_scene import as_json

Ending = Literal["done", "failed", "cancelled", "interrupted"]
ENDINGS = get_args(Ending)


@dataclass
class Job:
    """One row of the panel. "interrupted": a Learn that an earlier Blender left, found on disk."""

    request: Request
    place: strips.Place
    title: str
    state: Literal["waiting", "running", "stopping"] | Ending = "waiting"
    phase: str = ""
    done: int = 0
    total: int = 0
    note: str = ""  # while it runs, what the backend adds; afterwards what the artist should know
    hint: str = ""
    picture: Path | None = None  # what it makes so far
    pictured: int = 0  # after how many steps
    outputs: tuple[str, ...] = ()
    placed: bool = False  # whether what it made is where it belongs
    clock: float = 0.0  # when the first step of this phase was done, and how many were then
    clock_done: int = 0

    @property
    def ended(self) -> bool:
        return self.state in ENDINGS

    def progress(self, message: Progress) -> None:
        if message.phase != self.phase or message.done < self.done or not self.clock_done:
            self.clock, self.clock_done = time.monotonic(), message.done
        self.state = "running" if self.state == "waiting" else self.state
        self.phase, self.note = message.phase, message.note
        self.done, self.total = message.done, message.total

    @property
    def seconds_left(self) -> float | None:
        """Of this phase, at the pace so far; None while that says little."""
        steps, seconds = self.done - self.clock_done, time.monotonic() - self.clock
        if self.state != "running" or steps < 2 or seconds < 2:
            return None
        return seconds / steps * (self.total - self.done)

    def arrive(self) -> None:
        """Put what it made where it belongs; when that cannot be, say where the files are."""
        try:
            self.note = f"{self.note} {self.deliver(self.place)}".strip()
        except (UserError, RuntimeError, OSError) as error:
            self.note = str(error)
            self.hint = f"It is kept in {Path(self.outputs[0]).parent}"

    def deliver(self, place: strips.Place) -> str:
        """One undo step; → what the artist should know of it. Raises UserError when the place is gone or has
        no room, RuntimeError.
        """
        note = ""
        match self.request:
            case Learn(stills=stills):  # what was learned of stills is kept last
                add_learned(place, (self.outputs[0], *(self.outputs[1:][-1:] if stills else ())))
            case Import():
                add_learned(place, self.outputs)
            case Generate() | Edit():
                requests = each_as_json(self.request, self.outputs)
                note = strips.insert(place, self.outputs, self.title, requests)
            case Export():
                pass
        self.placed = True
        return note


def each_as_json(request: Generate | Edit, outputs: tuple[str, ...]) -> list[str]:
    """For each clip the request that makes it alone: the second has the next seed."""
    alone = (replace(request, out=out, seed=request.seed + i, count=1) for i, out in enumerate(outputs))
    return [as_json(one) for one in alone]


def add_learned(place: strips.Place, folders: tuple[str, ...]) -> None:
    """Put learned motions and looks on the lists of the scene they were learned in."""
    scene = strips.find_scene(place)
    if scene is None:
        raise UserError("The scene it was learned in is not open.", "Add the motion from the list.")
    rows = [stack.add_learned(scene, Path(folder)) for folder in folders]
    strips.push_undo(f"Restage: learn {rows[0].title}")
