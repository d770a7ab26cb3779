"""One clip put together of several, each made with a motion of its own: compositing.

Added up in one prediction, one of two motions keeps the other from acting on small bases (docs/log.md).
Filmed, each acts alone: motions of a subject carry it along each other's ways (`media/carrying.py`), and the
moves of a camera's are laid over all of that, or over each other's clip (`media/filming.py`). What cannot be
put together is made in one clip instead, and that is said. Of a camera's one motion alone only a clip that
stands still is filmed, as the camera went in what it was learned from.
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
from backend.media.camera import CameraPath
from backend.media.carrying import carried, subject_way
from backend.media.filming import (
    Besides,
    Measured,
    Moves,
    agree,
    camera_move,
    filmed,
    filmed_besides,
    move_in,
    stands,
)

Frames = np.ndarray[Any, Any]  # (F, H, W, 3) uint8 RGB
Clip = Callable[[Predict, Tensor, str], Frames]  # what is predicted, noise, a note for the progress → a clip
Predicts = Callable[[], AbstractContextManager[Predict]]  # inside, what is predicted under all that acts

NOT_FILMED = (
    "The camera's motion makes no move that can be laid over the subject's clip: none can be measured before "
    "this ground, it goes too far, or the clip moves by itself. Camera and subject were kept apart in one "
    "clip."
)
LEARNED_MOVE = (
    "A camera's move could not be measured surely before this ground; that of the clip it was learned from "
    "was taken."
)
STOOD = (
    "The camera's motion did not move this clip; the move of the clip it was learned from was laid over it. "
    "Added, under Stacking, with the same seed shows the clip as it was made."
)
TOO_FAR = (
    "The camera's motion did not move this clip, and the move of the clip it was learned from goes too far "
    "to be laid over it. Try a lower strength."
)
MOVES_OTHERWISE = (
    "This clip makes another move than the camera's motion, so that of the clip it was learned from was not "
    "laid over it. Try another background or seed."
)
SECOND_PASS = (
    "The model under Refine with goes over the clip without knowing what was put together, and may undo it. "
    "Leave it empty to keep the clip as it was filmed."
)
CAMERAS_ADDED = (
    "The camera's motions could not be put together: one's move cannot be measured before this ground, or "
    "they go too far. They were added up in one clip, and its move was laid over the subject's."
)
NOT_FILMED_BESIDES = (
    "The camera's motions could not be put together: one's move cannot be measured before this ground, or "
    "they go too far. They were added up."
)
NOT_CARRIED = (
    "The subject's motions could not be put together: one makes no way or loses sight of the subject, there "
    "are several subjects, or the ground moves or is never seen behind them. They were added up."
)


class Noise(NamedTuple):
    """What is denoised (1, C, F, h, w): in one clip, or in each of those that are put together."""

    together: Tensor
    camera: Tensor  # the first of its motions
    subject: Tensor  # the first of its motions
    further: Tensor  # all other motions: where that is another noise, only their way or move is taken

    @classmethod
    def same(cls, noise: Tensor) -> "Noise":
        return cls(noise, noise, noise, noise)

    @classmethod
    def led(cls, noise: Tensor, led: Tensor, whose: Kind) -> "Noise":
        """Where the motion of `whose` kind has its clip followed, no clip of another's starts from that."""
        camera, subject = (led if whose == kind else noise for kind in ("camera", "subject"))
        return cls(led, camera, subject, noise)


Make = Callable[[Noise, str], Frames]  # noise, a note for the progress → a clip


class Camera(NamedTuple):
    """What acts in a clip for the move of its camera, and how that goes in the clip that it was learned from,
    as strongly as it acts: None of several motions, and where there is no such clip."""

    acts: Predicts
    learned: Callable[[], Measured | None]


@dataclass(frozen=True)
class Layers:
    """What acts in each of the clips."""

    cameras: Sequence[Camera]  # each of its motions alone, or all of them, or none
    camera: Predicts | None  # all of the camera's motions, where `cameras` has several
    subjects: Sequence[Predicts]  # each of its motions alone, the one that is shown first; or none
    subject: Predicts | None  # all of the subject's motions, if there are any
    together: Predicts  # all motions

    @property
    def alone(self) -> bool:
        """Whether there is one motion of a camera and nothing else: its own clip may stand still."""
        return self.subject is None and len(self.cameras) == 1


@contextmanager
def held(acts: AbstractContextManager[Predict], clip: Clip) -> Iterator[Make]:
    """No layers: everything acts in one clip, as long as the block lasts."""
    with acts as predict:
        yield lambda noise, note: clip(predict, noise.together, note)


@contextmanager
def composite(layers: Layers, clip: Clip, notes: list[str], *, second_pass: bool) -> Iterator[Make]:
    """Clips from layers, for as long as the block lasts; `notes` get what is to be said of each, and where a
    `second_pass` follows, of that."""

    def make(noise: Noise, note: str) -> Frames:
        def made(acts: Predicts, start: Tensor, of: str = "") -> Frames:
            with acts() as predict:
                return clip(predict, start, ", ".join(filter(None, [note, of])))

        seen, said = _Composite(layers, noise, made).seen()
        notes.extend(f"{note}: {one}".removeprefix(": ") for one in said)
        put_together = STOOD in said if layers.alone else seen is not None
        if second_pass and put_together and SECOND_PASS not in notes:
            notes.append(SECOND_PASS)
        return made(layers.together, noise.together) if seen is None else seen

    yield make


