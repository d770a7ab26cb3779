"""Starts the backend process and exchanges messages with it. No bpy: a timer elsewhere calls `poll`."""

import contextlib
import os
import queue
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..errors import UserError
from .protocol import (
    VERSION,
    Cancel,
    Cancelled,
    Failed,
    Finished,
    Message,
    ProtocolError,
    Ready,
    Request,
    check,
    decode,
    encode,
)

ROOT = Path(__file__).resolve().parents[2]  # the folder that holds backend/
LOG_LIMIT = 2**20  # bytes; a longer log starts anew with the next process
NEVER = float("inf")
OTHER_VERSION = (
    "The backend is of another version than the add-on.",
    "Restart Blender; if this comes back, repair the backend in Restage's preferences.",
)
# How long OpenMP's threads spin for each other. By default they come to a halt where another program uses the
# cores too: a learning step of 0.20 s took over 3 s. Sleeping sooner it takes 0.45 s, and 0.25 s alone.
SPIN_COUNT = "3000"
STUCK = ("The backend was ended, because another job did not stop when cancelled.", "Start this job again.")


class Backend:
    """One backend process. No method waits for it, except `stop`; call them all from one thread."""

    def __init__(
        self,
        python: Path,
        library: Path,
        log: Path | None = None,
        program: Sequence[str | Path] = ("-m", "backend"),
    ) -> None:
        """Start `program` (after it: --library) with `python`. Raises UserError when that cannot be done.

        `log` gets what the process prints; it is backend.log in the library unless given.
        """
        self.ready: Ready | None = None
        self.log = log or library / "backend.log"
        self.bad_lines = 0  # from the backend that were not messages
        self._unfinished: dict[str, float] = {}  # job → when it must have ended: NEVER, unless cancelled
        self._killed_for: tuple[str, str] | None = None  # an error and its hint
        self._inbox: queue.SimpleQueue[Message | ProtocolError | None] = queue.SimpleQueue()  # None: the end
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()  # None: close stdin
        self._ended = False  # None has come out of the inbox
        self._process = self._start([python, *program, "--library", library], library)
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._read, self._write)]
        for thread in self._threads:
            thread.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, message: Request | Cancel) -> None:
        """Raises UserError for a setting outside its limits, and when the backend is gone."""
        check(message)
        line = encode(message)
        if self._killed_for:
            raise UserError(*self._killed_for)
        if not self.alive:
            raise UserError(
                "The backend is not running.", f"Start it again. What it said last is in {self.log}."
            )
        if not isinstance(message, Cancel):
            if message.job in self._unfinished:
                raise UserError(f"The job {message.job} is not finished yet.", "Wait for it, or cancel it.")
            self._unfinished[message.job] = NEVER
        self._outbox.put(line)

    def cancel(self, job: str, grace: float = 10.0) -> None:
        """Ask a job to stop. One that has not after `grace` seconds is ended by `poll`, with the process."""
        if job in self._unfinished and self.alive:
            self._unfinished[job] = min(self._unfinished[job], time.monotonic() + grace)
            self._outbox.put(encode(Cancel(job=job)))

    def poll(self) -> list[Message]:
        """What has arrived since the last call, never waiting for more.

        When the process is gone, each unfinished job gets its ending here, once.
        """
        messages: list[Message] = []
        with contextlib.suppress(queue.Empty):
            while (message := self._inbox.get_nowait()) is not None:
                messages += self._received(message)
            self._ended = True
        if min(self._unfinished.values(), default=NEVER) <= time.monotonic():
            self._kill(STUCK)
        if self._ended and not self.alive:
            messages += [self._ending(job) for job in self._unfinished]
            self._unfinished.clear()
        return messages

    def stop(self, timeout: float = 5.0) -> None:
        """Let the process end: a running Learn writes a checkpoint. After `timeout` seconds it is killed."""
        self._outbox.put(None)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(1.0)

    def _start(self, command: Sequence[str | Path], library: Path) -> subprocess.Popen[bytes]:
        try:
            library.mkdir(parents=True, exist_ok=True)
            self.log.parent.mkdir(parents=True, exist_ok=True)
            full = self.log.exists() and self.log.stat().st_size > LOG_LIMIT
            with open(self.log, "wb" if full else "ab") as log:
                return subprocess.Popen(
                    command,
                    # Not the add-on's folder: Windows could not remove that while the process runs.
                    cwd=library,
                    env=_environment(Path(command[0]), library),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    # Ctrl-C in the terminal that Blender was started from is for Blender.
                    start_new_session=True,
                    creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                )
        except OSError as error:
            raise UserError(
                f"The backend could not be started: {error.strerror} ({error.filename}).",
                "Set up or repair the backend in Restage's preferences.",
            ) from error

    def _received(self, message: Message | ProtocolError) -> list[Message]:
        """What `poll` passes on of one message."""
        if self.ready is None and (not isinstance(message, Ready) or message.version != VERSION):
            told = self._killed_for or self._unfinished  # each unfinished job will get this as its ending
            self._kill(OTHER_VERSION)
            # (A Ready of another version may have another form, and so be no message.)
            return [] if told else [Failed(job="", error=OTHER_VERSION[0], hint=OTHER_VERSION[1])]
        if isinstance(message, ProtocolError):
            self.bad_lines += 1
            return []
        if isinstance(message, Ready):
            self.ready = message
        elif isinstance(message, Finished | Failed | Cancelled):
            self._unfinished.pop(message.job, None)
        return [message]

    def _kill(self, reason: tuple[str, str]) -> None:
        self._killed_for = self._killed_for or reason
        self._process.kill()

    def _ending(self, job: str) -> Message:
        """Of a job whose process is gone."""
        if self._unfinished[job] != NEVER:
            return Cancelled(job=job)
        if self._killed_for:
            return Failed(job=job, error=self._killed_for[0], hint=self._killed_for[1])
        code = self._process.returncode
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        memory = " The system may have ended it for want of memory." if code == -9 else ""
        hint = f"Start the job again; what the backend said last is in {self.log}."
        return Failed(job=job, error=f"The backend stopped unexpectedly ({how}).{memory}", hint=hint)

    def _read(self) -> None:
        """In a thread: lines from the process into the inbox. A bad line is logged, not fatal."""
        stream: IO[bytes] = self._process.stdout  # type: ignore[assignment]
        with stream:
            for line in stream:
                try:
                    self._inbox.put(decode(line))
                except ProtocolError as error:
                    self._inbox.put(error)
                    with contextlib.suppress(OSError), open(self.log, "a", encoding="utf-8") as log:
                        log.write(f"The add-on did not understand the backend: {error}\n")
        self._inbox.put(None)

    def _write(self) -> None:
        """In a thread: lines from the outbox to the process. A full pipe holds up nobody else."""
        stream: IO[bytes] = self._process.stdin  # type: ignore[assignment]
        with contextlib.suppress(OSError):  # the process is gone; `poll` tells
            while (line := self._outbox.get()) is not None:
                stream.write(line)
                stream.flush()
        with contextlib.suppress(OSError):
            stream.close()


def _environment(python: Path, library: Path) -> dict[str, str]:
    """This process's own, without what Blender's Python or the user's would mix into the backend's."""
    mixing = ("PYTHONHOME", "PYTHONSTARTUP", "PYTHONPLATLIBDIR", "PYTHONDONTWRITEBYTECODE")
    # Bytecode stays out of the add-on's folder, which stays as it was installed. It is kept with the
    # environment, for every library: compiling torch and diffusers anew takes a minute on a busy machine.
    home = python.parents[1]
    bytecode = home / "pycache" if (home / "pyvenv.cfg").is_file() else library / "pycache"
    return {name: text for name, text in os.environ.items() if name not in mixing} | {
        "PYTHONPATH": str(ROOT),
        "PYTHONSAFEPATH": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX") or str(bytecode),
        "PYTHONUNBUFFERED": "1",
        "GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", SPIN_COUNT),
        "PYTHONUTF8": "1",
        "DIFFUSERS_DISABLE_REMOTE_CODE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
