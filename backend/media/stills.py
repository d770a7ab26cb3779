"""Stills: pictures in files, read as clips of one frame."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from backend.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def is_still(path: str | Path) -> bool:
    return Path(path).suffix.lower() in SUFFIXES


def read_still(path: str | Path, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """→ (1, h, w, 3) uint8 RGB for size = (w, h), scaled to cover it and cropped at the centre."""
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UserError(
            f"The picture {Path(path).name} cannot be read.", "Choose a PNG or JPEG that opens elsewhere."
        ) from error
    return np.asarray(ImageOps.fit(upright, size, Image.Resampling.LANCZOS))[None]
