"""Learning runs that a quit or a crash cut short, found in the job folders that `service/jobs.py` writes.

Blender asks this when it starts, before there is a backend: sending the same request again resumes it.
"""

import json
import os
import shutil
import sys
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
    try:
        folders = [entry for entry in os.scandir(library / "jobs") if entry.is_dir()]
    except FileNotFoundError:
        return []
    folders.sort(key=lambda entry: entry.stat().st_mtime, reverse=True)
    found = [_learn_in(Path(entry.path)) for entry in folders[:NEWEST]]
    return [request for request in found if request]


def forget(library: Path, request: Learn) -> None:
    """Delete what an interrupted run has kept. One that another process has taken up meanwhile stays."""
    folder = library / "jobs" / request.job
    if _learn_in(folder) == request:
        shutil.rmtree(folder, ignore_errors=True)


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
