"""Restage's one entrance: python3 build.py setup | demo | test | check | package | bench | lock

setup     make the backend's environment (torch for this machine's GPU) and the command build/restage
demo      learn the motion of a clip in headless Blender and make new clips with it; leaves demo/
test      every test, in Blender too; arguments go to pytest: test tests/cli -q
check     formatting, types and architecture
package   build dist/restage-<version>.zip and let Blender's own validator read it
bench     measure speed and memory against the plain way; leaves build/bench.json
lock      choose the newest versions that pyproject.toml allows and pin them
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (said before anything newer is imported; 3.6 reads this file)
    sys.exit(
        "Restage's build needs Python 3.11 or newer; this is %d.%d.\n" % sys.version_info[:2]  # noqa: UP031
        + "Install one (python.org, or your system's packages) and start it as: python3.11 build.py "
        + " ".join(sys.argv[1:])
    )

import hashlib
import os
import re
import shutil
import subprocess
import time
import tomllib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.api import environment
from backend.errors import UserError

ROOT = Path(__file__).resolve().parent
BUILD, DEMO, DIST = ROOT / "build", ROOT / "demo", ROOT / "dist"
LIBRARY = BUILD / "library"  # what the demo and the bench learn and make, and the backend's environment
UV = LIBRARY / "environment" / "uv"  # where the backend's environment looks for it too
STAGE = BUILD / "stage" / "restage"  # the extension as a folder
LOCKS = ROOT / "tests" / "locks"
BLENDERS = {  # the bpy wheels that tests run on: the Python of each, and what its lock is made from
    "42": ("3.11", "bpy==4.2.23", "numpy<2"),
    "50": ("3.11", "bpy==5.0.1"),
    "52": ("3.13", "bpy==5.2.3"),
}
BLENDER_LIBRARIES = [  # Debian packages that the bpy wheels link
    "libegl1", "libgl1", "libgomp1", "libice6", "libsm6", "libx11-6", "libxext6", "libxfixes3", "libxi6",
    "libxkbcommon0", "libxrender1", "libxxf86vm1",
]  # fmt: skip
STARTED = time.monotonic()

# Importing torch takes four times as long without bytecode; every backend of a test would pay that.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(BUILD / "bytecode"))


def say(line: str) -> None:
    print(f"[{time.monotonic() - STARTED:6.1f} s] {line}", flush=True)


def exit_code(*command: str | Path, folder: Path = ROOT) -> int:
    return subprocess.run(list(map(str, command)), cwd=folder, check=False).returncode


def run(*command: str | Path, **variables: str | Path) -> None:
    """Run a command, `variables` added to its environment; leave with its exit code when it fails."""
    added = {name: str(value) for name, value in variables.items()}
    done = subprocess.run(list(map(str, command)), cwd=ROOT, env=os.environ | added, check=False)
    if done.returncode:
        sys.exit(done.returncode)


# ------------------------------------------------------------------ environments


def report(line: str) -> None:
    """Show what uv does, without its list of every package."""
    if not line.startswith(("+ ", "- ")):
        say(line)


def made(name: str, *locks: Path, python: str = environment.PYTHON) -> Path:
    """The interpreter of an environment under build/, made from `locks` unless it is there."""
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in locks)).hexdigest()
    folder = BUILD / name / digest[:12]
    environment.build(folder, locks, report, tools=UV, python=python)
    return environment.program(folder, "python")


def backend_python() -> Path:
    return environment.program(environment.make(LIBRARY, report), "python")


def developer_python() -> Path:
    return made("dev", environment.LOCK, LOCKS / "dev.lock")


def blender_python(version: str) -> Path:
    """An interpreter whose `import bpy` is a headless Blender, with the system libraries that it links."""
    python = made(f"bpy-{version}", LOCKS / f"bpy-{version}.lock", python=BLENDERS[version][0])
    found = python.parent.parent / "libraries-found"
    if not found.exists():
        if "cannot open shared object" in import_bpy(python):
            install_libraries()
        complaint = import_bpy(python)
        if complaint:
            raise UserError(f"Blender {version} does not start: {complaint}")
        found.touch()
    return python


def import_bpy(python: Path) -> str:
    """The last line of what Python says when bpy cannot be imported; nothing when it can."""
    done = subprocess.run([python, "-c", "import bpy"], capture_output=True, text=True, check=False)
    return (done.stderr.strip().splitlines() or ["it crashed"])[-1] if done.returncode else ""


def install_libraries() -> None:
    """Install what bpy links through apt where that may be done without asking; else say how."""
    if not shutil.which("apt-get") or not may_be_root():
        command = "sudo apt-get install " + " ".join(BLENDER_LIBRARIES)
        raise UserError("Headless Blender needs system libraries that are not installed.", f"Run: {command}")
    say("Installing the system libraries that Blender links")
    apt = [*([] if os.geteuid() == 0 else ["sudo", "-n"]), "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    run(*apt, "update", "-qq")
    run(*apt, "install", "-qq", "-y", "--no-install-recommends", *BLENDER_LIBRARIES)


def may_be_root() -> bool:
    if os.geteuid() == 0:
        return True
    return bool(shutil.which("sudo")) and subprocess.run(["sudo", "-n", "true"], check=False).returncode == 0


# ------------------------------------------------------------------ the extension


def stage() -> Path:
    """Lay the extension out as a folder: the add-on, with the backend and the presets inside it."""
    shutil.rmtree(STAGE, ignore_errors=True)
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    shutil.copytree(ROOT / "blender_addon", STAGE, ignore=unwanted)
    for name in ("backend", "presets"):
        shutil.copytree(ROOT / name, STAGE / name, ignore=unwanted)
    shutil.copy(ROOT / "LICENSE", STAGE)
    return STAGE


def write_zip(folder: Path, target: Path) -> None:
    """Pack a folder so that the same files give the same bytes, whatever their dates and modes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".part")
    with zipfile.ZipFile(temporary, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes(), compresslevel=9)
    temporary.replace(target)


