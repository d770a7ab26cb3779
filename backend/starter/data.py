"""What stages `stills` and `clips` train on: a bank of encoded clips."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import accumulate, groupby
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as nn_f
from diffusers import AutoencoderKL
from torch.utils.data import Dataset

from . import workers
from .films import Films
from .models import DOWNSCALE, Size, mixed_precision
from .world import FULL, SPEEDS, Shot, Vocabulary, another, opposed, render, sample_shot, shows, words_of
from .world.motions import WANDER
from .world.shots import Words

CHUNK, CHUNKS = 1024, "[0-9]*.npz"
"""Clips in one file of the bank, and such files, beside `film.npz`."""
DRAWN = 64
"""Clips that are drawn and encoded together."""
AHEAD = 16
"""So many of these does a loader draw before they are asked for."""
GROUP = 8
"""Clips that the same words describe; they stand side by side in the bank, for `stages.expected`."""

WANDERING = 0.5
"""Share of the clips in which a subject goes anywhere instead of as the vocabulary says; under a camera that
moves half of it."""
WANDERING_CAMERAS = 1 / 3
"""Share of the moving cameras that go anywhere, where a pan can be seen."""


@torch.no_grad()
def encode(autoencoder: AutoencoderKL, frames: torch.Tensor) -> torch.Tensor:
    """Frames (B, F, 3, H, W) in [0, 1] → latents (B, F, C, h, w) of about unit variance."""
    flat = autoencoder.encode(frames.flatten(0, 1) * 2 - 1).latent_dist.mean
    flat = flat * autoencoder.config.scaling_factor
    return torch.unflatten(flat, 0, frames.shape[:2])


def _chunk_shots(number: int, chunk: int, vocabulary: Vocabulary) -> list[Shot]:
    """The shots of one file of the bank: groups of the same words, each followed by its opposite.

    What stands beside a spin stands where one does and as large, so that turning is all that differs.
    """
    rng = random.Random(f"bank {number}")
    drawn = (sample_shot(rng, vocabulary=vocabulary) for _ in range(chunk // (2 * GROUP)))
    firsts = [_perhaps_wandering(rng, shot) for shot in drawn]
    pairs = [(shot, first) for first in firsts for shot in (first, opposed(first))]
    return [
        another(rng, shot, as_if="spin" if first.motion == "spin" else None)
        for shot, first in pairs
        for _ in range(GROUP)
    ]


class _Clips(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The frames (≤ DRAWN, F, 3, H, W) of all the chunks' clips, `DRAWN` after `DRAWN`, and their
    subjects' masks at their highest in each cell of the latents (≤ DRAWN, F, h, w), both uint8."""

    def __init__(
        self, numbers: list[int], chunk: int, size: Size, vocabulary: Vocabulary, device: torch.device
    ) -> None:
        self.size, self.device = size, device
        self.pieces = [(number, first) for number in numbers for first in range(0, chunk, DRAWN)]
        self.shots_of = partial(_chunk_shots, chunk=chunk, vocabulary=vocabulary)

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        number, first = self.pieces[index]
        shots = self.shots_of(number)[first : first + DRAWN]
        size = self.size
        drawn = render(shots, size=size.pixels, frames=size.frames, fps=size.fps, device=self.device)
        covers = nn_f.max_pool2d(drawn.masks, DOWNSCALE)
        return (drawn.frames * 255).round().byte(), (covers * 255).round().byte()


