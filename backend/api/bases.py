"""What can be told of a base model from the small files in its folder, without loading it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STARTER = Path(__file__).parents[1] / "starter" / "weights"


def architecture(config: Mapping[str, Any]) -> str:
    """A fingerprint of a denoiser's configuration (unet/config.json): motions fit where it is the same."""
    import hashlib  # loads OpenSSL: not while Blender starts

    shape = {key: value for key, value in sorted(config.items()) if not key.startswith("_")}
    return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]
