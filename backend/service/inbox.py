"""What has been asked of the process: requests in order, cancels, and the end of it all."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from backend.api.protocol import (
    Cancel,
    Cancelled,
    Failed,
    Message,
    ProtocolError,
    Request,
    decode,
)


class Inbox:
    """Filled by the thread that reads stdin, emptied by the thread that works."""

    def __init__(self, send: Callable[[Message], None], patience: float) -> None:
        self._send = send
        self._patience = patience
        self._waiting: dict[str, Request] = {}  # in the order they came
        self._running = ""  # its job's id
        self._cancelled = False  # the running one
        self._closed = False
        self._changed = threading.Condition()

    def listen(self, lines: Iterable[bytes]) -> None:
        """Take messages until `lines` end; that means Blender is gone."""
        for line in lines:
            self.take(line)
        self.close()

    def take(self, line: bytes) -> None:
        """Sort one message in. What is not a message for the backend is answered with Failed."""
        try:
            message = decode(line)
        except ProtocolError as error:
            self._refuse(_job_in(line), f"A message was not understood: {error}")
            return
        match message:
            case Cancel(job=job):
                self._cancel(job)
            case _ if isinstance(message, Request):
                self._add(message)
            case _:
                self._refuse("", f"A message was not understood: {type(message).__name__} is not a request")

    def close(self) -> None:
        """Ask the running job to stop, start no other, and end the process if that takes too long."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        # Also when no job runs: a library's thread may keep the process from ending.
        watchdog = threading.Timer(self._patience, os._exit, (1,))
        watchdog.daemon = True
        watchdog.start()

    def requests(self) -> Iterator[Request]:
        """Each request as its turn comes, until the inbox is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                self._running = next(iter(self._waiting))
                self._cancelled = False
                request = self._waiting.pop(self._running)
            yield request

    def stop(self) -> Literal["", "cancel", "shutdown"]:
        """Whether the running job should stop, and why: "", "cancel" or "shutdown"."""
        if self._cancelled:
            return "cancel"
        return "shutdown" if self._closed else ""

    def ended(self) -> None:
        """The running job has ended. To be called before anyone hears of it, so that its id is free again."""
        with self._changed:
            self._running = ""

    def _add(self, request: Request) -> None:
        with self._changed:
            known = request.job == self._running or request.job in self._waiting
            if not known:
                self._waiting[request.job] = request
                self._changed.notify_all()
        if known:  # that job has one ending, which is not this one
            self._refuse("", f"There is an unfinished job {request.job!r} already.")

    def _cancel(self, job: str) -> None:
        with self._changed:
            self._cancelled |= bool(job) and job == self._running
            waiting = self._waiting.pop(job, None)
        if waiting:
            self._send(Cancelled(job=job))

    def _refuse(self, job: str, error: str) -> None:
        with self._changed:
            known = job == self._running or job in self._waiting
        hint = "Restart Blender: the add-on and its backend may be of different versions."
        self._send(Failed(job="" if known else job, error=error, hint=hint))


def _job_in(line: bytes) -> str:
    """The job's id, where a line that is not a message has one, else ""."""
    try:
        job = json.loads(line)["job"]
    except (ValueError, RecursionError, TypeError, KeyError):
        return ""
    return job if isinstance(job, str) else ""
