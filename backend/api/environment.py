"""The backend's own Python: where it is, whether it is whole, and how uv makes it.

One environment per lock file, never Blender's own interpreter. It is built where it will stay (a virtual
environment cannot be moved), and a marker written last says that it is whole: whatever a kill or a full disk
leaves behind has no marker, and the next `make` starts it over from uv's cache.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Literal

from ..errors import UserError
from .library import write_whole

BACKEND = Path(__file__).resolve().parents[1]
LOCK = BACKEND / "requirements.lock"
PYTHON = "3.11"  # what the lock is made for; uv finds or fetches it
UV = "uv==0.13.8"  # fetched where the machine has none, or one that is too old
OLDEST_UV = (0, 7)  # knows --torch-backend
MARKER = "complete"  # in a folder that is whole; written last

Report = Callable[[str], None]
_steps: set[subprocess.Popen[str]] = set()  # that run now


def environment_folder(library: Path) -> Path:
    """Where the environment of this backend's lock file is, or will be."""
    import hashlib  # loads OpenSSL: not while Blender starts

    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    return library / "environment" / digest[:12]


def python_of(folder: Path) -> Path:
    """The interpreter of an environment. `RESTAGE_PYTHON` names another one instead (tests use it)."""
    if chosen := os.environ.get("RESTAGE_PYTHON"):
        return Path(chosen)
    return program(folder, "python")


def program(folder: Path, name: str) -> Path:
    """A program installed in an environment."""
    return folder / "Scripts" / f"{name}.exe" if sys.platform == "win32" else folder / "bin" / name


def state(library: Path) -> Literal["missing", "broken", "ready"]:
    """Whether the backend can be started. Looks at three paths and starts nothing, so a panel may ask."""
    folder = environment_folder(library)
    if os.environ.get("RESTAGE_PYTHON") or _whole(folder):
        return "ready"
    return "broken" if os.path.exists(folder) else "missing"


def make(library: Path, report: Report) -> Path:
    """Make (or repair) the environment, telling `report` what happens line by line; return its folder.

    Takes minutes and downloads. Raises UserError when the machine is offline, the disk is full, no Python
    can be had, or another process is making it.
    """
    folder = environment_folder(library)
    try:
        build(folder, [LOCK], report, tools=library / "environment" / "uv")
        _write_launcher(folder)
    except OSError as error:
        raise UserError(
            f"The backend's environment cannot be written to {folder.parent}: {error.strerror}.",
            "Make room there, or choose another library folder.",
        ) from error
    return folder


def interrupt() -> None:
    """End the step that runs in another thread of this process, whose `make` then raises UserError."""
    for process in list(_steps):
        process.kill()


def build(folder: Path, locks: Sequence[Path], report: Report, *, tools: Path, python: str = PYTHON) -> None:
    """Build a virtual environment at `folder` from lock files, unless it is already whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder) as lock:
        if _whole(folder):
            return
        uv = find_uv(tools, report)
        log = folder.with_name(f"{folder.name}.log")
        report(f"Making a Python {python} environment in {folder}")
        _run([uv, "venv", "--clear", "--python", find_python(python), folder], report, log, lock)
        files = [part for file in locks for part in ("--requirements", file)]
        install = [uv, "pip", "install", "--python", program(folder, "python"), *files]
        _run([*install, *torch_build(os.environ)], report, log, lock)
        log.unlink(missing_ok=True)  # of an attempt that failed
        write_whole(folder / MARKER, b"")


def torch_build(environment: Mapping[str, str]) -> list[str]:
    """uv's arguments that choose the build of torch for this machine's GPU.

    Where wheels are given (`PIP_FIND_LINKS`, an offline mirror) the build found there is the choice.
    """
    return [] if uv_environment(environment).get("UV_FIND_LINKS") else ["--torch-backend=auto"]


def uv_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What uv's process is given: uv has names of its own for what pip users have set."""
    result = dict(environment)
    for pip, uv in {"PIP_FIND_LINKS": "UV_FIND_LINKS", "PIP_INDEX_URL": "UV_DEFAULT_INDEX"}.items():
        if pip in environment:
            result.setdefault(uv, environment[pip])
    return result


def find_uv(tools: Path, report: Report) -> Path:
    """The uv on PATH when it is new enough, else a private one in the folder `tools`."""
    if (found := shutil.which("uv")) and _version(Path(found)) >= OLDEST_UV:
        return Path(found)
    private = program(tools, "uv")
    tools.parent.mkdir(parents=True, exist_ok=True)
    with alone(tools) as lock:
        if not (tools / MARKER).exists() or not private.exists():
            report("Fetching uv, which installs the rest")
            log = tools.with_name("uv.log")
            _run([sys.executable, "-m", "venv", "--clear", tools], report, log, lock)
            _run([program(tools, "python"), "-m", "pip", "install", "--quiet", UV], report, log, lock)
            log.unlink(missing_ok=True)  # of an attempt that failed
            write_whole(tools / MARKER, b"")
    return private


