"""Job folders: what was asked, how it stands, and a lock that tells a running job from an interrupted one.

    library/jobs/<id>/  request.json · state.json · log.txt · lock · checkpoints/

The operating system frees the lock however the process ends. So *interrupted* is: state running, lock free.

What is kept: of a job that finished or was cancelled its request, state, log and previews; of one that failed
also its checkpoints, for the same request goes on from there. Of jobs that have ended the newest `KEPT`. An
interrupted job stays until it is resumed, or removed by hand.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from backend.api.library import write_whole
from backend.api.protocol import Request
from backend.api.values import from_plain, to_plain
from backend.errors import UserError

SCHEMA = 1
State = Literal["new", "running", "interrupted", "finished", "failed", "cancelled"]
ENDED = ("finished", "failed", "cancelled")
KEPT = 50  # jobs that have ended, whose logs can still be read
FACTS = ("request.json", "state.json", "log.txt", "lock", "previews")  # what stays of a job that is over
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

    def drop_work(self) -> None:
        """Remove checkpoints and prepared clips: nothing will go on from them."""
        _remove_inside(self.folder, lambda path: path.name not in FACTS)


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
    done = (job.id for job in all_jobs(library) if job.state == "finished")
    made = (job for job in done if output in read_state(library / "jobs" / job).get("outputs", ()))
    return next(made, "")


def can_resume(library: Path, job: str) -> bool:
    """Whether a job that did not finish has a checkpoint to go on from."""
    left = list((folder_of(library, job) / "checkpoints").glob("[!.]*"))
    return bool(left) and state_of(library, job) in ("interrupted", "failed")


@dataclass(frozen=True)
class Listed:
    """A job folder, seen from outside."""

    id: str
    state: State
    at: str  # ISO 8601, when it came into its last state


def all_jobs(library: Path) -> list[Listed]:
    """Every job of this or an older Restage in the library, the newest first."""
    found = []
    for path in (library / "jobs").glob("*/state.json"):
        with suppress(UserError, OSError):  # a newer program's, another user's, no job's name: not ours
            state, data = state_of(library, path.parent.name), read_state(path.parent)
            found.append(Listed(path.parent.name, state, data.get("at", "")))
    return sorted(found, key=lambda job: job.at, reverse=True)


def sweep(library: Path, keep: int | None = None) -> list[str]:
    """Remove the folders of all but the newest `keep` (KEPT) jobs that have ended; → their ids."""
    ended = [job.id for job in all_jobs(library) if job.state in ENDED]
    return [job for job in ended[KEPT if keep is None else keep :] if remove(library, job)]


def remove(library: Path, job: str) -> bool:
    """Remove a job's folder unless a process holds it or it cannot be removed; whether it is gone."""
    folder = folder_of(library, job)
    try:
        with FileLock(folder / "lock", timeout=0):
            # state.json first: what a kill leaves behind is a new job's folder, not a damaged old one's.
            (folder / "state.json").unlink(missing_ok=True)
            _remove_inside(folder, lambda path: path.name != "lock")
        shutil.rmtree(folder)  # Windows removes no file that is open: the lock only now
    except (Timeout, OSError):
        return False
    return True


def _remove_inside(folder: Path, unwanted: Callable[[Path], bool]) -> None:
    for path in filter(unwanted, list(folder.iterdir())):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def read_state(folder: Path) -> dict[str, Any]:
    """What state.json says; nothing when there is none, or a damaged one: then the job counts as new.

    Raises UserError for a newer program's.
    """
    try:
        data: dict[str, Any] = json.loads((folder / "state.json").read_text("utf-8"))
        schema = int(data["schema"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    if schema > SCHEMA:
        raise UserError(f"A newer Restage made the job {folder.name}.", "Update Restage.")
    return data


def _request_in(folder: Path) -> Request | None:
    try:
        data = json.loads((folder / "request.json").read_text("utf-8"))
        request: Request = from_plain(Request, data["request"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never started, or by a version with other settings: nothing of it can be resumed
    return request


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
