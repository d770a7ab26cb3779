"""Which device "auto" will be, in words, without importing torch: that takes seconds; Ready should not."""

import ctypes
import importlib.util
import os
import platform
import runpy
import sys
from pathlib import Path
from typing import Any


def in_words() -> str:
    """For example "NVIDIA GeForce RTX 4090", "Apple GPU" or "CPU, 8 cores"."""
    build = _torch_build()
    if build.get("cuda") and (card := _first_cuda_card()):
        return card
    if build.get("hip") and Path("/dev/kfd").exists():
        return "AMD GPU"
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "Apple GPU"
    return f"CPU, {os.cpu_count()} cores"


def _torch_build() -> dict[str, Any]:
    """What torch/version.py says: `cuda` and `hip` are None in a build without them."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return {}
    return runpy.run_path(str(Path(spec.origin).with_name("version.py")))


def _first_cuda_card() -> str:
    """Ask the driver; it honours CUDA_VISIBLE_DEVICES as torch does. "" without a usable card."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return ""
    card, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    asked = driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(card), 0)
    if asked or driver.cuDeviceGetName(name, len(name), card):
        return ""
    return name.value.decode(errors="replace")
