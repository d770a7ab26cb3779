"""The learning loop: stages and checkpoints. It knows neither papers nor models.

A method says what learns and with which losses, a family predicts; the loop only backpropagates.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.api.protocol import Learn
from backend.diffusion.adapters import (
    Lora,
    add_learned,
    add_lora,
    load_lora_state,
    lora_parameters,
    lora_state,
    merged,
    rank_of,
    remove_loras,
    standing_in,
)
from backend.diffusion.tokens import said_of
from backend.families.base import Family
from backend.methods.base import Adapter, Method, Stage, Step
from backend.tasks.checkpoints import (
    VECTORS,
    Checkpoint,
    Learned,
    States,
    newest_checkpoint,
    read_learned,
    save_checkpoint,
    write_learned,
)
from backend.tasks.given import NOTHING, Given
from backend.tasks.prepare import Prepared, seeded
from backend.tasks.previews import Previews
from backend.tasks.run import Run, Stopped

CHECKPOINTS = 10  # in a stage, evenly spread


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
    vectors: Mapping[str, nn.Parameter]  # of the new words that learn


@dataclass
class Learning:
    """One learning run: what is learned so far, and how it goes on."""

    request: Learn
    family: Family
    method: Method
    prepared: Prepared
    run: Run
    given: Given = NOTHING
    learned: States = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stages = self.method.stages(self.request.steps or 0)
        self.checkpoints = self.run.folder / "checkpoints"  # the newest, to go on from
        self.kept = self.run.folder / "kept"  # those to choose among afterwards
        self.adapters = {a.name: a for a in self.method.adapters}
        self.words = {w.name: w for w in self.method.words}
        self.previews = Previews(self.request, self.family, self.run, self.method.follow)

    def all_stages(self) -> Learned:
        """→ everything that was learned."""
        rng = seeded(self.request.seed)
        resumed = newest_checkpoint(self.checkpoints)
        if resumed and resumed.data != self.prepared.digest:
            # The clip or the words have changed since; left there, old steps would count as the newest.
            shutil.rmtree(self.checkpoints)
            shutil.rmtree(self.kept, ignore_errors=True)
            resumed = None
        if resumed:
            self.learned = dict(resumed.adapters)
            rng.set_state(resumed.rng)
        first = resumed.stage if resumed else 0
        for index in range(first, len(self.stages)):
            self._stage(index, rng, resumed if index == first else None)
        choices = self._choices(self._kept_stage)
        ends = self._kept_stage == len(self.stages) - 1
        kept = {step: read_learned(self._kept_file(step)) for step in (choices[:-1] if ends else choices)}
        shown = {step: self.previews.picture(step) for step in choices}
        return Learned(self.learned, kept, {step: path for step, path in shown.items() if path.exists()})

    def _stage(self, index: int, rng: torch.Generator, resumed: Checkpoint | None) -> None:
        """Run one stage, from its start or from `resumed`; what it learned is then in `learned`."""
        stage = self.stages[index]
        try:
            for name in (n for n in stage.learn if n in self.adapters):
                self._add(self.adapters[name])
                if name in self.learned:  # it is resumed, or goes on from what an earlier stage learned
                    load_lora_state(self.family.denoiser, name, self.learned[name])
            vectors = {name: self._vectors(name) for name in stage.learn if name in self.words}
            course = Course(
                index,
                stage,
                self.prepared.step(self.family, rng, self._reader(stage, vectors), self.method.offset),
                make_optimizer(self.family, stage, vectors),
                self._acting(stage),
                make_scaler(self.family),
                resumed.step if resumed else 0,
                vectors,
            )
            if resumed:
                course.optimizer.load_state_dict(resumed.optimizer)
                course.scaler.load_state_dict(resumed.scaler)
            choices = self._choices(index)
            if resumed and course.done in choices:  # which may have been cut short
                self._keep(course, only_missing=True)
            for until in stops(course.done, stage.steps, choices):
                self._steps(course, until)
                self._save(course)
                if until in choices:
                    self._keep(course)
        finally:
            remove_loras(self.family.denoiser)
            self.family.release("text")

    def _add(self, adapter: Adapter) -> None:
        pattern = "|".join(f"({self.family.layers(group)})" for group in adapter.layers)
        add_lora(self.family.denoiser, adapter.name, pattern, adapter.rank, adapter.scale, self.request.seed)

    def _vectors(self, name: str) -> nn.Parameter:
        """A new word's embeddings (n, D): as learned so far, else those of the words that it starts from."""
        if name in self.learned:
            start = self.learned[name][VECTORS]
        else:
            start = torch.stack([self.family.token_vectors(w).mean(0) for w in self.words[name].start])
        return nn.Parameter(start.to(self.family.plan.device))

    def _reader(self, stage: Stage, vectors: Mapping[str, nn.Parameter]) -> Callable[[str], Tensor] | None:
        """How captions are read where new words learn or act; None where the base's own reading will do."""
        tokens: dict[str, Tensor] = {self.words[name].word: vectors[name] for name in vectors}
        for name in stage.act:
            if name in self.words:
                tokens[self.words[name].word] = self.learned[name][VECTORS]
            elif name == "given":
                tokens |= self.given.vectors
        if not tokens:
            return None
        if vectors:
            # A new word that a text does not say must get no gradient: one of zeros still lets AdamW move it.
            return lambda text: self.family.embed([text], said_of(tokens, text))
        texts = {text: self.family.embed([text], tokens) for text in self.prepared.texts()}
        self.family.release("text")
        return texts.__getitem__

    def _acting(self, stage: Stage) -> list[Lora]:
        """What acts without learning, to be merged, where it then costs nothing a step.

        In 16 bits it is added beside the layers instead: a gentle absorber's change is smaller than half a
        unit in the weights' last place, and merging would round most of it away. So it is beside
        regularization clips, which are learned without it. (One made elsewhere whose ranks differ from layer
        to layer is merged all the same.)
        """
        own = (self.adapters[name] for name in stage.act if name in self.adapters)
        acting = {adapter.name: Lora(self.learned[adapter.name], adapter.scale) for adapter in own}
        if "given" in stage.act and self.given.lora:
            acting["given"] = self.given.lora
        whole = self.family.plan.dtype is torch.float32 and not self.prepared.regular
        beside = {name: lora for name, lora in acting.items() if rank_of(lora) and not whole}
        for name, lora in beside.items():
            add_learned(self.family.denoiser, name, lora)
        return [lora for name, lora in acting.items() if name not in beside]

    def _steps(self, course: Course, until: int) -> None:
        """Learn up to step `until`."""
        stage, unet = course.stage, self.family.denoiser
        given = self.given.weights if "given" in stage.act else {}
        try:
            with standing_in(unet, given), merged(unet, course.acting):
                while course.done < until:
                    self.run.check()
                    left = left_of_rate(course.done, stage.steps, self.method.rate_falls)
                    for group, rate in zip(course.optimizer.param_groups, stage.learn.values(), strict=True):
                        group["lr"] = rate * left
                    take_step(stage, course.step, course.optimizer, course.scaler)
                    course.done += 1
                    self.run.progress(stage.title, course.done, stage.steps, "")
        except Stopped:
            self._save(course)
            raise

    def _save(self, course: Course) -> None:
        for name in course.stage.learn:
            if name in course.vectors:
                self.learned[name] = {VECTORS: course.vectors[name].detach().cpu().clone()}
            else:
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

    @property
    def _kept_stage(self) -> int:
        """In which what is kept learns first."""
        return next(i for i, stage in enumerate(self.stages) if self.method.kept in stage.learn)

    def _choices(self, index: int) -> list[int]:
        """Steps of a stage after which there is a checkpoint to choose, the last being its end."""
        return parts(self.stages[index].steps, self.request.checkpoints) if index == self._kept_stage else []

    def _kept_file(self, step: int) -> Path:
        return self.kept / f"{step:06d}.safetensors"

    def _keep(self, course: Course, only_missing: bool = False) -> None:
        """The checkpoint that was just saved, to be chosen afterwards, and its preview."""
        if not (only_missing and self._kept_file(course.done).exists()):
            write_learned(self._kept_file(course.done), self.learned)
        shown = self.previews.picture(course.done).exists()
        if self.request.preview_prompt and not (only_missing and shown):
            tokens = {self.words[name].word: v.detach() for name, v in course.vectors.items()}
            self.previews.make(course.done, self.method.kept, tokens)


