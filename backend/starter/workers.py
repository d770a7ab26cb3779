"""Several processes that train one model, a thread each.

On a CPU this beats threads: small layers leave threads waiting for each other many times a step, processes
meet once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch.utils.data import DataLoader, Dataset

T = TypeVar("T")


def start(workers: int, work: Callable[..., None], *args: object) -> None:
    """Run `work(*args)` in `workers` processes at once and wait for them."""
    if workers == 1:
        work(*args)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool,
    ):
        meeting = Path(folder) / "meeting"
        for job in [pool.submit(_join, rank, workers, meeting, work, args) for rank in range(workers)]:
            job.result()


def _join(
    rank: int, workers: int, meeting: Path, work: Callable[..., None], args: tuple[object, ...]
) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    torch.manual_seed(0)  # what is new begins alike in all of them
    dist.init_process_group("gloo", init_method=meeting.as_uri(), rank=rank, world_size=workers)
    try:
        work(*args)
    finally:
        dist.destroy_process_group()


def end_with_parent() -> None:
    """From here on this process ends when its parent does, or when it is told to, and its loaders with it.

    A run that is killed leaves no worker behind to save over the next run's checkpoint.
    """
    parent = multiprocessing.parent_process()

    def end(*_: object) -> None:
        for loader in multiprocessing.active_children():
            loader.kill()
        os._exit(1)

    def wait() -> None:
        if parent is not None:
            parent.join()
            end()

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=wait, daemon=True).start()


def drawn_by(loaders: int, dataset: Dataset[T], ahead: int | None = None) -> Iterator[T]:
    """What the dataset gives, drawn by so many processes, each `ahead` of what is asked for; by 0, here.

    They are forked where that can be, also where this process was spawned: those that are spawned import
    torch anew, a dozen at a time.
    """
    return iter(
        DataLoader(
            dataset,
            batch_size=None,
            num_workers=loaders,
            prefetch_factor=ahead if loaders else None,
            multiprocessing_context="fork" if loaders and hasattr(os, "fork") else None,
        )
    )


def rank() -> int:
    """Which of the workers this is; the first one keeps the time, prints and saves."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def average(tensors: Iterable[torch.Tensor]) -> None:
    """Replace each tensor by its mean over all workers, in one message."""
    if not dist.is_initialized():
        return
    tensors = list(tensors)
    flat = torch.cat([t.flatten() for t in tensors])
    dist.all_reduce(flat)
    parts = torch.split(flat / count(), [t.numel() for t in tensors])
    torch._foreach_copy_(tensors, [part.view_as(t) for part, t in zip(parts, tensors, strict=True)])


def agreed(value: float) -> float:
    """The first worker's value, for all."""
    if not dist.is_initialized():
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(shared, 0)
    return shared.item()
