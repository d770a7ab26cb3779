"""What a task needs of its surroundings, and what it gives back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


class Stopped(Exception):
    """The task was asked to stop and did: "cancel" for good, "shutdown" to be resumed."""

    def __init__(self, reason: Literal["cancel", "shutdown"]) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Run:
    folder: Path  # the job's own: checkpoints/ and whatever must survive a kill
    library: Path
    progress: Callable[[str, int, int, str], None]  # phase, done, total, note
    preview: Callable[[str, int], None]  # path, step
    stop: Callable[[], Literal["", "cancel", "shutdown"]]  # asked between steps

    def check(self) -> None:
        """Raise Stopped if that was asked for."""
        if reason := self.stop():
            raise Stopped(reason)

    def step(self, phase: str, done: int, total: int, note: str = "") -> None:
        """Report one step done, then give way to a stop."""
        self.progress(phase, done, total, note)
        self.check()


@dataclass(frozen=True)
class Result:
    outputs: tuple[str, ...]  # clips, or a preset folder
    notes: tuple[str, ...] = field(default=())  # what the artist should know
