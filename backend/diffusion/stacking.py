"""Several LoRAs on one model at once, each with one strength or with one per frame.

s    strength of a motion; s_f at frame f      Δ    α BA, what a motion adds to a module's weights
n    ‖Δ‖, the Frobenius norm                   θ    a module's weights
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from backend.diffusion.adapters import Lora, State, merged

LayerOf = Callable[[str], str]
PRESENT = 0.25  # the strength from which on what comes with a motion is there wholly


@dataclass(frozen=True)
class Part:
    """A learned LoRA and its strength at each frame of the clip."""

    lora: Lora
    strengths: tuple[float, ...]  # (F,)

    @property
    def constant(self) -> bool:
        return len(set(self.strengths)) == 1


def presence(strengths: Sequence[float]) -> Tensor:
    """How far what comes with a motion of these strengths is there at each frame (F,): its words, its clip's
    latent, its own places. Nothing at 0, without a jump, and wholly from PRESENT on, in either direction:
    a motion learned under words that is given by half without them is not followed (docs/log.md)."""
    return (torch.tensor(strengths).abs() / PRESENT).clamp(max=1)


@contextmanager
def stacked(model: nn.Module, parts: Sequence[Part], layer_of: LayerOf) -> Iterator[None]:
    """Inside the block all parts act; afterwards the model is as it was, to the last bit.

    Parts of one strength add up in the weights, θ + Σ s Δ. Parts whose strength changes over the clip act
    on the output y of each layer that they touch, beside those: y_f + Σ s_f (y_f(θ + Δ) − y_f(θ)), so a
    frame of strength 0 leaves that layer as it is without the part. Neither depends on the order.

    `layer_of` names the layer that a module belongs to: one whose output's rows are frames (B·F, …).
    A whole temporal layer must be taken, because frames see each other inside it: scaling its queries,
    keys or values frame by frame would let a frame of strength 0 follow the changed ones.
    """
    plain = [Lora(p.lora.state, p.lora.scale * p.strengths[0]) for p in parts if p.constant]
    with merged(model, plain), ExitStack() as restored:
        for name, curves in _by_layer(model, [p for p in parts if not p.constant], layer_of).items():
            restored.enter_context(_along_frames(model, model.get_submodule(name), curves))
        yield


Curve = tuple[Lora, Tensor]  # what is added in one layer, and its strengths (F,)


def _by_layer(model: nn.Module, parts: Sequence[Part], layer_of: LayerOf) -> dict[str, list[Curve]]:
    device = next(model.parameters()).device
    layers: dict[str, list[Curve]] = defaultdict(list)
    for part in parts:
        states: dict[str, State] = defaultdict(dict)
        for key, tensor in part.lora.state.items():
            states[layer_of(key.rsplit(".lora_", 1)[0])][key] = tensor.to(device)
        strengths = torch.tensor(part.strengths, device=device)
        for name, state in states.items():
            layers[name].append((Lora(state, part.lora.scale), strengths))
    return layers


@contextmanager
def _along_frames(model: nn.Module, layer: nn.Module, curves: Sequence[Curve]) -> Iterator[None]:
    """Inside the block the layer's output is mixed frame by frame."""
    before, plain = layer.__dict__.get("forward"), layer.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        output = plain(*args, **kwargs)
        y = base = output[0] if isinstance(output, tuple) else output  # (B·F, …)
        for lora, strengths in curves:
            with merged(model, [lora]):
                changed = plain(*args, **kwargs)
            changed = changed[0] if isinstance(changed, tuple) else changed
            s = strengths.to(y.dtype).repeat(len(y) // len(strengths))
            y = y + s.view(-1, *[1] * (y.ndim - 1)) * (changed - base)
        return (y, *output[1:]) if isinstance(output, tuple) else y

    layer.forward = forward
    try:
        yield
    finally:
        del layer.forward
        if before is not None:
            layer.forward = before


def balanced(parts: Sequence[Part], amount: float) -> list[Part]:
    """The parts with their changes brought to one size, module by module, so that none drowns another.

    With w_m the mean of |s_m| over frames, a module that motions M change gets, for each of them,

        Δ_m (n̄ / n_m)^amount,    n̄ = exp(Σ_M w_m log n_m / Σ_M w_m)

    `amount` 0 leaves everything as learned, 1 makes all n equal. n̄ is the weighted geometric mean: a motion
    alone stays as it was learned, and one that fades out leaves the others, without a jump, as they were.
    """
    norms = [_norms(part.lora) for part in parts]
    weights = [sum(map(abs, part.strengths)) / len(part.strengths) for part in parts]
    means: dict[str, Tensor] = {}
    for name in {name for of_part in norms for name in of_part}:
        met = [(w, n[name]) for w, n in zip(weights, norms, strict=True) if name in n]
        if total := sum(w for w, _ in met):  # 0 where curves rise and fall between two frames
            means[name] = torch.stack([w / total * n.log() for w, n in met]).sum().exp()
    factors = [{k: (means[k] / n) ** amount for k, n in own.items() if k in means} for own in norms]
    return [
        Part(_rescaled(part.lora, of_part), part.strengths)
        for part, of_part in zip(parts, factors, strict=True)
    ]


def _norms(lora: Lora) -> State:
    """By module, ‖α BA‖ without building BA: ‖BA‖² = Σ (BᵀB ∘ AAᵀ). Unchanged modules are left out."""
    found = {}
    for key, a in lora.state.items():
        if key.endswith(".lora_A.weight"):
            name = key.removesuffix(".lora_A.weight")
            a, b = a.flatten(1).double(), lora.state[f"{name}.lora_B.weight"].flatten(1).double()
            squared = ((b.T @ b) * (a @ a.T)).sum().clamp(min=0)
            if squared > 0:
                found[name] = abs(lora.scale) * squared.sqrt()
    return found


def _rescaled(lora: Lora, factors: State) -> Lora:
    state = dict(lora.state)
    for name, factor in factors.items():
        key = f"{name}.lora_B.weight"
        state[key] = state[key] * factor.to(state[key])
    return Lora(state, lora.scale)
