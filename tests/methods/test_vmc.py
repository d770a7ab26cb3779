"""VMC: what learns, under which words, and with which loss."""

from dataclasses import replace

import pytest
import torch
from diffusers import UNet3DConditionModel

from backend.api.sense import check_sense
from backend.api.settings import STEPS, CustomizeAVideo, MotionDirector, Vmc, resolved
from backend.errors import UserError
from backend.families.profile import Profile
from backend.families.unet3d import LAYERS
from backend.methods import METHODS
from backend.methods.base import Material
from backend.methods.losses import motion_cosine, motion_l2
from backend.methods.vmc import MotionDistillation
from backend.methods.wording import without_looks
from backend.tasks.course import take_step
from tests.families.test_unet3d import MODELSCOPE
from tests.methods.guess import EXAMPLE, Guess, losses


def method(**settings) -> MotionDistillation:
    return MotionDistillation(resolved(Vmc(**settings), {}), Material())


def test_the_papers_values_are_the_defaults():
    (motion,), (stage,) = method().adapters, method().stages(400)
    assert motion.layers == ("temporal qkv",)
    assert (stage.learn, stage.clip_gradient, stage.act) == ({"motion": 1e-4}, 1.0, ())
    assert STEPS[Vmc](1)["normal"] == 400
    assert method().follow == 1.0


def test_a_step_goes_no_further_than_its_clipped_gradient():
    learned = torch.nn.Parameter(torch.zeros(4))
    optimizer = torch.optim.SGD([learned], lr=0.1)
    (stage,) = method().stages(1)
    steep = replace(stage, losses=lambda _: iter([learned.sum() * 1e4]))
    take_step(steep, None, optimizer, torch.amp.GradScaler("cpu", enabled=False))
    assert learned.detach().norm().item() == pytest.approx(0.1, rel=1e-3)


def test_the_layers_have_the_papers_number_of_weights():
    """W_q, W_k and W_v: 74.3 M in the temporal attentions of a ModelScope-size UNet, 1.6 M before them."""
    import re

    with torch.device("meta"):
        unet = UNet3DConditionModel(**MODELSCOPE)
    found = {n: m.weight.numel() for n, m in unet.named_modules() if re.fullmatch(LAYERS["temporal qkv"], n)}
    before = sum(count for n, count in found.items() if n.startswith("transformer_in."))
    assert (sum(found.values()) - before, before) == (74_342_400, 1_572_864)


def test_an_absorber_may_act_beside_it_with_the_bases_own_values():
    asked = Vmc(absorber="both", absorber_words="red ball")
    own = Profile(name="", learn={"CustomizeAVideo": {"absorber_rank": 2, "rank": 7}}).own(Vmc)
    absorbing = MotionDistillation(resolved(asked, own), Material())
    (absorb, learn), (absorber, motion) = absorbing.stages(10), absorbing.adapters
    assert (absorb.learn, absorb.act) == ({"absorber": 5e-5, "looks": 5e-5}, ())
    assert (learn.learn, learn.act) == ({"motion": 1e-4}, ("absorber", "looks"))
    assert (absorber.rank, motion.rank) == (2, 16)
    assert absorbing.caption("a red ball over a green field", "rolling") == "<looks> rolling"
    check_sense(asked)
    assert MotionDistillation(resolved(Vmc(), own), Material(looks=("a ball", "a box"))).follow == 0.0
    with pytest.raises(UserError, match="no place in a caption"):
        check_sense(Vmc(absorber="both", caption="motion only"))


@pytest.mark.parametrize("kind", [Vmc, CustomizeAVideo, MotionDirector])
def test_clips_of_related_motions_have_a_loss_of_their_own(kind):
    """Of all that learn one clip's motion: mean (ε − ε_θ)² under their own words, beside the others."""
    guess, other = Guess(0.5), replace(EXAMPLE, text=torch.full((1, 6, 7), 9.0))
    (*_, stage) = METHODS[kind](resolved(kind(), {}), Material(regular=1)).stages(10)
    *alone, regular = losses(stage, guess, regular=[other])
    shape, text, bypassed = guess.seen[-1]
    assert (shape, text, bypassed) == (tuple(EXAMPLE.latents.shape), 9.0, False)
    torch.testing.assert_close(regular, (guess.noise[-1] - 0.5).square().mean())
    assert len(alone) == len(losses(stage, Guess(0.5))) > 0


@pytest.mark.parametrize(("loss", "formula"), [("motion cosine", motion_cosine), ("motion l2", motion_l2)])
def test_the_whole_clip_is_compared_by_its_residuals(loss, formula):
    guess = Guess(0.5)
    (stage,) = method(loss=loss).stages(10)
    made = losses(stage, guess)
    ((shape, text, bypassed),) = guess.seen
    assert (shape, text, bypassed) == (tuple(EXAMPLE.latents.shape), 1.0, False)
    torch.testing.assert_close(made, [formula(torch.full(shape, 0.5), guess.noise[0])])


@pytest.mark.parametrize(
    ("looks", "who"),
    [
        ("a cat on the grass under the tree", "a cat"),
        ("a red ball over a green field", "a ball"),
        ("two sharks", "two sharks"),
        ("a striped orange", "an orange"),
        ("an old man", "a man"),
        ("snow", "snow"),
        ("", ""),
        ("over a field", ""),
        ("a man riding a horse on a beach", "a man"),
        ("a tall man and a small dog in a park", "a man and a dog"),
        ("a black and white dog", "a dog"),
        ("two happy people dancing together", "two people"),
        ("a dancing bear", "a bear"),
        ("a big flying bird", "a bird"),
        ("a beautiful young dancing girl", "a girl"),
        ("a running and jumping dog", "a dog"),
        ("a man running", "a man"),
        ("a dancer dressed in white", "a dancer"),
        ("a woman who runs", "a woman"),
        ("a golden ring before a wall", "a ring"),
        ("a big, red bed in a room", "a bed"),
        ("an X* dog", "a dog"),
        ("three <x> cats, sleeping", "three cats"),
    ],
)
def test_looks_are_cut_from_the_caption_while_learning(looks, who):
    assert without_looks(looks) == who


def test_the_caption_is_the_motion_with_who_moves_alone_or_whole():
    seen = ("a red ball over a green field", "moving in a circle")
    assert method().caption(*seen) == "a ball moving in a circle"
    assert method(caption="motion only").caption(*seen) == "moving in a circle"
    whole = resolved(Vmc(), {"caption": "whole"})  # as a base's profile may ask for
    assert (
        MotionDistillation(whole, Material()).caption(*seen)
        == "a red ball over a green field moving in a circle"
    )
