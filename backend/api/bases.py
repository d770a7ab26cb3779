"""What can be told of a base model from the small files in its folder, without loading it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STARTER = Path(__file__).parents[1] / "starter" / "weights"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")  # such as cerspense/zeroscope_v2_576w


def shipped(base: str) -> str:
    """A fingerprint of every file of the starter, which comes anew with Restage, whatever its dates; of other
    bases nothing.
    """
    import hashlib  # loads OpenSSL: not while Blender starts

    digest = hashlib.sha256()
    for path in sorted(STARTER.rglob("*")) if base == "starter" else ():
        if path.is_file():
            digest.update(path.relative_to(STARTER).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:16] if base == "starter" else ""


def architecture(config: Mapping[str, Any]) -> str:
    """A fingerprint of a denoiser's configuration (unet/config.json): motions fit where it is the same."""
    import hashlib  # loads OpenSSL: not while Blender starts

    shape = {key: value for key, value in sorted(config.items()) if not key.startswith("_")}
    return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]
