"""What stages `autoencoder` and `decoder` train on: single pictures of the world."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch.utils.data import IterableDataset

from .models import Size, upload
from .workers import drawn_by
from .world import FULL, Vocabulary, render, sample_shot
from .world.shots import HELD_OUT_SHARE

REMEMBERED = 131_072
"""The last so many pictures that were drawn are shown, again and again."""


def random_pictures(
    rng: random.Random, count: int, size: Size, device: torch.device, vocabulary: Vocabulary = FULL
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (count, 3, H, W) in [-1, 1] for the autoencoder and their subjects' masks (count, 1, H, W).

    Subjects are anywhere and of any size, patterns start anywhere in half of them; every fourth picture is a
    crop at half the frame. Combinations held out from the UNet are not held out from the autoencoder.
    """
    shots = [
        replace(
            sample_shot(rng, vocabulary=vocabulary, unseen=rng.random() < 1 / HELD_OUT_SHARE, motion="still"),
            x=rng.random(),
            y=rng.random(),
            size=rng.uniform(0.08, 0.32),
            texture=rng.choice((0.0, rng.random())),
        )
        for _ in range(count)
    ]
    whole = render(shots[count // 4 :], size=size.pixels, frames=1, device=device)
    pictures, masks = [whole.frames[:, 0]], [whole.masks]
    if cropped := shots[: count // 4]:
        large = render(cropped, size=2 * size.pixels, frames=1, device=device)
        rows, columns = (
            slice(start, start + size.pixels) for start in (rng.randrange(size.pixels) for _ in "yx")
        )
        pictures.append(large.frames[:, 0, :, rows, columns])
        masks.append(large.masks[:, :, rows, columns])
    return torch.cat(pictures) * 2 - 1, torch.cat(masks)


class _Pictures(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """Batches of `random_pictures` without end, drawn on the CPU."""

    def __init__(self, seed: int, count: int, size: Size, vocabulary: Vocabulary) -> None:
        self.seed, self.count, self.size, self.vocabulary = seed, count, size, vocabulary

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        process = torch.utils.data.get_worker_info()
        rng = random.Random(f"{self.seed} {process.id if process else 0}")
        while True:
            yield random_pictures(rng, self.count, self.size, torch.device("cpu"), self.vocabulary)


def drawn_ahead(
    seed: int, count: int, size: Size, vocabulary: Vocabulary, loaders: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """`random_pictures` from `loaders` processes, so that a GPU need not wait for them; 0 draws them here."""
    return drawn_by(loaders, _Pictures(seed, count, size, vocabulary))


class Pool:
    """The last REMEMBERED pictures, kept on the device that learns from them.

    A GPU learns from thousands a second, more than a dozen cores draw.
    """

    def __init__(self, size: Size, device: torch.device) -> None:
        pixels = (size.pixels, size.pixels)
        self._pictures = torch.empty(REMEMBERED, 3, *pixels, dtype=torch.uint8, device=device)
        self._masks = torch.empty(REMEMBERED, 1, *pixels, dtype=torch.uint8, device=device)
        self._taken = 0

    def take(self, pictures: torch.Tensor, masks: torch.Tensor) -> None:
        """In the place of the oldest: pictures (N, 3, H, W) in [-1, 1] and masks (N, 1, H, W)."""
        device = self._pictures.device
        places = torch.arange(self._taken, self._taken + len(pictures), device=device) % REMEMBERED
        self._pictures[places] = upload(((pictures + 1) * 127.5).round().byte(), device)
        self._masks[places] = upload((masks * 255).round().byte(), device)
        self._taken += len(pictures)

    def some(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """`count` random pictures and their masks, all of them mirrored or none."""
        held = min(self._taken, REMEMBERED)
        which = torch.randint(held, (count,), device=self._pictures.device)
        pictures, masks = self._pictures[which].float() / 127.5 - 1, self._masks[which].float() / 255
        return (pictures.flip(-1), masks.flip(-1)) if torch.rand(()) < 0.5 else (pictures, masks)


@contextmanager
def shown_again(
    drawn: Iterator[tuple[torch.Tensor, torch.Tensor]], count: int, size: Size, device: torch.device
) -> Iterator[Iterator[tuple[torch.Tensor, torch.Tensor]]]:
    """Batches of `count` from a Pool that `drawn` fills meanwhile, as it can; they end if it fails."""
    pool, over, failed = Pool(size, device), threading.Event(), list[Exception]()
    pool.take(*next(drawn))

    def fill() -> None:
        try:
            while not over.is_set():
                pool.take(*next(drawn))
        except Exception as error:
            failed.append(error)

    def shown() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        while not failed:
            yield pool.some(count)
        raise failed[0]

    filling = threading.Thread(target=fill, daemon=True)
    filling.start()
    try:
        yield shown()
    finally:
        over.set()
        filling.join()
