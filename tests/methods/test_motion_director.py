"""MotionDirector: two paths, the 20 % rule, and the papers' numbers of parameters."""

import pytest
import torch
from torch.nn.functional import mse_loss

from backend.api.sense import OF_MOTION, check_sense
from backend.api.settings import STEPS, MotionDirector, resolved
from backend.errors import UserError
from backend.methods.base import Material, Step
from backend.methods.losses import debiased
from backend.methods.motion_director import SPATIAL, DualPath
from tests.families.test_unet3d import lora_size
from tests.methods.guess import EXAMPLE, Guess, noisy

TWO = Material(looks=("a red ball", "a blue box"))


def method(material: Material = TWO, **settings) -> DualPath:
    return DualPath(resolved(MotionDirector(**settings), {}), material)


def step(guess: Guess, examples: int = 1, seed: int = 0, stills: int = 0) -> Step:
    rng = torch.Generator().manual_seed(seed)
    return Step(guess, [EXAMPLE] * examples, rng, stills=[EXAMPLE] * stills)


def test_there_is_a_spatial_lora_for_each_clip_and_one_temporal_for_all():
    assert [a.name for a in method().adapters] == ["looks 1", "looks 2", "motion"]
    (stage,) = method().stages(100)
    assert stage.learn == {"looks 1": 5e-4, "looks 2": 5e-4, "motion": 5e-4}
    assert {a.rank for a in method().adapters} == {32}


def test_the_loras_have_the_papers_numbers_of_parameters():
    """1559K temporal at rank 4 and 274.5K spatial at rank 1, as Customize-A-Video's Table 3 prints."""
    temporal = method().adapters[-1].layers
    assert sum(lora_size(group, 4) for group in temporal) == 1_559_040
    assert sum(lora_size(group, 1) for group in SPATIAL) == 274_560


def test_a_frame_is_learned_without_temporal_layers_and_then_the_whole_clip():
    guess = Guess(0.5)
    one, whole = (loss.detach() for loss in method(spatial_rest=0.0).losses(step(guess, 2)))
    (frame, _, bypassed), (clip, _, bypassed_too) = guess.seen
    assert (frame[2], bypassed, clip[2], bypassed_too) == (1, True, 4, False)
    torch.testing.assert_close(one, mse_loss(torch.full(frame, 0.5), guess.noise[0]))  # Eq. 4
    output = torch.full(clip, 0.5)
    plain = mse_loss(output, guess.noise[1])
    anchors = [plain + debiased(output, guess.noise[1], anchor, 1.0) for anchor in range(4)]
    assert any(torch.isclose(whole, wanted) for wanted in anchors)  # Eq. 7


def test_by_the_20_percent_rule_the_looks_rest_on_a_fifth_of_the_steps():
    guess = Guess()
    counts = [len(list(method().losses(step(guess, 2, seed)))) for seed in range(300)]
    assert 0.14 < counts.count(1) / len(counts) < 0.26
    assert all(len(list(method(spatial_rest=0.0).losses(step(guess, 2, s)))) == 2 for s in range(20))


def test_looks_act_on_the_clip_they_were_learned_from_and_never_learn_there(monkeypatch):
    seen = []
    original = Step.learning

    def noting(self, *learn, act=(), bypass_temporal=False):
        seen.append((learn, act))
        return original(self, *learn, act=act, bypass_temporal=bypass_temporal)

    monkeypatch.setattr(Step, "learning", noting)
    for seed in range(8):
        list(method(spatial_rest=0.0).losses(step(Guess(), 2, seed)))
    pairs = {(seen[i], seen[i + 1]) for i in range(0, len(seen), 2)}
    assert pairs == {((("looks 1",), ()), (("motion",), ("looks 1",))),
                     ((("looks 2",), ()), (("motion",), ("looks 2",)))}  # fmt: skip


def test_stills_have_looks_of_their_own_which_are_kept_to_be_mixed():
    m = method(Material(looks=("a ball",), stills=("a red dog",)))
    assert [a.name for a in m.adapters] == ["looks 1", "looks of stills", "motion"]
    assert [(b.adapter, b.looks, b.clip) for b in m.beside] == [("looks of stills", "a red dog", 1)]
    assert len(list(m.losses(step(Guess(), 1, stills=1, seed=1)))) >= 2
    kept = method(keep_looks=True).beside
    assert [(b.adapter, b.looks, b.clip) for b in kept] == [
        ("looks 1", "a red ball", 0),
        ("looks 2", "a blue box", 1),
    ]


def test_looks_alone_are_a_style():
    m = method(Material(looks=(), stills=("a red dog",)), learns="looks")
    assert ([a.name for a in m.adapters], m.kept, m.kind) == (["looks"], "looks", "style")
    guess = Guess()
    assert len(list(m.stages(5)[0].losses(step(guess, 0, stills=2)))) == 1
    assert guess.seen[0][2]


def test_several_clips_are_not_followed_and_learn_longer():
    assert method(Material(looks=("a ball",))).follow == 0.3
    assert method().follow == 0.0
    assert STEPS[MotionDirector](1)["best"] == 150
    assert STEPS[MotionDirector](2)["best"] == 500


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"beta": 2.0, "loss": "mse"}, "the loss has no debiasing"),
        ({"spatial_rest": 1.0, "keep_looks": True}, "rest in every step"),
        ({"learns": "looks", "keep_looks": True}, "Only the looks are learned"),
    ],
)
def test_settings_that_make_no_sense_together_are_refused_in_a_sentence(settings, complaint):
    with pytest.raises(UserError, match=complaint):
        check_sense(MotionDirector(**settings))
    check_sense(MotionDirector(beta=2.0))


@pytest.mark.parametrize("name", OF_MOTION)
def test_settings_of_the_motion_are_refused_where_only_looks_are_learned(name):
    paper = getattr(resolved(MotionDirector(), {}), name)
    with pytest.raises(UserError, match="there are settings of the motion"):
        check_sense(MotionDirector(learns="looks", **{name: paper}))
    check_sense(MotionDirector(learns="looks", spatial_rank=4, spatial_learning_rate=1e-3, variants=4))


def test_only_the_temporal_path_favours_high_noise():
    (stage,) = method(Material(), coarse=0.5, spatial_rest=0.0).stages(10)
    assert noisy(stage) == pytest.approx([0.5, 0.659], abs=0.035)
