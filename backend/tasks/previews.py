"""Clips made while learning, with what is learned so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from backend.api.library import write_whole
from backend.api.presets import preview_of
from backend.api.protocol import Learn, Sampling
from backend.api.sense import only_looks
from backend.diffusion.adapters import learning
from backend.diffusion.sampling import follow_source
from backend.families.base import Family
from backend.media import clips
from backend.media.pictures import png, tiled
from backend.tasks import making
from backend.tasks.bases import with_motion_words
from backend.tasks.following import inverted_latent
from backend.tasks.prompted import Prompted, guided, read_prompt
from backend.tasks.run import Run

STEPS = 8


@dataclass
class Previews:
    """Of one learning run, in its job's folder: a movie and, of its frames, one picture."""

    request: Learn
    family: Family
    run: Run
    follow: float = 0.0  # how closely new clips are recommended to start from the learned one
    _inverted: Tensor | None = field(default=None, init=False)
    _prompted: Prompted | None = field(default=None, init=False)

    def picture(self, step: int) -> Path:
        return preview_of(self.run.folder, step)

    def make(self, step: int, adapter: str, tokens: Mapping[str, Tensor]) -> None:
        """With the adapter as it is now, as the model alone makes a final clip, in fewer steps.

        `tokens`: new words that still learn, each with its embeddings (n, D).
        """
        s = making.native(Sampling(steps=STEPS), self.family)
        noise = self._start(s)
        with learning(self.family.denoiser, learn=(), act=(adapter,)):
            predict = guided(self.family, self._read(tokens))
            frames = making.make_clip(self.family, predict, noise, s, self.run, "preview")
        self.family.release("pixels")
        path = self.picture(step).with_suffix(".mp4")
        path.parent.mkdir(parents=True, exist_ok=True)
        clips.write(
            path, frames, self.family.profile.fps, {"schema": 1, "step": step, "seed": self.request.seed}
        )
        write_whole(self.picture(step), png(tiled(frames)))
        self.run.preview(str(path), step)

    def _start(self, s: making.Native) -> Tensor:
        noise = making.clip_noise(self.family, s, self.request.seed)
        if not self.follow:
            return noise
        if self._inverted is None:
            clip, size = replace(self.request.clips[0], looks=""), (s.width, s.height)
            with learning(self.family.denoiser, learn=(), act=()):  # by the base alone, as of final clips
                self._inverted = inverted_latent(self.family, clip, s.frames, size, s.steps, self.run)
        return follow_source(self._inverted, noise, self.follow)

    def _read(self, tokens: Mapping[str, Tensor]) -> Prompted:
        if self._prompted is None or tokens:
            words = with_motion_words(self.request.preview_prompt, [self.request.motion])
            guidance = self.family.profile.guidance_at(0.0 if only_looks(self.request.method) else 1.0)
            self._prompted = read_prompt(self.family, words, guidance, tokens=tokens)
        return self._prompted
