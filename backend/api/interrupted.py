"""Learning runs that a quit or a crash cut short, found in the job folders that `service/jobs.py` writes.

Blender asks this when it starts, before there is a backend: sending the same request again resumes it.
"""

import json
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from .protocol import Learn
from .values import ProtocolError, from_plain

NEWEST = 40  # folders that are looked at: a library keeps every job, and Blender's main thread asks


def interrupted(library: Path) -> list[Learn]:
    """What was asked of each interrupted Learn among the newest jobs, the newest first.

    One that another process runs is not interrupted; nor is one of a Restage with other settings, which
    could not go on from its checkpoint.
    """
    found = [_learn_in(folder) for folder in _newest_first(library / "jobs")[:NEWEST]]
    return [request for request in found if request]


def forget(library: Path, request: Learn) -> None:
    """Delete what an interrupted run has kept. One that another process has taken up meanwhile stays."""
    folder = library / "jobs" / request.job
    if _learn_in(folder) == request:
        shutil.rmtree(folder, ignore_errors=True)


def _newest_first(jobs: Path) -> list[Path]:
    """The folders in `jobs`; none where that is no folder, or may not be looked into."""
    dated = []
    with suppress(OSError), os.scandir(jobs) as entries:
        for entry in entries:
            with suppress(OSError):  # the backend has swept it away since it was listed
                if entry.is_dir():
                    dated.append((entry.stat().st_mtime, Path(entry.path)))
    return [folder for _, folder in sorted(dated, reverse=True)]


def _learn_in(folder: Path) -> Learn | None:
    """The request of a job folder, if it is an interrupted Learn that can be resumed."""
    state, asked = _read(folder / "state.json"), _read(folder / "request.json")
    if state.get("state") != "running" or not _free(folder / "lock"):
        return None
    try:
        request: Learn = from_plain(Learn, asked.get("request"))
    except ProtocolError:
        return None
    return request if request.job == folder.name else None


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _free(path: Path) -> bool:
    """Whether no process holds the lock of a job, as filelock takes it. Looking holds it for an instant."""
    try:
        with open(path, "r+b") as file:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True  # its process ended between making the folder and the lock, or cleaned up after itself
    except OSError:
        return False
    return True
