"""LPIPS (Zhang et al., arXiv 1801.03924, Eq. 1), version 0.1 on AlexNet: how unlike people find two pictures.

Its weights are not shipped; torchvision, of which nothing else would be used, is not needed to read them.
"""

from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from backend.errors import UserError

Frames = npt.NDArray[np.uint8]
ALEXNET, LINEAR = "alexnet-owt-7be5be79.pth", "alex.pth"  # as torchvision and the lpips package name them
LAYERS = (1, 4, 7, 9, 11)  # of AlexNet's features, the ReLU after each convolution
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's, for pictures in −1 … 1


class Lpips:
    def __init__(self, folder: Path) -> None:
        """Raises UserError for a folder without both files; nothing is fetched."""
        try:
            alexnet = torch.load(folder / ALEXNET, map_location="cpu", weights_only=True)
            linear = torch.load(folder / LINEAR, map_location="cpu", weights_only=True)
            self.features = alexnet_features()
            self.features.load_state_dict(
                {k.removeprefix("features."): v for k, v in alexnet.items() if k.startswith("features.")}
            )
            self.weights = [linear[f"lin{i}.model.1.weight"] for i in range(len(LAYERS))]  # (1, C, 1, 1)
        except (
            OSError,
            EOFError,
            RuntimeError,
            LookupError,
            TypeError,
            AttributeError,
            UnpicklingError,
        ) as error:
            raise UserError(
                f"LPIPS has no weights in {folder}.",
                f"Put torchvision's {ALEXNET} and the lpips package's weights/v0.1/{LINEAR} there.",
            ) from error

    @torch.no_grad()
    def distance(self, one: Frames, other: Frames) -> float:
        """Two clips (F, H, W, 3), of 64 pixels or more a side: mean over the frames of one moment."""
        total = torch.zeros(len(one))
        layers = zip(self._units(one), self._units(other), self.weights, strict=True)
        for a, b, weight in layers:
            total += ((a - b).square() * weight).sum(1).mean((1, 2))
        return float(total.mean())

    def _units(self, frames: Frames) -> list[Tensor]:
        """The features of each layer (F, C, h, w), of length 1 over the channels."""
        x = torch.from_numpy(frames).movedim(-1, 1) / 127.5 - 1
        x = (x - torch.tensor(SHIFT).view(3, 1, 1)) / torch.tensor(SCALE).view(3, 1, 1)
        found = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in LAYERS:
                found.append(x / (x.norm(dim=1, keepdim=True) + 1e-10))
        return found


def alexnet_features() -> nn.Sequential:
    """Krizhevsky, arXiv 1404.5997, as torchvision builds and numbers it."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(),
    )  # fmt: skip
