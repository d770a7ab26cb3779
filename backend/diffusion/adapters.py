"""Named LoRAs on a model: add, which learn, merge for speed, take out again.

A LoRA's tensors are a flat dict of `<module>.lora_A.weight` (r, in, …) and `<module>.lora_B.weight`
(out, r, …). Its scale α multiplies BA directly (θ = θ_0 + α BA), so peft's lora_alpha is α·r.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

State = dict[str, Tensor]
CHOSEN = "_restage_chosen"  # on a model: which adapters `learning` set last


@dataclass(frozen=True)
class Lora:
    """A learned LoRA, ready to act: its tensors and the factor on BA."""

    state: State
    scale: float


def add_lora(model: nn.Module, name: str, targets: str, rank: int, scale: float, seed: int) -> None:
    """Inject LoRA layers called `name` on every module whose full name matches the regex `targets`.

    A starts Kaiming-uniform from `seed`, B at zero, both float32 whatever the model's precision.
    Raises ValueError when nothing matches.
    """
    config = LoraConfig(r=rank, lora_alpha=scale * rank, target_modules=targets, init_lora_weights=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, name)
    # The layers hold all that is needed; peft warns of a second adapter wherever it finds this.
    vars(model).pop("peft_config", None)
    vars(model).pop(CHOSEN, None)
    for key, parameter in model.named_parameters():
        if f".{name}." in key and "lora_" in key:
            parameter.data = parameter.data.float()


def remove_loras(model: nn.Module) -> None:
    """Put every wrapped module back as it was before any `add_lora`."""
    wrapped = [(n, m) for n, m in model.named_modules() if isinstance(m, BaseTunerLayer)]
    for name, layer in wrapped:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer.get_base_layer())
    vars(model).pop(CHOSEN, None)


def lora_parameters(model: nn.Module, name: str) -> dict[str, nn.Parameter]:
    """The parameters of adapter `name` under the keys they are saved with."""
    return {
        key.replace(f".{name}.", "."): parameter
        for key, parameter in model.named_parameters()
        if "lora_" in key and f".{name}." in key
    }


def lora_state(model: nn.Module, name: str) -> State:
    """A copy of the adapter's tensors, on the CPU."""
    return {key: p.detach().cpu().clone() for key, p in lora_parameters(model, name).items()}


def load_lora_state(model: nn.Module, name: str, state: Mapping[str, Tensor]) -> None:
    """Copy `state` into the adapter; its keys must be exactly the adapter's."""
    parameters = lora_parameters(model, name)
    if parameters.keys() != state.keys():
        raise ValueError(f"the tensors of adapter {name!r} are not those of this model")
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(state[key])


def rank_of(lora: Lora) -> int | None:
    """The one rank of its layers; None where they differ, as those of files may."""
    ranks = {a.shape[0] for key, a in lora.state.items() if key.endswith(".lora_A.weight")}
    return ranks.pop() if len(ranks) == 1 else None


def add_learned(model: nn.Module, name: str, lora: Lora) -> None:
    """Inject a LoRA of one rank that was learned already. Raises ValueError for one of several."""
    if (rank := rank_of(lora)) is None:
        raise ValueError(f"the layers of {name!r} differ in rank")
    modules = sorted({key.rsplit(".lora_", 1)[0] for key in lora.state})
    add_lora(model, name, "|".join(map(re.escape, modules)), rank, lora.scale, seed=0)
    load_lora_state(model, name, lora.state)


@contextmanager
def learning(model: nn.Module, learn: Sequence[str], act: Sequence[str] = ()) -> Iterator[None]:
    """Inside the block the adapters `learn` and `act` act on the model; only `learn` get gradients.

    The forward *and* the backward must lie inside: under checkpointing the forward runs again during
    the backward, and adapters switched in between leave gradients missing without an error.
    """
    wanted = (tuple(learn), tuple(act))
    if vars(model).get(CHOSEN) != wanted:  # walking a large model's modules costs 15 ms a step
        _choose(model, learn, act)
        vars(model)[CHOSEN] = wanted
    yield


