"""From clips and words to latents and embeddings, computed once and kept in the job's folder.

Afterwards the autoencoder and the text model leave memory: learning needs neither.
"""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
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
    digest: str  # of all tensors and of the request: a checkpoint belongs to exactly these
    notes: tuple[str, ...]  # what the artist should know of the clips


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
    digest = hashlib.sha256(f"{key} {request.steps}".encode())
    for name in sorted(tensors):
        digest.update(tensors[name].cpu().float().numpy().tobytes())
    device = family.plan.device
    examples = [
        Example(
            **{part: tensors[f"{i}.{part}"].to(device) for part in ("latents", "crops", "text", "looks_text")}
        )
        for i in range(len(request.clips))
    ]
    return Prepared(examples, digest.hexdigest()[:16], tempo_notes(request, family))


def caption(clip: Clip, motion: str) -> str:
    """What is seen, then how it moves: "a red ball over a green field moving in a circle"."""
    return f"{clip.looks.strip()} {motion.strip()}".strip()


def tempo_notes(request: Learn, family: Family) -> tuple[str, ...]:
    """Where a clip's length is not the base's: what that does to the motion that is learned."""
    p, notes = family.profile, []
    wanted = p.frames / p.fps
    for clip in request.clips:
        facts = clips.probe(clip.path)
        seconds = min(clip.frame_count or facts.frames, facts.frames - clip.first_frame) / facts.rate
        name = Path(clip.path).name
        if seconds < wanted * Fraction(9, 10):
            slower = float(wanted / seconds)
            notes.append(
                f"{name} is shorter than the base's clip: its motion was learned {slower:.1f} times slower."
            )
        elif seconds > wanted * Fraction(11, 10):
            notes.append(
                f"Of {name} the first {float(wanted):.1f} of {float(seconds):.1f} seconds were learned."
            )
    return tuple(notes)


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