def package() -> Path:
    """Build the extension's zip; Blender's own validator has read it."""
    manifest = tomllib.loads((stage() / "blender_manifest.toml").read_text(encoding="utf-8"))
    target = DIST / f"restage-{manifest['version']}.zip"
    write_zip(STAGE, target)
    python = blender_python("50")
    (validator,) = python.parent.parent.rglob("bl_pkg/cli/blender_ext.py")
    run(python, validator, "validate", target)
    say(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e6:.1f} MB")
    return target


# ------------------------------------------------------------------ commands


def setup() -> None:
    folder = environment.make(LIBRARY, report)
    launcher = environment.program(folder, "restage")
    command = shutil.copy(launcher.with_suffix(".cmd") if os.name == "nt" else launcher, BUILD)
    say(f"The command is {command}. What its doctor says:")
    run(command, "doctor")


def demo() -> None:
    python, extension, blender = backend_python(), package(), blender_python("50")
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()
    say("Rendering the reference clip")
    run(python, "-m", "backend.bench.demo", "reference", DEMO)
    say("Starting headless Blender with the packaged extension")
    profile = BUILD / "demo-profile"
    shutil.rmtree(profile, ignore_errors=True)
    run(blender, ROOT / "tools" / "demo_in_blender.py", extension, DEMO,
        BLENDER_USER_RESOURCES=profile, RESTAGE_LIBRARY=LIBRARY)  # fmt: skip
    say("Measuring the results")
    run(python, "-m", "backend.bench.demo", "report", DEMO)
    say(f"Look at {DEMO / 'contact_sheet.png'}")


def test(*arguments: str) -> None:
    variables: dict[str, str | Path] = {"RESTAGE_PYTHON": developer_python(), "OMP_NUM_THREADS": "1"}
    if concern_the_extension(arguments):
        variables["RESTAGE_ZIP"] = package()
        for version in BLENDERS:
            variables[f"RESTAGE_BPY_{version}"] = blender_python(version)
    say("Running the tests")
    some = any(argument.startswith("tests") for argument in arguments)
    shared = () if some else ("--numprocesses=auto", "--maxprocesses=8", "--dist=worksteal")
    run(variables["RESTAGE_PYTHON"], "-m", "pytest", *shared, *arguments, **variables)