class Laid(NamedTuple):
    """A camera's move: what its own clip tells, and what is laid over another clip. That is the move of the
    clip that the motion was learned from, if there is one, where what its own tells is neither sure nor
    about the same."""

    own: CameraPath | None
    path: CameraPath
    learned: bool


@dataclass(frozen=True)
class _Composite:
    """One clip of several. Its methods give what is seen, where it can be put together, and what is to be
    said of it, or of there being none."""

    layers: Layers
    noise: Noise
    made: Callable[..., Frames]  # what acts, noise, a note for the progress → a clip

    def seen(self) -> tuple[Frames | None, list[str]]:
        if not self.layers.cameras:
            return self._scene()
        if self.layers.alone:
            return self._moving(self.layers.cameras[0])
        clips = self._each([camera.acts for camera in self.layers.cameras], self.noise.camera, "camera")
        moves = [_laid(clip, camera) for clip, camera in zip(clips, self.layers.cameras, strict=True)]
        told = [move for move in moves if move is not None]
        whole = len(told) == len(moves)  # nothing is laid over by halves
        if self.layers.subject is None:
            return self._besides(clips, told) if whole else (None, [NOT_FILMED_BESIDES])
        size = clips[0].shape[2], clips[0].shape[1]
        move = camera_move([of_one.path for of_one in told], size) if whole else None
        return self._filmed(move, _said_of(told))

    def _moving(self, camera: Camera) -> tuple[Frames, list[str]]:
        """What a camera's only motion makes; where that stands still, filmed as it was learned."""
        clip, learned = self.made(camera.acts, self.noise.together), camera.learned()
        if learned is None or not learned.sure or not stands(clip, learned.path):
            return clip, []
        move = camera_move([learned.path], (clip.shape[2], clip.shape[1]))
        if move is None:
            return clip, [TOO_FAR]
        seen = filmed(clip, move)
        return (clip, [MOVES_OTHERWISE]) if seen is None else (seen, [STOOD])

    def _besides(self, clips: Sequence[Frames], moves: Sequence[Laid]) -> tuple[Frames | None, list[str]]:
        """One of the cameras' clips, with the moves of the others laid over it."""
        others = [[*moves[:number], *moves[number + 1 :]] for number in range(len(moves))]
        shown = {
            number: Besides(clips[number], own, [of_one.path for of_one in others[number]])
            for number in range(self._may_be_shown(clips, self.noise.camera))
            if (own := moves[number].own) is not None
        }
        if (found := filmed_besides(list(shown.values()))) is None:
            return None, [NOT_FILMED_BESIDES]
        best, seen = found
        return seen, _said_of(others[list(shown)[best]])

    def _filmed(self, move: Moves | None, said: list[str]) -> tuple[Frames | None, list[str]]:
        """The subject, filmed so; where that cannot be, as all of several cameras' motions move one clip."""
        if move is None and self.layers.camera is not None:
            clip = self.made(self.layers.camera, self.noise.camera, "for the camera")
            own, said = move_in(clip), [CAMERAS_ADDED]
            move = None if own is None else camera_move([own.path], (clip.shape[2], clip.shape[1]))
        if move is None:
            return None, [NOT_FILMED]
        scene, of_scene = self._scene()
        seen = filmed(scene, move)
        return seen, [NOT_FILMED] if seen is None else said + of_scene

    def _scene(self) -> tuple[Frames, list[str]]:
        """The subject with all of its motions, before a still camera."""
        assert self.layers.subject is not None, "a scene is a subject's"
        if self.layers.subjects:
            clips = self._each(self.layers.subjects, self.noise.subject, "subject")
            # More than one, since some hide too much of their ground.
            if (seen := _carried(clips, self._may_be_shown(clips, self.noise.subject))) is not None:
                return seen, []
        said = [NOT_CARRIED] if self.layers.subjects else []
        return self.made(self.layers.subject, self.noise.subject), said

    def _each(self, all_acts: Sequence[Predicts], first: Tensor, whose: Kind) -> list[Frames]:
        """A clip of each, the first from noise of its own."""
        if len(all_acts) == 1:
            return [self.made(all_acts[0], first, f"for the {whose}")]
        starts = [first, *[self.noise.further] * (len(all_acts) - 1)]
        return [
            self.made(acts, start, f"for motion {number} of the {whose}'s {len(starts)}")
            for number, (acts, start) in enumerate(zip(all_acts, starts, strict=True), 1)
        ]

    def _may_be_shown(self, clips: Sequence[Frames], first: Tensor) -> int:
        """How many: of clips that start from the same noise any may be, else the first."""
        return len(clips) if torch.equal(first, self.noise.further) else 1


def _laid(clip: Frames, camera: Camera) -> Laid | None:
    """None where no move is known."""
    measured = move_in(clip)
    own = measured.path if measured else None
    if measured and measured.sure:
        return Laid(own, measured.path, learned=False)
    learned = camera.learned()
    if learned is None or (own is not None and agree(own, learned.path)):
        return Laid(own, own, learned=False) if own is not None else None
    return Laid(own, learned.path, learned=True)


def _said_of(moves: Sequence[Laid]) -> list[str]:
    return [LEARNED_MOVE] if any(move.learned for move in moves) else []


def _carried(clips: Sequence[Frames], shown: int) -> Frames | None:
    """The first of `shown` clips whose subject the others' ways carry."""
    ways = [subject_way(clip) for clip in clips]
    for number, scene in enumerate(clips[:shown]):
        others = [way for other, way in enumerate(ways) if other != number and way is not None]
        if len(others) == len(clips) - 1 and (seen := carried(scene, others)) is not None:
            return seen
    return None
