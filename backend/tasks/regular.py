"""Regularization clips that the base makes itself, where an artist has none of related motions."""

import hashlib
from dataclasses import replace

import torch
from safetensors.torch import save
from torch import Tensor

from backend.api.library import write_whole
from backend.api.protocol import Learn, Sampling
from backend.diffusion.sampling import ddim_sample
from backend.diffusion.tensors import read_tensors
from backend.families.base import Family
from backend.methods.base import Example, Method
from backend.tasks.making import clip_noise, native
from backend.tasks.prepare import Prepared
from backend.tasks.prompted import guided, read_prompt
from backend.tasks.run import Run

FILE = "regular.safetensors"


def with_sampled(prepared: Prepared, request: Learn, method: Method, family: Family, run: Run) -> Prepared:
    """`prepared` with the clips that the method wants to be sampled; kept in the job's folder."""
    captions = method.regular_captions()
    if not captions:
        return prepared
    cache = run.folder / FILE
    key = hashlib.sha256(repr((prepared.digest, captions)).encode()).hexdigest()
    tensors, metadata = read_tensors(cache) if cache.is_file() else ({}, {})
    if metadata.get("key") != key:
        made = {f"{i}": _sampled(words, i, request, family, run) for i, words in enumerate(captions)}
        texts = {f"text {words}": family.embed([words]) for words in set(captions)}
        family.release("text")
        write_whole(cache, save(made | texts, metadata={"key": key}))
        tensors, _ = read_tensors(cache)
    tensors = {name: t.to(family.plan.device) for name, t in tensors.items()}
    regular = [_example(tensors[f"{i}"], tensors[f"text {words}"], words) for i, words in enumerate(captions)]
    return replace(prepared, regular=prepared.regular + regular)


def _sampled(words: str, number: int, request: Learn, family: Family, run: Run) -> Tensor:
    """(1, C, F, h, w) on the CPU, as the base makes it with nothing learned."""
    s = native(Sampling(), family)
    prompted = read_prompt(family, words, s.guidance)
    note = f"clip {number + 1}"
    with torch.no_grad():
        latents = ddim_sample(
            guided(family, prompted),
            clip_noise(family, s, request.seed + number),
            family.schedule(s.steps),
            family.path,
            lambda done, total: run.step("Making clips not to forget", done, total, note),
        )
    return latents.cpu().contiguous()


def _example(latents: Tensor, text: Tensor, words: str) -> Example:
    return Example(latents, latents[:0, :, :1], text, text, words, words)
