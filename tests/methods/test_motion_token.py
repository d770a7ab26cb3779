"""The motion token: what learns, under which words, beside which other clips."""

import re
from dataclasses import replace

import pytest
import torch
from diffusers import UNet3DConditionModel
from diffusers.models.resnet import TemporalConvLayer
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from torch.nn.functional import mse_loss

from backend.api.sense import check_sense
from backend.api.settings import MotionToken, resolved
from backend.errors import UserError
from backend.families.unet3d import LAYERS
from backend.methods.base import Material
from backend.methods.motion_token import RareToken
from tests.families.test_unet3d import MODELSCOPE
from tests.methods.guess import EXAMPLE, Guess, losses, noisy

PEOPLE = Material(looks=("a tall man in a hall", "a girl on a stage"), regular=1)


def method(material: Material = PEOPLE, **settings) -> RareToken:
    return RareToken(resolved(MotionToken(**settings), {}), material)


def test_the_papers_values_are_the_defaults():
    (motion,) = method().adapters
    assert motion.layers == ("temporal attention", "temporal ff", "temporal conv", "cross-attention kv")
    assert method().coarse == 0.5
    assert method().slowed == 0.0
    assert method().words == ()  # the token's own embedding does not learn


def test_only_the_clip_of_one_alone_can_be_followed():
    assert method(follow=0.3).follow == 0.0
    assert method(Material(looks=("a man",)), follow=0.3).follow == 0.3


def test_a_base_may_ask_for_another_caption():
    whole = RareToken(resolved(MotionToken(), {"caption": "whole"}), PEOPLE)
    assert whole.caption("a tall man in a hall", "doing the pll") == "a tall man in a hall doing the pll"


def test_the_layers_are_those_of_the_paper():
    """All temporal layers and the keys and values of words: 570.9 M of a ModelScope-size UNet."""
    with torch.device("meta"):
        unet = UNet3DConditionModel(**MODELSCOPE)
    temporal = [m for m in unet.modules() if isinstance(m, TransformerTemporalModel | TemporalConvLayer)]
    words = [m for n, m in unet.named_modules() if re.fullmatch(LAYERS["cross-attention kv"], n)]
    theirs = sum(p.numel() for m in temporal + words for p in m.parameters())
    assert round(theirs / 1e6, 1) == 570.9
    (motion,) = method().adapters
    names = [n for n, _ in unet.named_modules()]
    adapted = {n for group in motion.layers for n in names if re.fullmatch(LAYERS[group], n)}
    within = sum(p.numel() for n in adapted for p in unet.get_submodule(n).parameters())
    assert 0.95 < within / theirs < 1  # all but norms and the projections around temporal attention


def test_the_motion_and_what_keeps_the_base_favour_high_noise():
    (stage,) = method().stages(10)
    assert noisy(stage, regular=True) == pytest.approx([0.659, 0.659], abs=0.035)


@pytest.mark.parametrize(
    ("motion", "words"),
    [
        ("doing the V* dance", "doing the pll dance"),
        ("dancing", "dancing pll"),
        ("doing the pll", "doing the pll"),
    ],
)
def test_the_rare_token_stands_in_the_motions_words(motion, words):
    assert method().motion_words(motion) == words


def test_captions_are_generic():
    assert method().caption("a tall man in a hall", "doing the pll") == "a man doing the pll"


def test_a_clip_and_one_not_to_be_forgotten_are_learned_in_a_step_each_under_its_words():
    """Eq. 2 and Eq. 3: mean (ε − ε_θ)² on each, with ε_θ = 0.5."""
    guess = Guess(0.5)
    other = type(EXAMPLE)(EXAMPLE.latents, EXAMPLE.crops, EXAMPLE.text * 3, EXAMPLE.text * 3)
    made = losses(method().stages(10)[0], guess, regular=[other])
    assert [text for _, text, _ in guess.seen] == [1.0, 3.0]
    wanted = [mse_loss(torch.full_like(noise, 0.5), noise) for noise in guess.noise]
    torch.testing.assert_close(made, wanted)
    assert len(losses(method().stages(10)[0], Guess())) == 1


@pytest.mark.parametrize(("slowed", "share"), [(0.3, 0.3), (0.0, 0.0)])
def test_a_clip_goes_at_half_its_speed_in_its_share_of_the_steps(slowed, share):
    (stage,) = method(slowed=slowed).stages(1)
    slow = replace(EXAMPLE, text=EXAMPLE.text * 3, caption="a man slowly")
    seen = []
    for seed in range(500):
        guess = Guess()
        losses(stage, guess, seed=seed, slowed=[slow])
        seen.append(guess.seen[0][1])
    assert set(seen) <= {1.0, 3.0}
    assert seen.count(3.0) / len(seen) == pytest.approx(share, abs=0.06)


def test_where_no_clip_has_frames_enough_to_be_slowed_all_go_as_they_are():
    (stage,) = method(slowed=0.9).stages(1)
    for seed in range(20):
        with_none, without = Guess(), Guess()
        losses(stage, with_none, seed=seed)
        losses(method(slowed=0.0).stages(1)[0], without, seed=seed)
        assert torch.equal(with_none.noise[0], without.noise[0])


def test_clips_to_be_sampled_have_captions_without_the_motion():
    assert method().regular_captions() == ()
    asked = {"regularization": "sampled clips", "regular_count": 3}
    assert method(**asked).regular_captions() == ("a man", "a girl", "a man")
    assert method(**asked, regular_words="a man walking; a dog").regular_captions()[1] == "a dog"


def test_it_is_said_when_there_is_nothing_that_keeps_the_base_from_forgetting():
    assert method(Material()).notes
    assert not method().notes
    assert not method(Material(), regularization="none").notes


def test_who_is_seen_in_stills_is_learned_jointly_and_kept_beside():
    m = method(Material(looks=("a man",), stills=("a brown dog on grass",)))
    assert m.still_caption("a brown dog on grass") == "a X* dog"
    assert [(w.word, w.start) for w in m.words] == [("X*", ("dog",))]
    (beside,) = m.beside
    assert (beside.adapter, beside.word, beside.clip) == ("looks", "subject", 1)
    first, joint = m.stages(10)
    assert set(first.learn) == {"motion"}
    assert set(joint.learn) == {"motion", "looks", "subject"}
    assert (first.steps, joint.steps) == (10, 5)
    longer = method(Material(looks=("a man",), stills=("a dog",)), subject_share=1.5)
    assert longer.stages(10)[1].steps == 15
    frames = set()
    for seed in range(12):
        guess = Guess()
        losses(joint, guess, seed, stills=[EXAMPLE])
        frames |= {(shape[2], bypassed) for shape, _, bypassed in guess.seen}
    assert frames == {(4, False), (1, True)}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"token": "two words"}, "not one word"),
        ({"regular_words": "a man"}, "none are sampled"),
        ({"regular_count": 3}, "none are sampled"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused_in_a_sentence(settings, complaint):
    with pytest.raises(UserError, match=complaint):
        check_sense(MotionToken(**settings))
