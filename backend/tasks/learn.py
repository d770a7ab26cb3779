"""The learning loop: stages, checkpoints, previews. It knows neither papers nor models.

A method says what learns and with which losses, a family predicts; the loop only backpropagates.
"""

import shutil
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from backend.api.protocol import Learn, Sampling
from backend.api.settings import resolved
from backend.diffusion.adapters import (
    Lora,
    State,
    add_lora,
    learning,
    load_lora_state,
    lora_parameters,
    lora_state,
    merged,
    remove_loras,
)
from backend.errors import UserError
from backend.families.base import Family
from backend.media import clips
from backend.methods import METHODS
from backend.methods.base import Adapter, Method, Stage, Step
from backend.tasks import generate
from backend.tasks.bases import open_base, with_motion_words
from backend.tasks.checkpoints import Checkpoint, newest_checkpoint, save_checkpoint
from backend.tasks.keep import keep_motion, preset_place
from backend.tasks.prepare import Prepared, prepare, seeded
from backend.tasks.run import Result, Run, Stopped

CHECKPOINTS = 10  # in a stage, evenly spread
PREVIEWS = 4  # in the last stage
PREVIEW_STEPS = 8


def learn(request: Learn, run: Run) -> Result:
    """Learn into the preset folder `request.out`; goes on from the newest checkpoint in the job's folder.

    Raises UserError for clips or a base that cannot be used, and Stopped (a checkpoint has been written).
    """
    if not request.clips:
        raise UserError("There is no clip to learn from.", "Select a movie strip, or name a clip.")
    if not request.motion.strip():
        raise UserError("The motion has no words.", "Say how it moves, such as: moving in a circle.")
    out = preset_place(Path(request.out))
    family = open_base(request.base, request.compute, run)
    own = family.profile.learn.get(type(request.method).__name__, {})
    request = replace(
        request,
        method=resolved(request.method, own),
        steps=request.steps or family.profile.steps[request.quality],
    )
    method = METHODS[type(request.method)](request.method)
    prepared = prepare(request, family, run)
    state = Learning(request, family, method, prepared, run).all_stages()
    motion = next(a for a in method.adapters if a.name == method.kept)
    keep_motion(request, family, motion, state, out)
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    (run.folder / "prepared.safetensors").unlink(missing_ok=True)
    return Result((str(out),), prepared.notes)


@dataclass
class Course:
    """A stage under way."""

    index: int
    stage: Stage
    step: Step
    optimizer: torch.optim.Optimizer
    acting: list[Lora]  # of earlier stages, to be merged
    scaler: torch.amp.GradScaler  # does nothing but in fp16
    done: int  # steps of the stage


