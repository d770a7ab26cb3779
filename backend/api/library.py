"""Where an artist's motions, jobs and base models are kept, and how a file gets there whole."""

import os
import sys
from pathlib import Path


def expand_user(path: str) -> Path:
    """A path with its ~ written out, as it stands where nobody is called so: there Path.expanduser raises."""
    return Path(os.path.expanduser(path))


def default_library() -> Path:
    """The user's data folder, never a per-version Blender folder: an uninstall deletes those.

    `RESTAGE_LIBRARY` overrides it. (The add-on uses this too, so it cannot be platformdirs.)
    """
    if chosen := os.environ.get("RESTAGE_LIBRARY"):
        return expand_user(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData/Local")) / "Restage"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/Restage"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local/share")) / "restage"


def write_whole(path: Path, data: bytes) -> None:
    """Write `data` so that nobody ever sees half of it: temporary name, sync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
