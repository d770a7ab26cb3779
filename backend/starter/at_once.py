"""All stages at once, for a machine with a GPU and many cores:
`python -m backend.starter.at_once --minutes … --work DIR --device cuda --loaders 14 --start FOLDER`.

One stage after another leaves such a machine idle for most of its time. Here the autoencoder learns first,
while clips are drawn; then they are encoded to the end, and the denoiser learns from as many as there are.
The checkpoints are those of `train`, which can export them at any time; at the end this does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event

import torch
from diffusers import AutoencoderKL

from . import workers
from .data import CHUNKS
from .train import (
    argument_parser,
    export_folder,
    open_denoiser,
    prepared,
    teach_denoiser,
    train_autoencoder,
    train_bank,
    trained_autoencoder,
)

AUTOENCODER_SHARE = 0.27
"""The autoencoder's part of the minutes, in which processes also start."""
AUTOENCODER_DECAY = 0.75
EXPORT_SECONDS = 15
LOOKED_EVERY = 0.2
"""Seconds between two looks at what the processes do."""


@dataclass(frozen=True)
class Lesson:
    """A stage, its share of the denoiser's minutes, its timesteps, for how much of it the rate falls."""

    stage: str
    share: float
    noise: float = 0.0
    decay: float = 0.0


LESSONS = (
    Lesson("stills", 0.09),
    Lesson("clips", 0.25, noise=1.2),
    Lesson("clips", 0.66, noise=0.7, decay=0.9),
)


def _with(args: argparse.Namespace, **changed: object) -> argparse.Namespace:
    return argparse.Namespace(**vars(args) | changed)


def _minutes_until(when: float) -> float:
    return max(1e-3, (when - time.time()) / 60)  # late as it may be, what has begun learns a step


def _teach_autoencoder(args: argparse.Namespace, _: Event) -> None:
    workers.end_with_parent()
    minutes = _minutes_until(args.begun + AUTOENCODER_SHARE * 60 * args.minutes)
    train_autoencoder(_with(args, stage="autoencoder", minutes=minutes, decay=AUTOENCODER_DECAY))


def _fill_bank(args: argparse.Namespace, taught: Event) -> None:
    workers.end_with_parent()

    def autoencoder() -> AutoencoderKL:
        taught.wait()
        return trained_autoencoder(args)

    train_bank(args, autoencoder)


def _teach_denoiser(args: argparse.Namespace, taught: Event) -> None:
    workers.end_with_parent()
    taught.wait()
    while not list(args.bank.glob(CHUNKS)):
        time.sleep(LOOKED_EVERY)
    checkpoint, denoising = open_denoiser(args)
    minutes = _minutes_until(args.begun + 60 * args.minutes - EXPORT_SECONDS)
    for lesson in LESSONS:
        denoising.bank.grow()
        told = {"stage": lesson.stage, "noise": lesson.noise, "decay": lesson.decay}
        teach_denoiser(checkpoint, denoising, _with(args, minutes=lesson.share * minutes, **told))
    print(f"{len(denoising.bank.shots)} clips were drawn", flush=True)


class _Stages:
    """The three processes; they go on together or not at all."""

    def __init__(self, args: argparse.Namespace) -> None:
        context = multiprocessing.get_context("spawn")
        self.taught = context.Event()
        told = (args, self.taught)
        self.autoencoder = context.Process(target=_teach_autoencoder, args=told, name="autoencoder")
        self.bank = context.Process(target=_fill_bank, args=told, name="bank")
        self.denoiser = context.Process(target=_teach_denoiser, args=told, name="denoiser")
        self.all = (self.autoencoder, self.bank, self.denoiser)
        for process in self.all:
            process.start()

    def wait_for(self, process: SpawnProcess) -> None:
        """Until it has ended. Raises SystemExit when any of them has failed."""
        while True:
            ended = not process.is_alive()
            for failed in [one for one in self.all if one.exitcode]:
                raise SystemExit(f"The {failed.name} has failed (see above); what it saved stays.")
            if ended:
                return
            time.sleep(LOOKED_EVERY)

    def end(self) -> None:
        for process in self.all:
            process.terminate()
        for process in self.all:
            process.join()


def train(args: argparse.Namespace) -> None:
    """Teach all parts in `args.minutes` and export them. Raises SystemExit when a process fails; all end."""
    if list(args.bank.glob(CHUNKS)):
        raise SystemExit(f"{args.bank} holds clips of another autoencoder: give another folder as --work.")
    args.begun = time.time()
    stages = _Stages(args)
    try:
        stages.wait_for(stages.autoencoder)
        stages.taught.set()
        stages.wait_for(stages.denoiser)
    finally:
        stages.end()
    export_folder(_with(args, device=torch.device("cpu")))


def main() -> None:
    parser = argument_parser(__doc__)
    args = parser.parse_args()
    if args.start is None:
        parser.error("--start is needed: a starter's folder to go on from")
    train(prepared(args))


if __name__ == "__main__":
    main()