def find_python(version: str) -> str:
    """A Python of pyenv's, which uv does not look for; else the version, which uv finds or fetches."""
    for folder in map(Path, os.get_exec_path()):
        if folder.name == "shims":
            for python in sorted(
                folder.parent.glob(f"versions/{version}.*/bin/python{version}"), reverse=True
            ):
                return str(python)
    return version


def _whole(folder: Path) -> bool:
    """(os.path: of what may not be looked at, Path.exists raises, and a panel has asked.)"""
    return os.path.exists(folder / MARKER) and os.path.exists(program(folder, "python"))


def _version(uv: Path) -> tuple[int, ...]:
    text = subprocess.run([uv, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)", text)
    return tuple(map(int, found.groups())) if found else ()


def _run(command: Sequence[str | Path], report: Report, log: Path, lock: IO[bytes]) -> None:
    """Run one step, reporting its output line by line; raise UserError with its cause when it fails.

    The step holds `lock` too: one that outlives us (a kill) must not write into what the next `make` makes.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    with subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        cwd=log.parent,  # not in a project, whose settings uv would read
        env=uv_environment(os.environ),
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows
        pass_fds=[] if sys.platform == "win32" else [lock.fileno()],
    ) as process:
        assert process.stdout is not None
        _steps.add(process)
        try:
            for line in process.stdout:
                if line := line.strip():
                    lines.append(line)
                    report(line)
        finally:
            _steps.discard(process)
    if process.returncode:
        text = "\n".join(lines)
        with contextlib.suppress(OSError):  # the disk may be what is full
            log.write_text(text + "\n", encoding="utf-8")
        raise _complaint(text, log)


NO_ROOM = 2**28  # bytes: with less, no step gets to its end, whatever it says of the reason
FULL = (
    "The disk is full.",
    "Make room for 2 GB (8 with CUDA) in {folder}, or choose another library folder.",
)
COMPLAINTS = (  # what uv, pip and Python print -> what a person can do about it
    (r"no space left|os error 28|disk full|disk quota", *FULL),
    (
        r"no interpreter found|failed to (download|install) .*python",
        "No Python {python} was found or could be downloaded.",
        "Connect to the internet, or install Python {python}, and try again.",
    ),
    (
        r"no wheels? with a matching|not a supported wheel on this platform",
        "Something that the backend needs is not made for this kind of computer.",
        "Restage runs on 64-bit Linux and Windows, and on Macs with Apple silicon.",
    ),
    (
        r"dns error|failed to fetch|error sending request|connection (refused|reset)|could ?n.t connect"
        r"|network is unreachable|no matching distribution|timed out|retries exceeded",
        "The backend's packages could not be downloaded.",
        "Check the internet connection and try again; what has arrived is kept.",
    ),
    (
        r"ensurepip is not\s+available|no module named (ensurepip|venv)",
        "This Python has no venv module, which is needed to fetch uv.",
        "Install it (on Debian and Ubuntu: sudo apt install python3-venv), or install uv, and try again.",
    ),
    (
        r"permission denied|access is denied|read-only file system",
        "The folder {folder} cannot be written to.",
        "Choose another library folder, or change who may write there.",
    ),
)


def _complaint(text: str, log: Path) -> UserError:
    version = re.search(r"python[- ](\d\.\d+)", text, re.IGNORECASE)
    facts = {"python": version[1] if version else PYTHON, "folder": log.parent}
    known = [words for pattern, *words in COMPLAINTS if re.search(pattern, text, re.IGNORECASE)]
    if not known and shutil.disk_usage(log.parent).free < NO_ROOM:
        known = [list(FULL)]
    for message, hint in known:
        return UserError(message.format(**facts), hint.format(**facts))
    return UserError("The backend's environment could not be made.", f"What happened is in {log}.")


@contextlib.contextmanager
def alone(folder: Path, who: str = "Another Restage is making the environment.") -> Iterator[IO[bytes]]:
    """Hold the operating-system lock of what is made in `folder`; UserError naming `who` when it is taken.

    A kill releases it, once the steps that it was handed to have ended too.
    """
    with open(folder.with_name(f".{folder.name}.lock"), "a+b") as file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(who, "Wait until it is done, then try again.") from None
        yield file


LAUNCHER = """\
import sys
sys.path.insert(0, {root!r})
sys.pycache_prefix = {pycache!r}
from backend.cli.main import main
main()
"""


def _write_launcher(folder: Path) -> None:
    """Put the `restage` command into the environment, running this backend (an add-on's or a checkout's)."""
    import shlex

    script = folder / "restage.py"
    text = LAUNCHER.format(root=str(BACKEND.parent), pycache=str(folder / "pycache"))
    write_whole(script, text.encode())
    if sys.platform == "win32":
        command = f'@"{program(folder, "python")}" "{script}" %*\r\n'
        write_whole(folder / "Scripts" / "restage.cmd", command.encode())
    else:
        words = shlex.join([str(program(folder, "python")), str(script)])
        command = f'#!/bin/sh\nexec {words} "$@"\n'
        write_whole(folder / "bin" / "restage", command.encode())
        (folder / "bin" / "restage").chmod(0o755)
