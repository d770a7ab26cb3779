"""What moves the starter's weights: matrices by Muon, everything else by AdamW, on from where they were."""

import torch
from torch import nn

from backend.starter.optimizer import Optimizer


def small() -> nn.ModuleDict:
    torch.manual_seed(0)
    return nn.ModuleDict(
        {"conv": nn.Conv2d(4, 6, 3), "embedding": nn.Embedding(5, 4), "conv_in": nn.Conv2d(3, 4, 3)}
    )


def loss(modules: nn.ModuleDict, seed: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    features = modules["conv_in"](torch.randn(2, 3, 8, 8, generator=draw))
    told = modules["embedding"].weight.mean(0).view(1, 4, 1, 1)
    made: torch.Tensor = modules["conv"](features + told)
    return (made - 1).square().mean()


def trained(modules: nn.ModuleDict, optimizer: Optimizer, seeds: range) -> None:
    for seed in seeds:
        modules.zero_grad()
        loss(modules, seed).backward()
        optimizer.step()


def test_a_kernel_moves_by_a_rotation_and_the_others_by_adams_step() -> None:
    modules, rate = small(), 1e-3
    before = {name: weight.detach().clone() for name, weight in modules.named_parameters()}
    trained(modules, Optimizer(modules, rate), range(1))
    moved = {name: (weight.detach() - before[name]) for name, weight in modules.named_parameters()}
    # Muon: all directions of the change are alike (6 rows of 36), as long as Adam's (RMS 0.2 · rate).
    sizes = torch.linalg.svdvals(moved["conv.weight"].flatten(1))
    assert sizes.max() / sizes.min() < 2.5
    assert 0.1 * rate < moved["conv.weight"].square().mean().sqrt() < 0.3 * rate
    # Adam's first step is the rate in every number.
    for name in ("conv.bias", "embedding.weight", "conv_in.weight"):
        assert torch.allclose(moved[name].abs(), torch.tensor(rate), rtol=0.05), name


def test_what_has_no_gradient_stays() -> None:
    modules = small()
    optimizer, before = Optimizer(modules, 1e-3), modules["conv"].weight.detach().clone()
    trained(modules, optimizer, range(1))
    after = modules["conv"].weight.detach().clone()
    assert not torch.equal(after, before)
    modules.zero_grad()
    modules["conv_in"].weight.square().sum().backward()
    optimizer.step()
    assert torch.equal(modules["conv"].weight, after)


def test_it_goes_on_from_its_state_as_if_it_had_not_stopped() -> None:
    whole, halves = small(), small()
    trained(whole, Optimizer(whole, 1e-3), range(6))
    first = Optimizer(halves, 1e-3)
    trained(halves, first, range(3))
    second = Optimizer(halves, 1e-3)
    second.load_state_dict(first.state_dict())
    trained(halves, second, range(3, 6))
    for one, other in zip(whole.parameters(), halves.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_autoencoder_is_adams() -> None:
    modules, rate = nn.ModuleDict({"autoencoder": nn.Conv2d(3, 4, 3)}), 1e-3
    before = modules["autoencoder"].weight.detach().clone()
    modules["autoencoder"](torch.ones(1, 3, 4, 4)).sum().backward()
    Optimizer(modules, rate).step()
    moved = modules["autoencoder"].weight.detach() - before
    assert torch.allclose(moved.abs(), torch.tensor(rate), rtol=0.05)


def test_the_rate_is_everybodys() -> None:
    modules = small()
    optimizer, before = Optimizer(modules, 1e-3), [w.detach().clone() for w in modules.parameters()]
    optimizer.set_rate(0.0)
    trained(modules, optimizer, range(1))
    assert all(torch.equal(a, b) for a, b in zip(before, modules.parameters(), strict=True))
