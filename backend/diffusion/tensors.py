"""Files of tensors that others may have written: read whole, and never believed.

A safetensors file cut short while it is mapped would end the process, so it is read into memory first.
"""

import json
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor

LIMIT = 4 * 2**30  # bytes; a larger file is a whole model, not what is added to one


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A safetensors file → (tensors, metadata). Raises OSError, and ValueError for one that is damaged."""
    _check_size(path, path.stat().st_size)
    data = path.read_bytes()
    try:
        tensors: dict[str, Tensor] = load(data)
    except Exception as error:  # the library's own type, which it does not export for `load`
        raise ValueError(f"{path} is damaged: {error}") from error
    # The file begins with the length of its JSON header.
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return tensors, header.get("__metadata__", {})


def read_pickled(path: Path) -> dict[str, Tensor] | list[Tensor]:
    """What torch.save wrote: tensors by name, or in order. Nothing in the file is executed.

    Raises OSError, and ValueError for anything but plain floating-point tensors.
    """
    try:
        with zipfile.ZipFile(path) as parts:
            # Packed, a small file could unfold to any size; torch.save never packs.
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts.infolist()):
                raise ValueError(f"{path} is packed")
            _check_size(path, sum(part.file_size for part in parts.infolist()))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # there is no end to what a hostile file makes an unpickler trip over
        raise ValueError(f"{path} holds something else than tensors: {error}") from error
    if isinstance(content, dict):  # AUTOMATIC1111's embeddings lie in one among other things
        content = content.get("string_to_param", content)
    tensors = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(tensors, list | tuple) or not all(map(_plain, tensors)):
        raise ValueError(f"{path} holds something else than tensors")
    if isinstance(content, dict):
        return {str(key): tensor.detach() for key, tensor in content.items()}
    return [tensor.detach() for tensor in tensors]


def _check_size(path: Path, size: int) -> None:
    if size > LIMIT:
        raise ValueError(f"{path} is larger than {LIMIT} bytes")


def _plain(x: object) -> bool:
    """A dense tensor of numbers that are all there: one number repeated by strides could claim any size."""
    if not isinstance(x, Tensor) or x.layout is not torch.strided or not x.is_floating_point():
        return False
    return x.numel() * x.element_size() <= x.untyped_storage().nbytes()
