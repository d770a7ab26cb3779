"""From clips and words to latents and embeddings, computed once and kept in the job's folder.

Afterwards the autoencoder and the text model leave memory: learning needs neither.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from backend.api.library import write_whole
from backend.api.protocol import Clip, Learn
from backend.diffusion.tensors import read_tensors
from backend.families.base import Family
from backend.families.profile import Profile
from backend.media import clips
from backend.media.pictures import random_crops
from backend.media.stills import is_still, read_still
from backend.media.variants import varied
from backend.methods.base import Example, Method, Step
from backend.methods.wording import SLOWLY
from backend.tasks.run import Run

CROPS = 64  # a clip's bank of encoded crops; drawn from at random
OVERSIZE = 2  # crops down to a third of the frame are cut from frames this much larger than the base's
SLOWED = "slowed"  # the clips at half their speed, among the sources
PARTS = ("latents", "crops", "text", "looks_text")


@dataclass(frozen=True)
class Prepared:
    examples: list[Example]
    digest: str  # of all tensors and of the request: a checkpoint belongs to exactly these
    notes: tuple[str, ...]  # what the artist should know of the clips
    stills: list[Example] = field(default_factory=list)
    regular: list[Example] = field(default_factory=list)
    slowed: list[Example] = field(default_factory=list)

    def texts(self) -> Iterator[str]:
        """Every caption."""
        for example in (*self.examples, *self.stills, *self.regular, *self.slowed):
            yield from (example.caption, example.looks)

    def step(
        self,
        family: Family,
        rng: torch.Generator,
        read: Callable[[str], Tensor] | None,
        offset: float = 0.0,
    ) -> Step:
        return Step(family, self.examples, rng, self.stills, self.regular, read, offset, self.slowed)


def prepare(request: Learn, method: Method, family: Family, run: Run, given: str = "") -> Prepared:
    """`given` is the hash of an absorber made elsewhere. Raises UserError for clips that cannot be read."""
    key = _key(request, family, given)
    cache = run.folder / "prepared.safetensors"
    tensors = _cached(cache, key)
    if tensors is None:
        encoded = {k: t.contiguous() for k, t in _encode(request, method, family, run).items()}
        write_whole(cache, save(encoded, metadata={"key": key}))
        # Read back, as a resumed run does: another layout in memory adds up in another order.
        tensors, _ = read_tensors(cache)
    family.release("text")
    family.release("pixels")
    digest = hashlib.sha256(f"{key} {request.steps}".encode())
    for name in sorted(tensors):
        digest.update(tensors[name].cpu().float().numpy().tobytes())
    made: dict[str, list[Example]] = {"clips": [], "stills": [], "regular": [], SLOWED: []}
    for source in sources(request, method, family):
        parts = {part: tensors[f"{source.name}.{part}"].to(family.plan.device) for part in PARTS}
        made[source.group].append(Example(**parts, caption=source.caption, looks=source.looks))
    notes = tempo_notes(request, family) + (slowed_notes(request, family) if method.slowed else ())
    return Prepared(
        made["clips"], digest.hexdigest()[:16], notes, made["stills"], made["regular"], made[SLOWED]
    )


@dataclass(frozen=True)
class Source:
    """A clip or still of the request, and the words that it is learned under."""

    group: str  # the request's field, or SLOWED
    number: int
    clip: Clip
    caption: str
    looks: str

    @property
    def name(self) -> str:
        return f"{self.group}.{self.number}"


def sources(request: Learn, method: Method, family: Family) -> list[Source]:
    """Everything that is learned from, in order."""
    found = []
    for group in ("clips", "stills", "regular"):
        for i, clip in enumerate(getattr(request, group)):
            seen = clip.looks.strip()
            said = {
                "clips": (method.caption(seen, request.motion), method.looks_caption(seen)),
                "stills": (method.still_caption(seen), method.still_caption(seen)),
                "regular": (seen, seen),
            }
            found.append(Source(group, i, clip, *said[group]))
    return found + (list(_slowed(request, method, family)) if method.slowed else [])


def _slowed(request: Learn, method: Method, family: Family) -> Iterator[Source]:
    """The clips at half their speed."""
    for i, clip in enumerate(request.clips):
        if may_be_slowed(clip, family.profile):
            seen = clip.looks.strip()
            words = method.caption(seen, f"{request.motion} {SLOWLY}")
            yield Source(SLOWED, i, clip, words, method.looks_caption(seen))


def may_be_slowed(clip: Clip, profile: Profile) -> bool:
    """Whether it has frames for twice the base's rate: with fewer it would stand still between them."""
    if is_still(clip.path):
        return False
    facts = clips.probe(clip.path)
    used = min(clip.frame_count or facts.frames, facts.frames - clip.first_frame)
    learned = min(used, round(profile.frames / profile.fps * facts.rate))
    return learned >= frames_to_slow(profile)


