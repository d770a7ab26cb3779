"""The loop that every stage of the starter's training runs, and the checkpoint that it goes on from."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from . import workers
from .models import mixed_precision
from .optimizer import Optimizer

WARMUP = 100
"""Steps over which the learning rate rises; over the last part of a run (`--decay`) it falls to zero."""
NOTED_EVERY = 30.0
"""Seconds between two notes of the loss, two savings."""


def saved_step(file: Path) -> int:
    """How far the checkpoint has come, 0 when there is none; read without a device."""
    if not file.exists():
        return 0
    step: int = torch.load(file, map_location="cpu", mmap=True, weights_only=True)["step"]
    return step


class Checkpoint:
    """Modules, their exponential moving average, and one file that holds them with the step."""

    def __init__(self, file: Path, modules: torch.nn.ModuleDict, ema_decay: float = 0.995) -> None:
        self.file, self.modules, self.ema_decay, self.step = file, modules, ema_decay, 0
        self.average_anew()
        self.optimizer_state: list[dict[str, Any]] | None = None

    def load(self, *, averaged: bool = False) -> bool:
        """Take up the saved state, the averaged weights if so asked; False when there is none."""
        if not self.file.exists():
            return False
        state = torch.load(self.file, map_location=next(self.modules.parameters()).device, weights_only=True)
        self.modules.load_state_dict(state["ema" if averaged else "weights"], strict=not averaged)
        self.ema, self.step, self.optimizer_state = state["ema"], state["step"], state["optimizer"]
        if isinstance(self.optimizer_state, dict):  # an older version's, of AdamW alone: begun anew
            self.optimizer_state = None
        return True

    def average_anew(self) -> None:
        """Let the average begin at the weights as they are."""
        self.ema = {name: p.detach().clone() for name, p in self.modules.named_parameters()}

    def save(self, optimizer: Optimizer | None = None) -> None:
        part = self.file.with_suffix(".part")
        weights = self.modules.state_dict()
        state = optimizer and optimizer.state_dict()
        torch.save({"weights": weights, "ema": self.ema, "step": self.step, "optimizer": state}, part)
        part.rename(self.file)

    @torch.no_grad()
    def advance(self) -> None:
        """Count a step and move the average."""
        self.step += 1
        decay = min(self.ema_decay, (1 + self.step) / (10 + self.step))
        parameters = [p.detach() for p in self.modules.parameters()]
        torch._foreach_lerp_(list(self.ema.values()), parameters, 1 - decay)


def run(
    checkpoint: Checkpoint,
    loss_of: Callable[[random.Random], torch.Tensor],
    args: argparse.Namespace,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Train for `args.minutes`; about twice a minute print the mean loss, save, and do what is to be done
    `meanwhile`."""
    device, parameters = args.device, list(checkpoint.modules.parameters())
    optimizer = Optimizer(checkpoint.modules, args.rate)
    if checkpoint.optimizer_state is not None:
        optimizer.load_state_dict(checkpoint.optimizer_state)
    seed = checkpoint.step * workers.count() + workers.rank()
    torch.manual_seed(seed)
    rng = random.Random(seed)
    begun, noted, losses, first = time.monotonic(), time.monotonic(), [], checkpoint.step
    while (progress := workers.agreed((time.monotonic() - begun) / (60 * args.minutes))) < 1:
        fall = min(1.0, (1 - progress) / args.decay) if args.decay else 1.0
        optimizer.set_rate(args.rate * fall * min(1.0, (checkpoint.step - first + 1) / WARMUP))
        with mixed_precision(device):
            loss = loss_of(rng)
        checkpoint.modules.zero_grad()
        torch.autograd.backward(loss)
        workers.average(p.grad for p in parameters if p.grad is not None)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        checkpoint.advance()
        losses.append(loss.detach())
        if time.monotonic() - noted > NOTED_EVERY:
            meanwhile()
            if workers.rank() == 0:
                mean = torch.stack(losses).mean()
                print(f"{args.stage} step {checkpoint.step} loss {mean:.4f}", flush=True)
                checkpoint.save(optimizer)
            noted, losses = time.monotonic(), []
    checkpoint.optimizer_state = optimizer.state_dict()
    if workers.rank() == 0:
        checkpoint.save(optimizer)
