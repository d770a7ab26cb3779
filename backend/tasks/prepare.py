"""From clips and words to latents and embeddings, computed once and kept in the job's folder.

Afterwards the autoencoder and the text model leave memory: learning needs neither.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from backend.api.library import write_whole
from backend.api.protocol import Clip, Learn
from backend.diffusion.tensors import read_tensors
from backend.families.base import Family
from backend.media import clips
from backend.media.pictures import random_crops, resized
from backend.methods.base import Example
from backend.tasks.run import Run

CROPS = 64  # a clip's bank of encoded crops; drawn from at random
OVERSIZE = 2  # crops down to a third of the frame are cut from frames this much larger than the base's


@dataclass(frozen=True)
class Prepared:
    examples: list[Example]
    digest: str  # of all tensors: a checkpoint belongs to exactly these


def prepare(request: Learn, family: Family, run: Run) -> Prepared:
    """Raises UserError for clips that cannot be read."""
    key = _key(request, family)
    cache = run.folder / "prepared.safetensors"
    tensors = _cached(cache, key)
    if tensors is None:
        encoded = {k: t.contiguous() for k, t in _encode(request, family, run).items()}
        write_whole(cache, save(encoded, metadata={"key": key}))
        # Read back, as a resumed run does: another layout in memory adds up in another order.
        tensors, _ = read_tensors(cache)
    family.release("text")
    family.release("pixels")
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].cpu().float().numpy().tobytes())
    device = family.plan.device
    examples = [
        Example(
            **{part: tensors[f"{i}.{part}"].to(device) for part in ("latents", "crops", "text", "looks_text")}
        )
        for i in range(len(request.clips))
    ]
    return Prepared(examples, digest.hexdigest()[:16])


def caption(clip: Clip, motion: str) -> str:
    """What is seen, then how it moves: "a red ball over a green field moving in a circle"."""
    return f"{clip.looks.strip()} {motion.strip()}".strip()


def _encode(request: Learn, family: Family, run: Run) -> dict[str, Tensor]:
    p = family.profile
    size = (p.width, p.height)
    share = (request.method.crop_low, request.method.crop_high)
    tensors: dict[str, Tensor] = {}
    for i, clip in enumerate(request.clips):
        run.step("Reading the clip", i, len(request.clips))
        large = clips.read(clip, frames=p.frames, fps=p.fps, size=(OVERSIZE * size[0], OVERSIZE * size[1]))
        cut = random_crops(large, CROPS, share, size, request.seed + i)
        tensors[f"{i}.latents"] = family.encode(resized(large, size))
        # Encoded as one long "clip" of single frames, then each a clip of one frame.
        tensors[f"{i}.crops"] = family.encode(cut)[0].movedim(1, 0).unsqueeze(2)
        both = family.embed([caption(clip, request.motion), clip.looks.strip()])
        tensors[f"{i}.text"], tensors[f"{i}.looks_text"] = both[:1], both[1:]
    return tensors


def _key(request: Learn, family: Family) -> str:
    """Everything that the tensors depend on."""
    files = [(clip, Path(clip.path).stat().st_size, Path(clip.path).stat().st_mtime_ns)
             for clip in request.clips if Path(clip.path).is_file()]  # fmt: skip
    parts = (files, request.motion, request.seed, request.method, family.fingerprint, str(family.plan.dtype))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _cached(path: Path, key: str) -> dict[str, Tensor] | None:
    if not path.is_file():
        return None
    tensors, metadata = read_tensors(path)
    return tensors if metadata.get("key") == key else None


def seeded(seed: int) -> torch.Generator:
    """Randomness always comes from the CPU: the same seed draws the same on every device."""
    return torch.Generator().manual_seed(seed)
