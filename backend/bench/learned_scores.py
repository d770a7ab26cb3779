"""Scores by models that others trained on images and text: the columns that the papers report.

They are for bases that know more than the starter's world, and ask for weights that Restage does not ship.

    CLIP       100 · cos(frame, prompt), mean over frames (Hessel et al., arXiv 2104.08718, with w = 1)
    alike      cos of neighbouring frames, mean: what VMC and MotionDirector call temporal consistency
    PickScore  the model's logit of frame and prompt, mean over frames (Kirstain et al., arXiv 2305.01569)
"""

import json
from collections.abc import Callable, Iterator
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
from backend.bench.rows import Trial, prompts_for, trial_named, words_of
from backend.errors import UserError
from backend.media import clips
from backend.starter.world import caption

Frames = npt.NDArray[np.uint8]
Score = Callable[[Frames, str], dict[str, float]]


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
    """Row → column → a value for each clip, by the models that the plan names; kept beside the clips."""
    named = {"clip": plan.clip, "pick": plan.pick}
    scorers = {kind: getattr(Scorer(folder), kind) for kind, folder in named.items() if folder}
    found: dict[str, dict[str, list[float]]] = {}
    for row in plan.rows:
        columns = found.setdefault(row, {})
        for name, cell in read_cells(plan, row).items():
            trial = trial_named(name)
            for kind, score in scorers.items():
                folder, model = cell_folder(plan, row, trial), f"{kind} {named[kind]}"
                for values in _scored(folder, trial, cell, model, score):
                    for column, value in values.items():
                        columns.setdefault(column, []).append(value)
    return found


def _scored(
    folder: Path, trial: Trial, cell: dict[str, Any], model: str, score: Score
) -> Iterator[dict[str, float]]:
    """Each clip of a cell, as it is in its file, under all the words of its prompt."""
    kept = folder / "scores.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for one in cell["results"]:
        clip = f"{one['prompt']}-{one['seed']}.mp4"
        scores = known.setdefault(model, {})
        if clip not in scores:
            shot = prompts_for(trial, one["prompt"] + 1)[-1]
            scores[clip] = score(_whole(folder / clip), f"{caption(shot).looks} {words_of(trial)[1]}")
            write_whole(kept, json.dumps(known).encode())
        yield scores[clip]


def _whole(path: Path) -> Frames:
    facts = clips.probe(path)
    return clips.read(Clip(path=str(path)), frames=facts.frames, fps=facts.rate, size=None)
