"""Scores by models that others trained on images and text: the columns that the papers report.

They are for bases that know more than the starter's world, and ask for weights that Restage does not ship.

    CLIP       100 · cos(frame, prompt), mean over frames (Hessel et al., arXiv 2104.08718, with w = 1)
    alike      cos of neighbouring frames, mean: what VMC and MotionDirector call temporal consistency
    PickScore  the model's logit of frame and prompt, mean over frames (Kirstain et al., arXiv 2305.01569)
    LPIPS      between two seeds of one prompt, mean over frames of one moment: Customize-A-Video's diversity
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from backend.api.library import write_whole
from backend.api.protocol import Clip
from backend.bench.methods import Plan, cell_folder, read_cells
from backend.bench.perceptual import Lpips
from backend.bench.rows import Trial, prompts_for, trial_named, words_of
from backend.errors import UserError
from backend.media import clips
from backend.starter.world import caption

Frames = npt.NDArray[np.uint8]
Score = Callable[[Frames, str], dict[str, float]]
Results = Sequence[dict[str, Any]]  # of a cell
Part = tuple[str, Callable[[], dict[str, float]]]  # the name of what is scored, and its scores
Parts = Callable[[Path, Trial, Results], Iterator[Part]]


class Scorer:
    """A CLIPModel's folder: CLIP's own, or PickScore's."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError for a folder without such a model; nothing is fetched."""
        try:
            self.model = CLIPModel.from_pretrained(folder, local_files_only=True).eval()
            self.processor = CLIPProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise UserError(
                f"There is no CLIP model in {folder}.",
                "Give a folder with its config, weights and processor, such as openai/clip-vit-base-patch32.",
            ) from error

    @torch.no_grad()
    def embedded(self, frames: Frames, prompt: str) -> tuple[Tensor, Tensor]:
        """Frames (F, H, W, 3) and a prompt → unit vectors (F, D) and (D,)."""
        inputs = self.processor(
            text=[prompt], images=list(frames), return_tensors="pt", padding=True, truncation=True
        )
        found = self.model(**inputs)
        return found.image_embeds, found.text_embeds[0]

    def clip(self, frames: Frames, prompt: str) -> dict[str, float]:
        images, text = self.embedded(frames, prompt)
        alike = (images[1:] * images[:-1]).sum(1)
        return {"CLIP": 100 * float((images @ text).mean()), "alike": float(alike.mean())}

    def pick(self, frames: Frames, prompt: str) -> dict[str, float]:
        images, text = self.embedded(frames, prompt)
        return {"PickScore": float((self.model.logit_scale.detach().exp() * (images @ text)).mean())}


def scores_of(plan: Plan) -> dict[str, dict[str, list[float]]]:
    """Row → column → a value for each clip (or pair), by the models that the plan names; kept beside them."""
    parts = {f"{kind} {folder}": _PARTS[kind](folder) for kind, folder in plan.scorers.items()}
    found: dict[str, dict[str, list[float]]] = {}
    for row in plan.rows:
        columns = found.setdefault(row, {})
        for name, cell in read_cells(plan, row).items():
            trial = trial_named(name)
            for model, of in parts.items():
                folder = cell_folder(plan, row, trial)
                for values in _kept(folder / "scores.json", model, of(folder, trial, cell["results"])):
                    for column, value in values.items():
                        columns.setdefault(column, []).append(value)
    return found


def _each_clip(score: Score) -> Parts:
    def of(path: Path, words: str) -> dict[str, float]:
        return score(_whole(path), words)

    def parts(folder: Path, trial: Trial, results: Results) -> Iterator[Part]:
        for one in results:
            shot = prompts_for(trial, one["prompt"] + 1)[-1]
            name = f"{one['prompt']}-{one['seed']}.mp4"
            yield name, partial(of, folder / name, f"{caption(shot).looks} {words_of(trial)[1]}")

    return parts


def _each_pair(distance: Callable[[Frames, Frames], float]) -> Parts:
    def of(one: Path, other: Path) -> dict[str, float]:
        return {"LPIPS": distance(_whole(one), _whole(other))}

    def parts(folder: Path, _: Trial, results: Results) -> Iterator[Part]:
        for pair in combinations(results, 2):
            if pair[0]["prompt"] == pair[1]["prompt"]:
                one, other = (f"{made['prompt']}-{made['seed']}.mp4" for made in pair)
                yield f"{one} {other}", partial(of, folder / one, folder / other)

    return parts


_PARTS: dict[str, Callable[[Path], Parts]] = {
    "clip": lambda folder: _each_clip(Scorer(folder).clip),
    "pick": lambda folder: _each_clip(Scorer(folder).pick),
    "lpips": lambda folder: _each_pair(Lpips(folder).distance),
}


def _kept(file: Path, model: str, parts: Iterator[Part]) -> Iterator[dict[str, float]]:
    """What the model says of each part, computed once and kept in the file."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    scores = known.setdefault(model, {})
    for name, score in parts:
        if name not in scores:
            scores[name] = score()
            write_whole(file, json.dumps(known).encode())
        yield scores[name]


def _whole(path: Path) -> Frames:
    """The clip as it is in its file."""
    facts = clips.probe(path)
    return clips.read(Clip(path=str(path)), frames=facts.frames, fps=facts.rate, size=None)