def concern_the_extension(arguments: Sequence[str]) -> bool:
    """Whether pytest's arguments reach tests that need the zip and Blender, which take long to fetch."""
    paths = [argument for argument in arguments if argument.startswith("tests")]
    return not paths or any(re.match(r"tests/?$|tests/(blender|test_build)", path) for path in paths)


def check() -> None:
    """Run every check, then leave with a failure if one failed."""
    python = developer_python()
    mypy = (python, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--cache-dir", BUILD / "mypy")
    stage()
    addon = sorted(path.relative_to(STAGE.parent) for path in STAGE.glob("*.py"))
    say("Formatting, types of the staged extension, architecture")
    codes = [
        exit_code(python, "-m", "ruff", "check", ROOT),
        exit_code(python, "-m", "ruff", "format", "--check", ROOT),
        exit_code(*mypy, "-p", "backend", folder=STAGE),
        exit_code(*mypy, *addon, folder=STAGE.parent),
        exit_code(*mypy, "build.py", "tools"),
        exit_code(python, "-m", "pytest", "-q", "tests/test_architecture.py"),
    ]
    sys.exit(max(codes))


def bench() -> None:
    addon = ("--blender", blender_python("50"), "--extension", stage())
    run(backend_python(), "-m", "backend.bench", BUILD / "bench.json", *addon, RESTAGE_LIBRARY=LIBRARY)


def lock() -> None:
    """Pin every package. What CUDA builds of torch need is left out: torch pins that itself, per build."""
    uv = environment.find_uv(UV, report)
    developers = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    compile_lock(uv, "pyproject.toml", environment.LOCK, environment.PYTHON)
    compile_lock(uv, "-", LOCKS / "dev.lock", environment.PYTHON, developers)
    for version, (python, *wanted) in BLENDERS.items():
        compile_lock(uv, "-", LOCKS / f"bpy-{version}.lock", python, wanted)


def compile_lock(uv: Path, source: str, target: Path, python: str, wanted: Sequence[str] = ()) -> None:
    quiet = ("--quiet", "--universal", "--no-annotate", "--no-header")
    done = subprocess.run(
        [str(uv), "pip", "compile", *quiet, "--python-version", python, source],
        input="\n".join(wanted),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env=environment.uv_environment(os.environ),
    )
    if done.returncode:
        raise UserError(f"{source} cannot be pinned: {done.stderr.strip()}")
    lines = [re.sub(r"^(torch==[\d.]+).*", r"\1", line) for line in done.stdout.splitlines()]
    kept = [line for line in lines if not re.match(r"nvidia-|cuda-|triton=", line)]
    target.write_text("\n".join(dict.fromkeys(kept)) + "\n")
    say(f"{target.relative_to(ROOT)}: {len(set(kept))} packages")


COMMANDS: dict[str, Callable[..., object]] = {
    "setup": setup, "demo": demo, "test": test, "check": check, "package": package, "bench": bench,
    "lock": lock,
}  # fmt: skip


def main() -> None:
    name, *arguments = sys.argv[1:] or [""]
    if name in ("help", "--help", "-h") or ("--help" in arguments and name != "test"):
        print(__doc__)
        return
    if name not in COMMANDS or (arguments and name != "test"):
        wrong = f"{name} takes no {arguments[0]!r}." if name in COMMANDS else f"There is no command {name!r}."
        sys.exit(f"{wrong if name else 'Say what to do.'} Choose one:\n\n{__doc__}")
    try:
        STAGE.parent.mkdir(parents=True, exist_ok=True)
        with environment.alone(STAGE, "Another build.py is at work here."):  # on the one staged extension
            COMMANDS[name](*arguments)
    except UserError as error:
        sys.exit(f"\n{error.message}\n{error.hint}")
    except OSError as error:
        where = f"{ROOT} cannot be built in: {error.strerror or error} ({error.filename or 'no file'})."
        sys.exit(f"\n{where}\nMake room on the disk, and see that you may write there.")
    except KeyboardInterrupt:
        print("\nInterrupted. The same command goes on from what is there.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
