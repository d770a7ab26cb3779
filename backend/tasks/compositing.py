"""One clip put together of several, each made with a motion of its own: compositing.

Added up in one prediction, one of two motions keeps the other from acting on small bases (docs/log.md).
Filmed, each acts alone: motions of a subject carry it along each other's ways (`media/carrying.py`), and the
moves of a camera's are laid over all of that, or over each other's clip (`media/filming.py`). What cannot be
put together is made in one clip instead, and that is said.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from backend.api.presets import Kind
from backend.diffusion.sampling import Predict
from backend.media.carrying import carried, subject_way
from backend.media.filming import camera_move, filmed, filmed_besides

Frames = np.ndarray[Any, Any]  # (F, H, W, 3) uint8 RGB
Clip = Callable[[Predict, Tensor, str], Frames]  # what is predicted, noise, a note for the progress → a clip
Predicts = Callable[[], AbstractContextManager[Predict]]  # inside, what is predicted under all that acts

NOT_FILMED = (
    "The camera's motion makes no move that can be laid over the subject's clip: it tells none before this "
    "ground, goes too far, or the clip moves by itself. Camera and subject were kept apart in one clip."
)
NOT_FILMED_BESIDES = (
    "The camera's motions could not be put together: one tells no move before this ground, or they go too "
    "far. They were added up."
)
NOT_CARRIED = (
    "The subject's motions could not be put together: one makes no way or loses sight of the subject, there "
    "are several subjects, or the ground moves or is never seen behind them. They were added up."
)


class Noise(NamedTuple):
    """What is denoised (1, C, F, h, w): in one clip, or in each of those that are put together."""

    together: Tensor
    camera: Tensor  # the first of its motions
    subject: Tensor  # the clip that is shown
    further: Tensor  # those of further motions, of which only a subject's way or a camera's move is taken

    @classmethod
    def same(cls, noise: Tensor) -> "Noise":
        return cls(noise, noise, noise, noise)

    @classmethod
    def led(cls, noise: Tensor, led: Tensor, whose: Kind) -> "Noise":
        """Where the motion of `whose` kind has its clip followed, no clip of another's starts from that."""
        camera, subject = (led if whose == kind else noise for kind in ("camera", "subject"))
        return cls(led, camera, subject, noise)


Make = Callable[[Noise, str], Frames]  # noise, a note for the progress → a clip


@dataclass(frozen=True)
class Layers:
    """What acts in each of the clips."""

    cameras: Sequence[Predicts]  # of each clip whose move is laid over the rest
    subjects: Sequence[Predicts]  # each of its motions alone, the one that is shown first; or none
    subject: Predicts | None  # all of the subject's motions, if there are any
    together: Predicts  # all motions


@contextmanager
def held(acts: AbstractContextManager[Predict], clip: Clip) -> Iterator[Make]:
    """No layers: everything acts in one clip, as long as the block lasts."""
    with acts as predict:
        yield lambda noise, note: clip(predict, noise.together, note)


@contextmanager
def composite(layers: Layers, clip: Clip, notes: list[str]) -> Iterator[Make]:
    """Clips from layers, for as long as the block lasts; `notes` get what could not be put together."""

    def make(noise: Noise, note: str) -> Frames:
        def made(acts: Predicts, start: Tensor, of: str = "") -> Frames:
            with acts() as predict:
                return clip(predict, start, ", ".join(filter(None, [note, of])))

        seen, said = _seen(layers, noise, made)
        if said:
            notes.append(f"{note}: {said}".removeprefix(": "))
        return made(layers.together, noise.together) if seen is None else seen

    yield make


def _seen(layers: Layers, noise: Noise, made: Callable[..., Frames]) -> tuple[Frames | None, str]:
    """The clip that is put together, if it can be, and what is to be said of it or of that."""
    if layers.subject is None:
        clips = _each(layers.cameras, noise.camera, noise.further, made, "camera")
        seen = filmed_besides(clips, _may_be_shown(clips, noise.camera, noise.further))
        return seen, NOT_FILMED_BESIDES if seen is None else ""
    if not layers.cameras:
        return _scene(layers.subject, layers.subjects, noise, made)
    move = camera_move(*_each(layers.cameras, noise.camera, noise.further, made, "camera"))
    if move is not None:
        scene, said = _scene(layers.subject, layers.subjects, noise, made)
        if (seen := filmed(scene, move)) is not None:
            return seen, said
    return None, NOT_FILMED


def _each(
    all_acts: Sequence[Predicts], first: Tensor, further: Tensor, made: Callable[..., Frames], whose: Kind
) -> list[Frames]:
    """A clip of each, the first from noise of its own."""
    if len(all_acts) == 1:
        return [made(all_acts[0], first, f"for the {whose}")]
    starts = [first, *[further] * (len(all_acts) - 1)]
    return [
        made(acts, start, f"for motion {number} of the {whose}'s {len(starts)}")
        for number, (acts, start) in enumerate(zip(all_acts, starts, strict=True), 1)
    ]


def _may_be_shown(clips: Sequence[Frames], first: Tensor, further: Tensor) -> int:
    """Of clips that start from the same noise any may be, else the first."""
    return len(clips) if torch.equal(first, further) else 1


def _scene(
    all_act: Predicts, each_acts: Sequence[Predicts], noise: Noise, made: Callable[..., Frames]
) -> tuple[Frames, str]:
    """The subject with all of its motions, before a still camera; and what is to be said of that."""
    if not each_acts:
        return made(all_act, noise.subject), ""
    clips = _each(each_acts, noise.subject, noise.further, made, "subject")
    # More than one, since some hide too much of their ground.
    if (seen := _carried(clips, _may_be_shown(clips, noise.subject, noise.further))) is not None:
        return seen, ""
    return made(all_act, noise.subject), NOT_CARRIED


def _carried(clips: Sequence[Frames], shown: int) -> Frames | None:
    """The first of `shown` clips whose subject the others' ways carry."""
    ways = [subject_way(clip) for clip in clips]
    for number, scene in enumerate(clips[:shown]):
        others = [way for other, way in enumerate(ways) if other != number and way is not None]
        if len(others) == len(clips) - 1 and (seen := carried(scene, others)) is not None:
            return seen
    return None
