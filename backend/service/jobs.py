"""Job folders: what was asked, how it stands, and a lock that tells a running job from an interrupted one.

    library/jobs/<id>/  request.json · state.json · log.txt · lock · checkpoints/

The operating system frees the lock however the process ends. So *interrupted* is: state running, lock free.
"""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from backend.api.library import write_whole
from backend.api.protocol import Request
from backend.api.values import ProtocolError, from_plain, to_plain
from backend.errors import UserError

SCHEMA = 1
State = Literal["new", "running", "interrupted", "finished", "failed", "cancelled"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Job:
    """A job whose lock this process holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def log(self, text: str) -> None:
        with open(self.folder / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{_now()}  {text.rstrip()}\n")

    def set_state(self, state: State, **facts: Any) -> None:
        data = {"schema": SCHEMA, "state": state, "at": _now(), **facts}
        write_whole(self.folder / "state.json", json.dumps(data, indent=1).encode())


def folder_of(library: Path, job: str) -> Path:
    """Raises UserError for an id that is not a plain file name: it must not lead out of the library."""
    if not NAME.fullmatch(job):
        raise UserError(
            f"{job!r} is not a name for a job.", "Use letters, digits, dots, dashes and underlines."
        )
    return library / "jobs" / job


@contextmanager
def taken(library: Path, request: Request, fresh: bool = False) -> Iterator[Job]:
    """Hold the job's lock. Raises UserError when another process has it.

    What a former run of exactly this request left (checkpoints) stays, so that it resumes, unless that run
    finished or `fresh` is set.
    """
    folder = folder_of(library, request.job)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            data = read_state(folder)
            if fresh or data.get("state") == "finished" or _request_in(folder) != request:
                shutil.rmtree(folder / "checkpoints", ignore_errors=True)
            asked = {"schema": SCHEMA, "request": to_plain(request)}
            write_whole(folder / "request.json", json.dumps(asked, indent=1).encode())
            job = Job(folder)
            job.set_state("running")
            yield job
    except Timeout as error:
        raise UserError(
            f"The job {request.job} is already running in another process.",
            "Wait for it, or cancel it there.",
        ) from error


def state_of(library: Path, job: str) -> State:
    """How a job stands; "new" when it has never been started."""
    folder = folder_of(library, job)
    state: State = read_state(folder).get("state", "new")
    if state != "running":
        return state
    try:
        with FileLock(folder / "lock", timeout=0):
            # It may have ended between the look at its state and the lock.
            state = read_state(folder).get("state", "new")
            return "interrupted" if state == "running" else state
    except Timeout:
        return "running"


def last_to_make(library: Path, output: str) -> str:
    """The id of the job that finished last with `output` among its outputs, or ""."""
    made = [
        (data["at"], path.parent.name)
        for path in (library / "jobs").glob("*/state.json")
        if output in (data := read_state(path.parent)).get("outputs", ())
    ]
    return max(made, default=("", ""))[1]


def read_state(folder: Path) -> dict[str, Any]:
    """What state.json says; nothing when there is none. Raises UserError for a newer program's."""
    try:
        data: dict[str, Any] = json.loads((folder / "state.json").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    if data["schema"] > SCHEMA:
        raise UserError(f"A newer Restage made the job {folder.name}.", "Update Restage.")
    return data


def _request_in(folder: Path) -> Request | None:
    try:
        data = json.loads((folder / "request.json").read_text("utf-8"))
        request: Request = from_plain(Request, data["request"])
    except (FileNotFoundError, ProtocolError):
        return None  # never started, or by a version with other settings: nothing of it can be resumed
    return request


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
