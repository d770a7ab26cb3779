"""Making the backend's environment while Blender stays usable."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from .backend.api import environment
from .backend.errors import UserError

CANCELLED = ("Setting up was cancelled.", "Set up again to go on; what has arrived is kept.")


@dataclass
class SetUp:
    """One attempt, in a thread that only writes these plain values; `anew` makes a ready one once more."""

    library: Path
    anew: bool = False
    line: str = "Starting"  # the last thing it reported
    error: UserError | None = None
    started: float = field(default_factory=time.monotonic)
    thread: threading.Thread = field(init=False)
    stopping: bool = False

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def running(self) -> bool:
        return self.thread.is_alive()

    def cancel(self) -> None:
        """End it. What has been downloaded is kept for the next attempt."""
        self.stopping = True
        environment.interrupt()

    def _run(self) -> None:
        try:
            if self.anew:
                (environment.environment_folder(self.library) / environment.MARKER).unlink(missing_ok=True)
            environment.make(self.library, self._report)
        except UserError as error:
            self.error = UserError(*CANCELLED) if self.stopping else error

    def _report(self, line: str) -> None:
        if self.stopping:  # between two steps there is no process to end
            raise UserError(*CANCELLED)
        self.line = line
