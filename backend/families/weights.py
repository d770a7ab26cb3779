"""Where base models are: the starter, a folder, the library, or a hub name fetched into the library."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from backend.api.bases import HUB_NAME, STARTER, architecture
from backend.api.library import expand_user
from backend.errors import UserError
from backend.families.base import Fingerprint

# The pipeline's parts, and of each weight the safetensors or, where a repository has none, the .bin.
PARTS = ("model_index.json", "*/config.json", "scheduler/*", "tokenizer/*", "restage.json")
SAFE_WEIGHTS = ("unet/*.safetensors", "vae/*.safetensors", "text_encoder/*.safetensors")
VARIANTS = ("*.fp16.*", "*.non_ema.*")  # the same weights once more
BIN_WEIGHTS = ("unet/*model.bin", "vae/*model.bin", "text_encoder/*model.bin")


def find_base(name: str, library: Path, report: Callable[[str], None] = lambda _: None) -> Path:
    """The pipeline folder of base `name`. Raises UserError with what to do when there is none."""
    if name == "starter":
        return _whole(STARTER, name)
    for folder in (expand_user(name), library / "models" / name):
        if (folder / "model_index.json").is_file():
            return _whole(folder, name)
    if HUB_NAME.fullmatch(name) and not Path(name).exists():
        return _whole(fetch(name, library, report), name)
    raise UserError(
        f"There is no base model {name!r}.",
        'Use "starter", a pipeline folder, or a hub name such as cerspense/zeroscope_v2_576w.',
    )


def fetch(name: str, library: Path, report: Callable[[str], None]) -> Path:
    """Fetch a hub repository into the library's models; what is there already is not fetched again."""
    folder = library / "models" / name
    report(f"Fetching {name}")
    try:
        snapshot_download(
            name, local_dir=folder, allow_patterns=[*PARTS, *SAFE_WEIGHTS], ignore_patterns=list(VARIANTS)
        )
        if not list(folder.glob("unet/*.safetensors")):
            snapshot_download(name, local_dir=folder, allow_patterns=list(BIN_WEIGHTS))
    except RepositoryNotFoundError as error:
        raise UserError(f"The hub has no model {name!r}.", "Check the name for typing mistakes.") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"The base model {name!r} could not be fetched.",
            "Check the network and try again; it goes on from where it was.",
        ) from error
    return folder


def _whole(folder: Path, name: str) -> Path:
    index = folder / "model_index.json"
    try:
        parts = json.loads(index.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"The base model {name!r} is not complete in {folder}.", "Fetch or copy it again."
        ) from error
    unet = parts.get("unet", [None, None])[1]
    if unet != "UNet3DConditionModel":
        raise UserError(
            f"The base model {name!r} is not of a kind that Restage knows ({unet or 'it has no UNet'}).",
            "Use a text-to-video pipeline with a UNet3DConditionModel, such as ModelScope or ZeroScope.",
        )
    return folder


def fingerprint(folder: Path) -> Fingerprint:
    """Hashes of the denoiser's configuration and of its weights.

    Of the weights, sizes and 16 samples of 64 KiB a file: training changes every sample, and hashing
    the 2.8 GB of a ModelScope whole would hold up every start.
    """
    config = json.loads((folder / "unet" / "config.json").read_text("utf-8"))
    weights = hashlib.sha256()
    for path in sorted(p for p in folder.glob("unet/*") if is_weights(p)):
        size = path.stat().st_size
        weights.update(f"{path.suffix}{size}".encode())
        with open(path, "rb") as file:
            for i in range(16):
                file.seek(i * max(0, size - 2**16) // 15)
                weights.update(file.read(2**16))
    return Fingerprint(
        architecture=architecture(config),
        weights=weights.hexdigest()[:16],
    )


def is_weights(path: Path) -> bool:
    """Whether a file in a model's folder holds its weights, and not a variant of them."""
    variant = any(path.match(pattern) for pattern in VARIANTS)
    return path.suffix in (".safetensors", ".bin") and not variant