@dataclass
class Learning:
    """One learning run: what is learned so far, and how it goes on."""

    request: Learn
    family: Family
    method: Method
    prepared: Prepared
    run: Run

    def __post_init__(self) -> None:
        self.learned: dict[str, State] = {}  # by adapter
        self.stages = self.method.stages(self.request.steps or 0)
        self.checkpoints = self.run.folder / "checkpoints"

    def all_stages(self) -> State:
        """→ the tensors of the adapter that is the motion."""
        rng = seeded(self.request.seed)
        resumed = newest_checkpoint(self.checkpoints)
        if resumed and resumed.data != self.prepared.digest:
            # The clip or the words have changed since; left there, old steps would count as the newest.
            shutil.rmtree(self.checkpoints)
            resumed = None
        if resumed:
            self.learned = dict(resumed.adapters)
            rng.set_state(resumed.rng)
        first = resumed.stage if resumed else 0
        for index in range(first, len(self.stages)):
            self._stage(index, rng, resumed if index == first else None)
        return self.learned[self.method.kept]

    def _stage(self, index: int, rng: torch.Generator, resumed: Checkpoint | None) -> None:
        """Run one stage, from its start or from `resumed`; what it learned is then in `learned`."""
        stage = self.stages[index]
        adapters = {a.name: a for a in self.method.adapters}
        try:
            for name in stage.learn:
                self._add(adapters[name])
                if resumed:
                    load_lora_state(self.family.denoiser, name, self.learned[name])
            course = Course(
                index,
                stage,
                Step(self.family, self.prepared.examples, rng),
                make_optimizer(self.family, stage),
                self._acting([adapters[name] for name in stage.act]),
                make_scaler(self.family),
                resumed.step if resumed else 0,
            )
            if resumed:
                course.optimizer.load_state_dict(resumed.optimizer)
                course.scaler.load_state_dict(resumed.scaler)
            for until in stops(course.done, stage.steps, self._previews(course)):
                self._steps(course, until)
                self._save(course)
                self._preview(course)
        finally:
            remove_loras(self.family.denoiser)

    def _add(self, adapter: Adapter) -> None:
        pattern = "|".join(f"({self.family.layers(group)})" for group in adapter.layers)
        add_lora(self.family.denoiser, adapter.name, pattern, adapter.rank, adapter.scale, self.request.seed)

    def _acting(self, adapters: list[Adapter]) -> list[Lora]:
        """What acts without learning, to be merged, where it then costs nothing a step.

        In 16 bits it is added beside the layers instead: a gentle absorber's change is smaller than half a
        unit in the weights' last place, and merging would round most of it away.
        """
        if self.family.plan.dtype is torch.float32:
            return [Lora(self.learned[a.name], a.scale) for a in adapters]
        for adapter in adapters:
            self._add(adapter)
            load_lora_state(self.family.denoiser, adapter.name, self.learned[adapter.name])
        return []

    def _steps(self, course: Course, until: int) -> None:
        """Learn up to step `until`."""
        stage = course.stage
        bypass = self.family.bypass_temporal() if stage.bypass_temporal else nullcontext()
        try:
            with merged(self.family.denoiser, course.acting), bypass:
                while course.done < until:
                    self.run.check()
                    take_step(stage, course.step, course.optimizer, course.scaler)
                    course.done += 1
                    self.run.progress(stage.title, course.done, stage.steps, "")
        except Stopped:
            self._save(course)
            raise

    def _save(self, course: Course) -> None:
        for name in course.stage.learn:
            self.learned[name] = lora_state(self.family.denoiser, name)
        checkpoint = Checkpoint(
            course.index,
            course.done,
            self.prepared.digest,
            self.learned,
            course.optimizer.state_dict(),
            course.scaler.state_dict(),
            course.step.rng.get_state(),
        )
        save_checkpoint(self.checkpoints, checkpoint)

    def _previews(self, course: Course) -> bool:
        return bool(self.request.preview_prompt) and course.index == len(self.stages) - 1

    def _preview(self, course: Course) -> None:
        """A clip with what is learned so far, made as a final one is, in fewer steps."""
        if not self._previews(course):
            return
        s = generate.native(Sampling(steps=PREVIEW_STEPS), self.family)
        noise = generate.clip_noise(self.family, s, self.request.seed)
        with learning(self.family.denoiser, learn=(), act=tuple(course.stage.learn)):
            frames = generate.make_clip(self.family, self._preview_words, noise, s, self.run, "preview")
        self.family.release("pixels")
        path = self.run.folder / "previews" / f"{course.done:06d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = {"schema": 1, "step": course.done, "seed": self.request.seed}
        clips.write(path, frames, self.family.profile.fps, facts)
        self.run.preview(str(path), course.done)

    @cached_property
    def _preview_words(self) -> generate.Prompted:
        s = generate.native(Sampling(), self.family)
        words = with_motion_words(self.request.preview_prompt, [self.request.motion])
        return generate.embed(self.family, words, s)


def stops(done: int, steps: int, previews: bool) -> list[int]:
    """The steps after `done` at which a checkpoint (and a preview) is due, the last being `steps`."""
    parts = PREVIEWS if previews else CHECKPOINTS
    due = {round(steps * part / parts) for part in range(1, parts + 1)}
    return [step for step in sorted(due) if step > done]


def make_optimizer(family: Family, stage: Stage) -> torch.optim.Optimizer:
    """AdamW over the stage's adapters, each at its own rate."""
    groups = [
        {"params": list(lora_parameters(family.denoiser, name).values()), "lr": rate}
        for name, rate in stage.learn.items()
    ]
    return torch.optim.AdamW(groups, weight_decay=0.01)


def make_scaler(family: Family) -> torch.amp.GradScaler:
    """Keeps small gradients of fp16 from vanishing; does nothing in other precisions."""
    return torch.amp.GradScaler(family.plan.device.type, enabled=family.plan.dtype is torch.float16)


def take_step(
    stage: Stage, step: Step, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler
) -> list[Tensor]:
    """One optimizer step on all of the stage's losses; → the losses, detached, still on the device."""
    losses = []
    for loss in stage.losses(step):
        torch.autograd.backward(scaler.scale(loss))
        losses.append(loss.detach())
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    return losses
