"""A client, and the process that it starts around fake tasks."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.api.client import Backend

FAKE = Path(__file__).with_name("fake_backend.py")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Backend]]:
    started = []

    def start(*options: str, program: tuple[str | Path, ...] = (FAKE,)) -> Backend:
        backend = Backend(Path(sys.executable), tmp_path / "library", program=(*program, *options))
        started.append(backend)
        return backend

    yield start
    for backend in started:
        backend.stop()


@pytest.fixture
def backend(start: Callable[..., Backend]) -> Backend:
    return start()
