"""New tokens of a real text model: words that stand for learned embeddings."""

import pytest
import torch

from backend.diffusion.tokens import spell
from backend.families.unet3d import UNet3D


@pytest.fixture
def base(toy_base):
    return UNet3D(toy_base, "toy", device="cpu")


def test_a_word_is_spelled_as_its_tokens_wherever_it_stands():
    tokens = {"<looks>": torch.zeros(2, 3)}
    assert spell("a <looks>, moving", tokens) == "a <looks-0> <looks-1>, moving"


def test_new_tokens_with_the_vectors_of_words_read_as_those_words(base):
    vectors = base.token_vectors("red ball")
    assert vectors.shape == (2, 16)
    assert torch.equal(base.embed(["a <x> here"], {"<x>": vectors}), base.embed(["a red ball here"]))
    assert not torch.equal(base.embed(["a <x> here"], {"<x>": -vectors}), base.embed(["a red ball here"]))


def test_other_prompts_are_read_as_before(base):
    plain = base.embed(["a red ball"])
    assert torch.equal(base.embed(["a red ball"], {"<x>": torch.ones(2, 16)}), plain)
    assert torch.equal(base.embed(["a red ball"]), plain)
    assert "forward" not in vars(base._text[1].get_input_embeddings())


def test_gradients_reach_the_vectors_and_nothing_else(base):
    vectors = base.token_vectors("red ball").requires_grad_()
    base.embed(["a <x>"], {"<x>": vectors}).square().sum().backward()
    assert (vectors.grad.abs().sum(dim=1) > 0).all()
    assert all(p.grad is None for p in base._text[1].parameters())
    assert not base.embed(["a red ball"], {"<x>": vectors.detach()}).requires_grad


def test_two_words_may_be_new_at_once(base):
    tokens = {"<x>": base.token_vectors("red"), "V*": base.token_vectors("ball box")}
    assert torch.equal(base.embed(["a <x> and V*"], tokens), base.embed(["a red and ball box"]))
