"""Checks what Restage needs of this machine, and says what to do about what is missing."""

import importlib.metadata
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from backend.api.library import write_whole
from backend.errors import UserError

PACKAGES = ("torch", "diffusers", "peft", "transformers", "safetensors", "av", "opencv-python-headless")
REPAIR = "Repair the backend in Restage's preferences, or run python3 build.py setup again."
LITTLE = 2**30  # bytes of disk under which a learning run may not get to its end
TIGHT = 10 * 2**30  # under which a larger base does not fit
DECODERS = ("h264", "hevc", "prores", "dnxhd", "mjpeg", "vp9", "libdav1d")  # what footage comes in


@dataclass(frozen=True)
class Check:
    name: str
    words: str
    hint: str = ""  # what to do
    broken: bool = True  # when there is a hint; else only worth knowing


def report(library: Path) -> int:
    """Print every check; return 1 when something is broken, else 0."""
    checks = [
        python(), *map(package, PACKAGES), torch_build(), gpu(), device(), codecs(), library_folder(library),
        *base(library),
    ]  # fmt: skip
    console = Console(highlight=False)
    for check in checks:
        console.print(in_a_line(check), soft_wrap=True)
    broken = [check for check in checks if check.hint and check.broken]
    for check in broken:
        body = Text(f"{check.words}\n{check.hint}")
        console.print(Panel(body, title=check.name, border_style="red", title_align="left"))
    return 1 if broken else 0


def in_a_line(check: Check) -> Text:
    mark, style = ("ok", "green")
    if check.hint:
        mark, style = ("BROKEN", "red") if check.broken else ("note", "yellow")
    hint = "" if mark == "BROKEN" else check.hint  # what is broken is said in full below
    return Text.assemble((f"{mark:7}", style), f"{check.name:24}", f"{check.words} {hint}".rstrip())


def python() -> Check:
    return Check("Python", f"{platform.python_version()} on {platform.platform()}, {sys.executable}")


def package(name: str) -> Check:
    try:
        return Check(name, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "is not installed", REPAIR)


def torch_build() -> Check:
    """What torch was built for, which decides whether it can use a GPU at all."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library of CUDA's that cannot be loaded
        return Check("Torch build", f"torch cannot be loaded: {error}", REPAIR)
    built = torch.version.cuda and f"CUDA {torch.version.cuda}"
    built = built or (torch.version.hip and f"ROCm {torch.version.hip}")
    built = built or ("Apple Metal" if torch.backends.mps.is_built() else "the CPU only")
    return Check("Torch build", f"for {built}, {torch.get_num_threads()} threads")


def gpu() -> Check:
    """What GPU the machine has, whether or not torch uses it."""
    if cards := nvidia_cards():
        return Check("GPU", f"{', '.join(cards)} (NVIDIA)")
    if Path("/dev/kfd").exists():
        return Check("GPU", "an AMD GPU")
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return Check("GPU", "Apple GPU")
    hint = "The starter needs none; a larger base does, or hours."
    return Check("GPU", "none that Restage can use.", hint, broken=False)


def device() -> Check:
    """What "auto" computes on, unless a GPU is there that torch does not use."""
    try:
        import torch

        from backend.diffusion.memory import choose_device, describe_device, free_bytes
    except (ImportError, OSError) as error:
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


def codecs() -> Check:
    """PyAV brings its own ffmpeg: what footage it reads, and that it can write what Blender plays."""
    try:
        import av
    except (ImportError, OSError) as error:
        return Check("Codecs", f"PyAV cannot be loaded: {error}", REPAIR)
    ffmpeg = ".".join(map(str, av.library_versions["libavcodec"]))
    read = [name for name in DECODERS if has_codec(name, "r")]
    words = f"libavcodec {ffmpeg} reads {', '.join(read)}"
    if not has_codec("libx264", "w"):
        return Check("Codecs", f"{words}, and has no libx264 to write H.264 with.", REPAIR)
    return Check("Codecs", f"{words}; writes H.264 with libx264")


def has_codec(name: str, mode: str) -> bool:
    import av

    try:
        av.codec.Codec(name, mode)
    except av.codec.codec.UnknownCodecError:
        return False
    return True


def library_folder(library: Path) -> Check:
    probe = library / "doctor.txt"
    try:
        write_whole(probe, b"can be written")
        probe.unlink()
        free = shutil.disk_usage(library).free
    except OSError as error:
        hint = "Choose another library folder, or change who may write there."
        return Check("Library", f"{library} cannot be written ({error.strerror}).", hint)
    words = f"{library}, {free / 2**30:.1f} GiB free"
    if free < TIGHT:
        hint = "Free some space, or choose a library folder on another disk."
        return Check("Library", f"{words}.", hint, broken=free < LITTLE)
    return Check("Library", words)


def base(library: Path) -> list[Check]:
    """The starter: whether its folder is there, and whether it loads and computes."""
    try:
        from backend.families.weights import find_base

        folder = find_base("starter", library)
    except (ImportError, OSError) as error:
        return [Check("Base model", f"it cannot be looked for: {error}", REPAIR)]
    except UserError as error:
        return [Check("Base model", error.message, error.hint)]
    return [Check("Base model", f"starter, {folder}"), loaded(folder)]


def loaded(folder: Path) -> Check:
    """Load every part of a base and compute one step with it."""
    started = time.monotonic()
    try:
        import torch

        from backend.families.unet3d import UNet3D

        family = UNet3D(folder, "starter", device="cpu")
        p, m = family.profile, family.size_multiple
        noise = torch.zeros(1, family.latent_channels, p.frames, p.height // m, p.width // m)
        with torch.no_grad():
            latents = family.predict(noise, torch.tensor([500]), family.embed([""]))
            family.decode(latents)
    except Exception as error:  # whatever it is: finding out is what the doctor is for
        return Check("Base model loads", f"no: {type(error).__name__}: {error}", REPAIR)
    if not latents.isfinite().all():
        return Check("Base model loads", "but computes values that are not numbers.", REPAIR)
    return Check("Base model loads", f"and computes a step, in {time.monotonic() - started:.1f} s")
