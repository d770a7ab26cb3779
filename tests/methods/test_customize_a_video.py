"""Customize-A-Video: the paper's stages, and its losses worked by hand."""

import ast
from pathlib import Path

import pytest
import torch

from backend.api.sense import check_sense
from backend.api.settings import CustomizeAVideo, resolved
from backend.errors import UserError
from backend.methods.absorber import WORD
from backend.methods.base import Material
from backend.methods.customize_a_video import TemporalLora
from backend.methods.motion_token import SUBJECT
from tests.methods.guess import Guess, losses, noisy

LOOKS = Material(looks=("a red ball over a green field",))


def method(material: Material = LOOKS, **settings) -> TemporalLora:
    return TemporalLora(resolved(CustomizeAVideo(**settings), {}), material)


def test_the_papers_values_are_the_defaults():
    motion = method().adapters[-1]
    assert (motion.rank, motion.scale, motion.layers) == (4, 1.0, ("temporal attention",))
    absorber = method().adapters[0]
    assert (absorber.rank, absorber.scale, absorber.layers) == (1, 0.5, ("spatial attention",))
    absorb, learn = method().stages(300)
    assert absorb.learn == {"absorber": 5e-5}
    assert learn.learn == {"motion": 5e-4}
    assert method().crops == (0.33, 0.67)


def test_a_base_can_say_better_and_the_artist_rules():
    base = {"rank": 16, "coarse": 0.7}
    assert resolved(CustomizeAVideo(), base).rank == 16
    assert resolved(CustomizeAVideo(rank=2), base).rank == 2
    assert resolved(CustomizeAVideo(), base).coarse == 0.7


def test_the_absorber_comes_first_and_then_acts():
    absorb, learn = method().stages(300)
    assert absorb.act == ()
    assert learn.act == ("absorber",)


@pytest.mark.parametrize("settings", [{"absorber": "none"}, {"absorber_share": 0.0}])
def test_without_an_absorber_there_is_one_stage(settings):
    (stage,) = method(**settings).stages(300)
    assert stage.act == ()
    assert len(method(**settings).adapters) == 1


def test_only_the_motion_is_kept_unless_the_absorber_is_asked_for():
    assert method().kept == "motion"
    assert method().beside == ()
    (beside,) = method(keep_absorber=True, absorber="both").beside
    assert (beside.adapter, beside.word, beside.say) == ("absorber", "looks", "<looks>")


def test_textual_inversion_takes_the_place_of_the_looks_and_starts_from_their_words():
    m = method(absorber="textual inversion")
    assert m.words[0].start == ("red", "ball", "green", "field")
    assert m.caption("a red ball over a green field", "rolling") == "<looks> rolling"
    absorb, learn = m.stages(10)
    assert absorb.learn == {"looks": 5e-5}
    assert learn.act == ("looks",)
    assert [a.name for a in m.adapters] == ["motion"]


def test_blender_knows_the_new_words_that_a_prompt_must_say():
    """It cannot import them: the methods load torch."""
    tree = ast.parse((Path(__file__).parents[2] / "blender_addon" / "facts.py").read_text(encoding="utf-8"))
    named = {ast.unparse(n.targets[0]): n.value for n in tree.body if isinstance(n, ast.Assign)}
    assert ast.literal_eval(named["NEW_WORDS"]) == (SUBJECT, WORD)


def test_both_absorbers_learn_in_one_stage_each_at_its_own_rate():
    absorb, learn = method(absorber="both", token_learning_rate=1e-3).stages(10)
    assert absorb.learn == {"absorber": 5e-5, "looks": 1e-3}
    assert learn.act == ("absorber", "looks")


@pytest.mark.parametrize(
    ("looks", "words"),
    [("a red ball", ("red", "ball")), ("a ball", ("ball", "ball")), ("", ()), ("a b c d e f g h", 6)],
)
def test_a_textual_inversion_starts_from_two_to_six_words(looks, words):
    start = method(Material(looks=(looks,)), absorber="textual inversion").words[0].start
    assert start == words or len(start) == words


def test_a_given_absorber_skips_the_first_stage():
    (stage,) = method(absorber="given", given="x").stages(10)
    assert stage.act == ("given",)
    assert method(absorber="given", given="x").caption("a ball", "rolling") == "a ball rolling"
    worded = method(Material(given_word=True), absorber="given", given="x")
    assert worded.caption("a ball", "rolling") == "<looks> rolling"


@pytest.mark.parametrize(
    ("placement", "layers"),
    [
        ("temporal", {"temporal attention"}),
        ("spatial", {"spatial attention"}),
        ("both", {"temporal attention", "spatial attention"}),
    ],
)
def test_the_kept_lora_can_be_placed_elsewhere_for_comparison(placement, layers):
    assert set(method(placement=placement).adapters[-1].layers) == layers


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"absorber": "given"}, "none is given"),
        ({"given": "x.safetensors"}, "another one is to be learned"),
        ({"absorber": "none", "keep_absorber": True}, "No absorber is learned"),
        ({"absorber_share": 0.0}, "learn, and for no step"),
        ({"placement": "spatial", "layers": "qk"}, "sits in none of them"),
        ({"loss": "mse", "compare": "clip"}, "is none on motion"),
        ({"beta": 2.0}, "the loss has no debiasing"),
        ({"absorber_words": "red ball"}, "the absorber has none"),
        ({"absorber": "both", "absorber_words": "ball"}, "from 2 to 6 words"),
        ({"crop_low": 0.9}, "smallest crop is larger"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused_in_a_sentence(settings, complaint):
    with pytest.raises(UserError, match=complaint) as caught:
        check_sense(CustomizeAVideo(**settings))
    assert caught.value.hint
    check_sense(CustomizeAVideo())
    check_sense(CustomizeAVideo(absorber="none", absorber_rank=4, crop_low=0.5))


@pytest.mark.parametrize(("index", "frames", "words", "bypassed"), [(0, 1, 2.0, True), (1, 4, 1.0, False)])
def test_each_stage_compares_noise_under_its_own_words(index, frames, words, bypassed):
    """Eq. 3 on single frames under y_S, Eq. 5 on the whole clip under y: mean (ε − ε_θ)² with ε_θ = 0.5."""
    guess = Guess(0.5)
    made = losses(method().stages(10)[index], guess)
    ((shape, text, was_bypassed),) = guess.seen
    assert (shape[2], text, was_bypassed) == (frames, words, bypassed)
    torch.testing.assert_close(made, [(guess.noise[0] - 0.5).square().mean()])


def test_only_the_motion_favours_high_noise():
    absorber, motion = method(coarse=0.5).stages(10)
    assert noisy(absorber) == pytest.approx([0.5], abs=0.015)  # of 8 crops in each of 2000 steps
    assert noisy(motion) == pytest.approx([0.659], abs=0.035)
