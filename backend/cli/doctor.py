"""Checks what Restage needs of this machine, and says what to do about what is missing."""

import importlib.metadata
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from backend.api.library import write_whole
from backend.errors import UserError

PACKAGES = ("torch", "diffusers", "peft", "transformers", "safetensors", "av", "opencv-python-headless")
REPAIR = "Repair the backend in Restage's preferences, or run python3 build.py setup again."


@dataclass(frozen=True)
class Check:
    name: str
    words: str
    hint: str = ""  # what to do; only what is broken has one


def report(library: Path) -> int:
    """Print every check; return 1 when something is broken, else 0."""
    checks = [python(), *map(package, PACKAGES), device(), encoder(), library_folder(library), base(library)]
    console = Console(highlight=False)
    for check in checks:
        mark, style = ("BROKEN", "red") if check.hint else ("ok", "green")
        console.print(Text.assemble((f"{mark:7}", style), f"{check.name:24}", check.words), soft_wrap=True)
    broken = [check for check in checks if check.hint]
    for check in broken:
        body = Text(f"{check.words}\n{check.hint}")
        console.print(Panel(body, title=check.name, border_style="red", title_align="left"))
    return 1 if broken else 0


def python() -> Check:
    return Check("Python", f"{platform.python_version()} on {platform.platform()}")


def package(name: str) -> Check:
    try:
        return Check(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "is not installed", REPAIR)


def device() -> Check:
    """What "auto" computes on, unless a GPU is there that torch does not use."""
    try:
        import torch

        from backend.diffusion.memory import choose_device, describe_device, free_bytes
    except ImportError as error:
        return Check("Device", f"torch cannot be loaded: {error}", REPAIR)
    chosen = choose_device("auto")
    words = f"{describe_device(chosen)}, {free_bytes(chosen) / 2**30:.1f} GiB free"
    cards = nvidia_cards()
    if not cards or chosen.type == "cuda":
        return Check("Device", words)
    there = f"This machine has an NVIDIA GPU ({', '.join(cards)})"
    if torch.version.cuda is None:
        trouble = f"{there}, but torch is a CPU-ONLY build: everything will run on the {words}."
        return Check("Device", trouble, REPAIR)
    trouble = f"{there}, but torch cannot use it: everything will run on the {words}."
    return Check("Device", trouble, "Update the NVIDIA driver, then restart the computer.")


def nvidia_cards() -> list[str]:
    """The names of NVIDIA GPUs, asked of the driver and not of torch."""
    if tool := shutil.which("nvidia-smi"):
        answer = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=60, check=False)
        # GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-…)
        lines = answer.stdout.splitlines() if answer.returncode == 0 else []
        return [line.split(": ", 1)[1].split(" (UUID")[0] for line in lines if line.startswith("GPU ")]
    return ["NVIDIA GPU" for _ in Path("/proc/driver/nvidia/gpus").glob("*")]


def encoder() -> Check:
    try:
        import av
    except ImportError as error:
        return Check("H.264 encoder", f"PyAV cannot be loaded: {error}", REPAIR)
    try:
        return Check("H.264 encoder", av.codec.Codec("libx264", "w").long_name)
    except av.codec.codec.UnknownCodecError:
        return Check("H.264 encoder", "This build of PyAV has no libx264.", REPAIR)


def library_folder(library: Path) -> Check:
    probe = library / "doctor.txt"
    try:
        write_whole(probe, b"can be written")
        probe.unlink()
    except OSError as error:
        hint = "Choose another library folder, or change who may write there."
        return Check("Library", f"{library} cannot be written ({error.strerror}).", hint)
    free = shutil.disk_usage(library).free / 2**30
    return Check("Library", f"{library}, {free:.1f} GiB free")


def base(library: Path) -> Check:
    try:
        from backend.families.weights import find_base

        return Check("Base model", str(find_base("starter", library)))
    except ImportError as error:
        return Check("Base model", f"it cannot be looked for: {error}", REPAIR)
    except UserError as error:
        return Check("Base model", error.message, error.hint)