def frames_to_slow(profile: Profile) -> int:
    """So many in the time of the base's clip: nearly twice its own."""
    return -(-9 * profile.frames // 5)


def read_slowed(clip: Clip, family: Family, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """(F, H, W, 3) uint8 RGB: the middle half of what is learned of a clip, at half its speed.

    The middle, as the starter's world slows: what is slow is counted from where a shot is half over.
    """
    p = family.profile
    twice = clips.read(clip, frames=2 * p.frames, fps=2 * p.fps, size=size)
    first = (p.frames - 1) // 2
    return twice[first : first + p.frames]


def read_source(
    clip: Clip, family: Family, size: tuple[int, int], frames: int | None = None
) -> np.ndarray[Any, Any]:
    """(F, H, W, 3) uint8 RGB for size = (W, H); of a still its one frame, or `frames` times the same."""
    p = family.profile
    if is_still(clip.path):
        return np.repeat(read_still(clip.path, size), frames or 1, axis=0)
    return clips.read(clip, frames=p.frames, fps=p.fps, size=size)


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


def slowed_notes(request: Learn, family: Family) -> tuple[str, ...]:
    """Which clips are not learned at half their speed too, though the settings say so."""
    least, seconds = frames_to_slow(family.profile), float(family.profile.frames / family.profile.fps)
    return tuple(
        f"“slowly” may not act beside the motion: {Path(clip.path).name} was not learned at half its speed, "
        f"which takes {least} frames in {seconds:g} s."
        for clip in request.clips
        if not may_be_slowed(clip, family.profile)
    )


def _encode(request: Learn, method: Method, family: Family, run: Run) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    given = sources(request, method, family)
    for done, source in enumerate(given):
        run.step("Reading the clip", done, len(given))
        variants = request.method.variants or 1 if source.group in ("clips", SLOWED) else 1
        encoded = _encode_clip(source, variants, method, family, request.seed + source.number)
        both = family.embed([source.caption, source.looks])
        encoded |= {"text": both[:1], "looks_text": both[1:]}
        tensors |= {f"{source.name}.{part}": tensor for part, tensor in encoded.items()}
    return tensors


def _encode_clip(
    source: Source, variants: int, method: Method, family: Family, seed: int
) -> dict[str, Tensor]:
    p = family.profile
    size = (p.width, p.height)
    read = read_slowed if source.group == SLOWED else read_source
    large = read(source.clip, family, (OVERSIZE * size[0], OVERSIZE * size[1]))
    latents = torch.cat([family.encode(v) for v in varied(large, variants, size, seed)])
    if method.crops is None or source.group != "clips":
        return {"latents": latents, "crops": latents[:0, :, :1]}
    cut = random_crops(large, CROPS, method.crops, size, seed)
    # Encoded as one long "clip" of single frames, then each a clip of one frame.
    return {"latents": latents, "crops": family.encode(cut)[0].movedim(1, 0).unsqueeze(2)}


def _key(request: Learn, family: Family, given: str) -> str:
    """Everything that the tensors depend on."""
    clips_given = (request.clips, request.stills, request.regular)
    paths = [Path(clip.path) for group in clips_given for clip in group]
    facts = [(path.stat().st_size, path.stat().st_mtime_ns) for path in paths if path.is_file()]
    words = (request.motion, request.seed, request.method, given)
    p = family.profile
    parts = (clips_given, facts, *words, family.fingerprint, str(family.plan.dtype), p.frames, p.fps)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _cached(path: Path, key: str) -> Mapping[str, Tensor] | None:
    if not path.is_file():
        return None
    tensors, metadata = read_tensors(path)
    return tensors if metadata.get("key") == key else None


def seeded(seed: int) -> torch.Generator:
    """Randomness always comes from the CPU: the same seed draws the same on every device."""
    return torch.Generator().manual_seed(seed)


def latent_noise(family: Family, frames: int, height: int, width: int, seed: int) -> torch.Tensor:
    """(1, C, F, h, w) on the device, for a clip of so many frames and pixels."""
    m = family.size_multiple
    shape = (1, family.latent_channels, frames, height // m, width // m)
    return torch.randn(shape, generator=seeded(seed)).to(family.plan.device)
