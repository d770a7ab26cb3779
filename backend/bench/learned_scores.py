"""Scores by models that others trained on images and text: the columns that the papers report.

They are for bases that know more than the starter's world, and ask for weights that Restage does not ship.

    CLIP       100 · cos(frame, prompt), mean over frames (Hessel et al., arXiv 2104.08718, with w = 1)
    alike      cos of neighbouring frames, mean: what VMC and MotionDirector call temporal consistency
    PickScore  the model's logit of frame and prompt, mean over frames (Kirstain et al., arXiv 2305.01569)
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import CLIPModel, CLIPProcessor

from backend.errors import UserError

Frames = npt.NDArray[np.uint8]


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
