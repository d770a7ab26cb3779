"""What moves the starter's weights: Muon those that are matrices, AdamW all others.

Jordan et al., Muon (kellerjordan.github.io/posts/muon, 2024), with the rates of Liu et al., Muon is Scalable
(arXiv 2502.16982): its steps are as large as AdamW's, so both take the same learning rate.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

MOMENTUM = 0.95
NO_MATRICES = ("embedding", "conv_in", "conv_out", "autoencoder")


class Optimizer:
    """Of all parameters of `modules`. A convolution's kernel (out, in, …) is a matrix of out rows.

    Embeddings, and the first and last convolution, between latents and features, are AdamW's, as are biases
    and gains: none of them maps features to features. So is all of an autoencoder, where Muon was not
    measured.
    """

    def __init__(self, modules: nn.Module, rate: float) -> None:
        named = dict(modules.named_parameters())
        matrices = [weight for name, weight in named.items() if _is_matrix(name, weight)]
        others = [weight for name, weight in named.items() if not _is_matrix(name, weight)]
        # Muon takes two dimensions: the same memory, seen as a matrix.
        self._seen_as = [(weight, nn.Parameter(weight.detach().view(len(weight), -1))) for weight in matrices]
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
        ]
        if matrices:
            flat = [seen for _, seen in self._seen_as]
            settings: dict[str, Any] = {"momentum": MOMENTUM, "adjust_lr_fn": "match_rms_adamw"}
            self._parts.append(torch.optim.Muon(flat, lr=rate, weight_decay=1e-4, **settings))

    def set_rate(self, rate: float) -> None:
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = rate

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters along their gradients; what has none (a temporal layer of a still) stays."""
        for weight, seen in self._seen_as:
            seen.grad = None if weight.grad is None else weight.grad.flatten(1)
        for part in self._parts:
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        return [part.state_dict() for part in self._parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        for part, state in zip(self._parts, states, strict=True):
            part.load_state_dict(state)


def _is_matrix(name: str, weight: torch.Tensor) -> bool:
    return weight.ndim >= 2 and not any(part in name for part in NO_MATRICES)