def parts(steps: int, count: int) -> list[int]:
    """The ends of `count` even parts of so many steps; fewer where there are fewer steps."""
    return sorted({round(steps * part / count) for part in range(1, count + 1)} - {0})


def stops(done: int, steps: int, choices: Iterable[int]) -> list[int]:
    """The steps after `done` at which a checkpoint is due, the last being `steps`."""
    return sorted(step for step in {*parts(steps, CHECKPOINTS), *choices} if step > done)


def make_optimizer(
    family: Family, stage: Stage, vectors: Mapping[str, nn.Parameter] | None = None
) -> torch.optim.Optimizer:
    """AdamW over what the stage learns, each at its own rate."""
    groups = []
    for name, rate in stage.learn.items():
        new_word = [vectors[name]] if vectors and name in vectors else None
        params = new_word or list(lora_parameters(family.denoiser, name).values())
        groups.append({"params": params, "lr": rate})
    return torch.optim.AdamW(groups, weight_decay=0.01)


def left_of_rate(done: int, steps: int, falls: float) -> float:
    """What is left of a learning rate, after `done`, that falls to 0 over the last `falls` of its steps."""
    return min(1.0, (1 - done / steps) / falls) if falls else 1.0


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
    if stage.clip_gradient is not None:
        scaler.unscale_(optimizer)
        params = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(params, stage.clip_gradient)
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    return losses