def write_bank(
    folder: Path,
    autoencoder: Callable[[], AutoencoderKL],
    size: Size,
    chunks: int,
    device: torch.device,
    vocabulary: Vocabulary = FULL,
    chunk: int = CHUNK,
    films: Films | None = None,
    loaders: int = 0,
) -> None:
    """Encode `films`, then render and encode `chunks` files of `chunk` clips (some times 2 · GROUP) each;
    finished files are kept.

    Clips are drawn on the CPU by `loaders` processes, on `device` without any: docs/log.md has what each is
    good for. Loaders begin before the autoencoder is asked for, which may take a while and a GPU: forked
    processes that inherit one abort when they end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mine = range(workers.rank(), chunks, workers.count())
    numbers = [number for number in mine if not (folder / f"{number:04}.npz").exists()]
    clips = _Clips(numbers, chunk, size, vocabulary, torch.device("cpu") if loaders else device)
    drawn = workers.drawn_by(loaders, clips, AHEAD)
    encoded = partial(_encoded, autoencoder())
    if films is not None and workers.rank() == 0 and not (folder / "film.npz").exists():
        latents = np.concatenate([encoded(some) for some in torch.split(films.frames, DRAWN)])
        unknown = np.zeros((*latents.shape[:2], *latents.shape[3:]), np.uint8)
        _write_chunk(folder / "film.npz", latents, unknown, films.shots)
    for number in numbers:
        pieces = [next(drawn) for _ in range(0, chunk, DRAWN)]
        latents = np.concatenate([encoded(frames) for frames, _ in pieces])
        covers = torch.cat([of for _, of in pieces]).cpu().numpy()
        _write_chunk(folder / f"{number:04}.npz", latents, covers, clips.shots_of(number))


def _perhaps_wandering(rng: random.Random, shot: Shot) -> Shot:
    moving = shot.camera != "locked"
    if moving and shows("pan", shot.background) and rng.random() < WANDERING_CAMERAS:
        shot = replace(shot, camera=WANDER)
    share = WANDERING / 2 if moving else WANDERING
    return replace(shot, motion=WANDER, speed="") if rng.random() < share else shot


def _write_chunk(file: Path, latents: np.ndarray, covers: np.ndarray, shots: list[Shot]) -> None:
    said = json.dumps([asdict(shot) for shot in shots])
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        np.savez(stream, latents=latents, covers=covers, shots=said)
    part.rename(file)


@torch.no_grad()
def _encoded(autoencoder: AutoencoderKL, frames: torch.Tensor) -> np.ndarray:
    """Latents (B, F, C, h, w) in fp16 of frames (B, F, 3, H, W) in uint8."""
    pixels = frames.to(autoencoder.device).float() / 255
    with mixed_precision(pixels.device):
        return encode(autoencoder, pixels).half().cpu().numpy()


class Bank:
    """Clips on disk that a vocabulary can say: latents (N, F, C, h, w) in fp16, their subjects' masks at
    their highest in each cell of these (N, F, h, w) in 255ths (of films not known: 0), and N shots.

    `groups` are the rows of the same words, at most GROUP each; `rows` (G, GROUP) is the same, filled up with
    -1, and `sizes` (G,) how many they are. A group is chosen as often as it has clips: films stand alone, and
    would be shown as often as eight others. One that a word of `dwell` is said of (subject, motion, number of
    subjects) is chosen twice as often; given twice, thrice.
    """

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        vocabulary: Vocabulary = FULL,
        dwell: Sequence[str] = (),
    ) -> None:
        self.folder, self.vocabulary, self.dwell = folder, vocabulary, dwell
        self.shots: list[Shot] = []
        self.groups: list[list[int]] = []
        self._read: set[Path] = set()
        self._alike: dict[Words, list[int]] = {}
        self.latents = torch.empty(0, device=device)
        self.covers = torch.empty(0, dtype=torch.uint8, device=device)
        self.grow()

    def grow(self) -> None:
        """Take in the chunks that were written since."""
        found = [file for file in sorted(self.folder.glob("*.npz")) if file not in self._read]
        fresh = [self._take_in(file) for file in found]
        if not fresh or not self.groups:
            return
        latents, covers = (torch.cat(parts).to(self.latents.device) for parts in zip(*fresh, strict=True))
        self.latents = torch.cat((self.latents, latents)) if len(self.latents) else latents
        self.covers = torch.cat((self.covers, covers)) if len(self.covers) else covers
        full = [rows + [-1] * (GROUP - len(rows)) for rows in self.groups]
        self.rows = torch.tensor(full, device=self.latents.device)
        self.sizes = (self.rows >= 0).sum(1)
        self.count_chances()

    def _take_in(self, file: Path) -> tuple[torch.Tensor, torch.Tensor]:
        self._read.add(file)
        with np.load(file) as chunk:
            shots = [Shot(**fields) for fields in json.loads(str(chunk["shots"]))]
            kept = [row for row, shot in enumerate(shots) if self.vocabulary.says(shot)]
            if "covers" not in chunk:
                raise SystemExit(f"{file} was written by an older version: write the bank anew.")
            latents, covers = (torch.from_numpy(chunk[name][kept]) for name in ("latents", "covers"))
        first = len(self.shots)
        self.shots += [shots[row] for row in kept]
        numbered = range(first, len(self.shots))
        for words, alike in groupby(numbered, lambda row: words_of(self.shots[row])):
            same = list(alike)
            for start in range(0, len(same), GROUP):
                self._alike.setdefault(words, []).append(len(self.groups))
                self.groups.append(same[start : start + GROUP])
        return latents, covers

    def count_chances(self) -> None:
        """How often each group is to be chosen, summed up."""
        self._chances = list(accumulate(map(self._chance, range(len(self.groups)))))

    def _chance(self, group: int) -> int:
        shot = self.shot(group)
        said = (shot.subject, shot.motion, str(shot.count))
        return len(self.groups[group]) * math.prod(1 + self.dwell.count(word) for word in said)

    def choose(self, count: int, rng: random.Random) -> list[int]:
        """So many groups at random, by their chances."""
        return rng.choices(range(len(self.groups)), cum_weights=self._chances, k=count)

    def shot(self, group: int) -> Shot:
        """One of the group's, which all have the same words."""
        return self.shots[self.groups[group][0]]

    def opposite(self, group: int, rng: random.Random) -> int:
        """A group of the words opposite to one's, all else alike; any group where nobody says them.

        What keeps still stands beside a spin, where one looks like it: there are as few spins otherwise as
        have been drawn first.
        """
        shot = self.shot(group)
        speeds = SPEEDS if shot.motion == "still" else ()
        spins = [replace(shot, motion="spin", speed=speed) for speed in speeds]
        for words in map(words_of, (*spins, opposed(shot))):
            if words in self._alike:
                alike = self._alike[words]
                return rng.choices(alike, [len(self.groups[one]) for one in alike])[0]
        return self.choose(1, rng)[0]
