"""safetensors files, read whole: one cut short while it is mapped would end the process."""

import json
from pathlib import Path

from safetensors.torch import load
from torch import Tensor


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """→ (tensors, metadata). Raises OSError, and ValueError for a file that is damaged."""
    data = path.read_bytes()
    try:
        tensors: dict[str, Tensor] = load(data)
    except Exception as error:  # the library's own type, which it does not export for `load`
        raise ValueError(f"{path} is damaged: {error}") from error
    # The file begins with the length of its JSON header.
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return tensors, header.get("__metadata__", {})