def _choose(model: nn.Module, learn: Sequence[str], act: Sequence[str]) -> None:
    chosen = [*learn, *act]
    for layer in model.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.set_adapter([name for name in chosen if name in layer.r])
            layer.enable_adapters(any(name in layer.r for name in chosen))
    for key, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in key and any(f".{name}." in key for name in learn))


@contextmanager
def merged(model: nn.Module, loras: Sequence[Lora]) -> Iterator[None]:
    """Inside the block the LoRAs are part of the model's weights; afterwards the weights are bit-equal again.

    Merged weights cost nothing per step, while a LoRA beside each layer adds two small matrix
    products and several kernels. A scale of 0 leaves the weights untouched to the last bit.
    """
    kept: dict[str, Tensor] = {}
    try:
        with torch.no_grad():
            for name, delta in _summed(loras).items():
                weight = _weight(model, name)
                kept[name] = weight.data
                whole = weight.data.float() + delta.view(weight.shape).to(weight.device)
                weight.data = whole.to(weight.dtype)
        yield
    finally:
        for name, original in kept.items():
            _weight(model, name).data = original


def _summed(loras: Sequence[Lora]) -> State:
    """By module, α BA over all LoRAs: added up before the one rounding to the weights' precision."""
    total: State = {}
    for lora in loras:
        for key, a in lora.state.items():
            if lora.scale != 0 and key.endswith(".lora_A.weight"):
                name = key.removesuffix(".lora_A.weight")
                delta = lora.scale * lora_delta(a, lora.state[f"{name}.lora_B.weight"])
                total[name] = total[name] + delta if name in total else delta
    return total


@contextmanager
def standing_in(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside the block the parameters named in `weights` have those values; afterwards they are bit-equal."""
    kept: dict[str, Tensor] = {}
    try:
        for name, value in weights.items():
            parameter = _parameter(model, name)
            kept[name] = parameter.data
            parameter.data = value.to(parameter.data)
        yield
    finally:
        for name, original in kept.items():
            _parameter(model, name).data = original


def _weight(model: nn.Module, name: str) -> Tensor:
    return _parameter(model, f"{name}.weight")


def _parameter(model: nn.Module, name: str) -> Tensor:
    """A parameter by its name in the model as loaded, also of a module that a LoRA wraps."""
    place, _, leaf = name.rpartition(".")
    module = model.get_submodule(place)
    if isinstance(module, BaseTunerLayer):
        module = module.get_base_layer()
    parameter = getattr(module, leaf)
    assert isinstance(parameter, Tensor)
    return parameter


def lora_delta(a: Tensor, b: Tensor) -> Tensor:
    """BA as (out, in·kernel): for Linear (r, in), (out, r) and for convolutions (r, in, *k), (out, r, 1…)."""
    return b.flatten(1).float() @ a.flatten(1).float()


def fits(model: nn.Module, state: Mapping[str, Tensor]) -> bool:
    """Whether every LoRA pair in `state` belongs to a module of `model` with its shape."""
    names = {key.rsplit(".lora_", 1)[0] for key in state}
    whole = state.keys() == {f"{n}.lora_{side}.weight" for n in names for side in "AB"}
    return bool(names) and whole and not misfits(model, state)


def misfits(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """The modules whose pair in `state` does not have the shape of theirs in `model`."""
    modules = dict(model.named_modules())

    def right(name: str) -> bool:
        a, b = state[f"{name}.lora_A.weight"], state[f"{name}.lora_B.weight"]
        weight = getattr(modules.get(name), "weight", None)
        if weight is None or min(a.ndim, b.ndim) < 2 or not 0 < a.shape[0] == b.shape[1]:
            return False
        return (b.shape[0], b[0, 0].numel(), a[0].numel()) == (weight.shape[0], 1, weight[0].numel())

    return [name for name in sorted({key.rsplit(".lora_", 1)[0] for key in state}) if not right(name)]
