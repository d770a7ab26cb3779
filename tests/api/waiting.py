"""Waiting for a condition, with a limit."""

import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from backend.api.client import Backend
from backend.api.protocol import (
    Cancelled,
    Failed,
    Finished,
    Generate,
    Message,
)

LIMIT = 180.0  # seconds; the machine may be busy


_KEPT: WeakKeyDictionary[Backend, list[Message]] = WeakKeyDictionary()


def arrived(backend: Backend) -> list[Message]:
    """What has arrived since the last look, with what came along with the message `until` waited for."""
    return _KEPT.pop(backend, []) + backend.poll()


def until(backend: Backend, kind: Any, job: str | None = None) -> list[Message]:
    """What arrives up to the first message of `kind` (for `job`); later ones are kept for the next look."""
    seen: list[Message] = []
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        messages = arrived(backend)
        for i, message in enumerate(messages, start=1):
            seen.append(message)
            if isinstance(message, kind) and job in (None, getattr(message, "job", None)):
                _KEPT[backend] = messages[i:]
                return seen
        time.sleep(0.005)
    raise TimeoutError(f"no {kind} in {seen}\n{backend.log.read_text()}")


def endings(backend: Backend, *names: str) -> dict[str, Message]:
    """How each of these jobs ended; each has just one ending."""
    ended: list[Message] = []

    def all_there() -> bool:
        ended.extend(m for m in arrived(backend) if isinstance(m, Finished | Failed | Cancelled))
        return {m.job for m in ended} >= set(names)

    wait_for(all_there)
    assert sorted(m.job for m in ended) == sorted(names)
    return {m.job: m for m in ended}


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def ask(prompt: str, job: str = "j", out: str = "clip.mp4") -> Generate:
    return Generate(job=job, prompt=prompt, out=out)


def assert_works(backend: Backend) -> None:
    backend.send(ask("clip", "afterwards"))
    assert isinstance(until(backend, Finished, "afterwards")[-1], Finished)
