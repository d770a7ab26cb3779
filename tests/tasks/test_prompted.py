"""New words of several motions: each is read as the motion learned it, or the artist is asked."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
import torch

from backend.api.presets import Preset
from backend.api.protocol import Motion
from backend.api.settings import MotionToken, Vmc
from backend.diffusion.adapters import Lora
from backend.diffusion.stacking import PRESENT
from backend.errors import UserError
from backend.families.unet3d import UNet3D
from backend.tasks.bases import LoadedMotion
from backend.tasks.prompted import (
    Prompted,
    Spoken,
    guided,
    read_apart,
    read_own,
    read_prompt,
    with_token,
    without_words,
)

Given = tuple[
    str, dict[str, str]
]  # a motion's words; its new words, each with the one whose embeddings it has

PLL: Given = ("doing the pll", {"pll": "red"})
OTHER: Given = ("doing the pll", {"pll": "ball"})
SHOUTED: Given = ("doing the PLL", {"PLL": "ball"})
PLAIN: Given = ("doing the pll", {})
LOOKS: Given = ("", {"X*": "red"})
OTHER_LOOKS: Given = ("", {"X*": "ball"})


@pytest.fixture(scope="module")
def base(toy_base: Path) -> UNet3D:
    return UNet3D(toy_base, "toy", device="cpu")


def loaded(base: UNet3D, given: Given) -> LoadedMotion:
    words, tokens = given
    preset = Preset(title="one", motion=words, method=MotionToken())
    vectors = {word: base.token_vectors(like) for word, like in tokens.items()}
    return LoadedMotion(Motion(path="one"), preset, Lora({}, 1.0), "", tokens=vectors)


@pytest.mark.parametrize(
    ("motions", "prompt", "reads"),
    [
        ([PLL], "a box", "a box doing the red"),
        ([PLL], "a box doing the PLL", "a box doing the red"),
        ([PLL, OTHER], "a box", "a box doing the red doing the ball"),
        ([PLL, SHOUTED], "a box", "a box doing the red doing the ball"),
        ([PLL, OTHER, OTHER], "a box", "a box doing the red doing the ball"),
        ([PLL, OTHER, PLL], "a box", "a box doing the red doing the ball"),
        ([("", {"pll2": "box"}), PLL, OTHER], "a pll2", "a box doing the red doing the ball"),
        ([PLL, OTHER], "a pll2", "a pll2 doing the red doing the ball"),
        ([PLAIN, PLL], "a box", "a box doing the pll doing the red"),
        ([PLL, PLAIN], "a box", "a box doing the red doing the pll"),
        ([LOOKS, ("jumping like X*", {})], "a box", "a box jumping like red"),
        ([("", {"pll": "red", "pll-fast": "ball"})], "pll-fast and pll", "ball and red"),
        ([("", {"<pll>": "red", "pll": "red"})], "<pll> and pll", "red and red"),
        ([("\\o/ twice", {"\\o/": "red"})], "a box", "a box red twice"),
        ([PLL], "three balls doing the V* slowly", "three balls doing the red slowly"),
        ([PLL], "three balls doing the V*", "three balls doing the red"),
        ([PLAIN], "V* balls doing the V*", "pll balls doing the pll"),
    ],
)
def test_each_motions_word_is_read_as_that_motion_learned_it(
    base: UNet3D, motions: list[Given], prompt: str, reads: str
) -> None:
    read = read_prompt(base, prompt, 1.0, [loaded(base, one) for one in motions]).text
    assert torch.equal(read, base.embed([reads]))


@pytest.mark.parametrize(
    ("motions", "prompt"),
    [
        ([PLL, OTHER], "a box doing the pll"),
        ([PLL, SHOUTED], "a box doing the Pll"),
        ([PLAIN, PLL], "a box doing the pll"),
        ([LOOKS, OTHER_LOOKS], "a box"),
        ([LOOKS, OTHER_LOOKS], "an X* box"),
    ],
)
def test_what_only_the_prompt_could_say_is_not_guessed(
    base: UNet3D, motions: list[Given], prompt: str
) -> None:
    with pytest.raises(UserError, match="mean different things by the new word"):
        read_prompt(base, prompt, 1.0, [loaded(base, one) for one in motions])


def test_v_is_the_token_of_the_motion_that_learned_with_one(base: UNet3D) -> None:
    pll, plain = loaded(base, PLAIN), loaded(base, PLAIN)
    plain = replace(plain, preset=replace(plain.preset, method=Vmc()))
    other = replace(pll, preset=replace(pll.preset, motion="doing the sks", method=MotionToken(token="sks")))
    assert with_token("a V*", [one.preset.method for one in (plain, pll, pll)]) == "a pll"
    assert with_token("a V*", [plain.preset.method, None]) == "a V*"
    with pytest.raises(UserError, match="either of two") as error:
        read_prompt(base, "a V*", 1.0, [pll, other])
    assert "pll or sks" in str(error.value.hint)


RISING, STEADY = (0.0, PRESENT / 2, -1.0, 1.4), (1.0,) * 4


@pytest.mark.parametrize(
    ("prompt", "strengths", "text", "spoken"),
    [
        ("a box", (STEADY, STEADY), "a box spinning rolling", ()),
        ("a box", (RISING, STEADY), "a box rolling", ("a box rolling spinning",)),
        ("a spinning box", (RISING, STEADY), "a box rolling", ("a spinning box rolling",)),
        ("a spinning box", (STEADY, RISING), "a spinning box", ("a spinning box rolling",)),
        ("a box", (RISING, RISING), "a box", ("a box spinning", "a box rolling")),
        ("a box", ((0.0,) * 4, STEADY), "a box rolling", ()),
        ("a box", ((PRESENT,) * 4, (-1.0, 1.5, 2.0, 1.0)), "a box spinning rolling", ()),
    ],
)
def test_words_of_a_motion_that_changes_are_said_of_its_frames_alone(
    base: UNet3D, prompt: str, strengths: tuple[tuple[float, ...], ...], text: str, spoken: tuple[str, ...]
) -> None:
    motions = [loaded(base, (words, {})) for words in ("spinning", "rolling")]
    motions = [replace(one, preset=replace(one.preset, method=Vmc())) for one in motions]
    read = read_prompt(base, prompt, 2.0, motions, strengths=strengths)
    assert torch.equal(read.text, base.embed([text]))
    assert [one.shares.tolist() for one in read.spoken] == [[0.0, 0.5, 1.0, 1.0]] * len(spoken)
    for one, words in zip(read.spoken, spoken, strict=True):
        torch.testing.assert_close(one.text, base.embed([words]))


def test_a_steady_motion_is_said_as_far_as_it_is_present(base: UNet3D) -> None:
    """As one that changes is: a strength that is keyframed at 0.1 throughout is the same as 0.1."""
    motions = [loaded(base, ("spinning", {}))]
    read = read_prompt(base, "a box", 2.0, motions, strengths=((-PRESENT / 4,) * 4,))
    assert torch.equal(read.text, base.embed(["a box"]))
    assert [one.shares.tolist() for one in read.spoken] == [[0.25] * 4]
    typed = read_prompt(base, "a spinning box", 2.0, motions, strengths=((-PRESENT / 4,) * 4,))
    assert torch.equal(typed.text, base.embed(["a spinning box"]))
    assert not typed.spoken


def test_words_that_two_changing_motions_share_are_said_once(base: UNet3D) -> None:
    motions = [loaded(base, ("spinning", {}))] * 2
    read = read_prompt(
        base, "a box", 2.0, motions, strengths=((0.0, PRESENT / 2, 0, 0), (0.0, 0.0, PRESENT / 4, 1.0))
    )
    (one,) = read.spoken
    assert one.shares.tolist() == [0.0, 0.5, 0.25, 1.0]


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_each_frame_is_guided_by_the_words_as_much_as_their_motion_acts(
    base: UNet3D, guidance: float
) -> None:
    """ε_∅ + g (ε + s_f (ε_m − ε) − ε_∅), and without guidance ε + s_f (ε_m − ε)."""
    g = torch.Generator().manual_seed(0)
    x, t = torch.randn(1, 4, 4, 8, 8, generator=g), torch.tensor([500])
    plain, empty, words = base.embed(["a box", "", "a red ball"]).split(1)
    shares = torch.tensor([0.0, 0.25, 1.0, 1.0])
    with torch.no_grad():
        made = guided(base, Prompted(plain, empty, guidance, (Spoken(words, shares),)))(x, t)
        of = [base.predict(x, t, text) for text in (plain, empty, words)]
    towards = of[0] + shares.view(1, 1, 4, 1, 1) * (of[2] - of[0])
    torch.testing.assert_close(made, of[1] + guidance * (towards - of[1]) if guidance != 1 else towards)


@pytest.mark.parametrize(
    ("prompt", "camera", "subject"),
    [
        ("a box", "a box while it pans", "a box doing the red"),
        ("a box doing the pll while it pans", "a box while it pans", "a box doing the red"),
        ("a box Doing the PLL", "a box while it pans", "a box doing the red"),
    ],
)
def test_motions_that_act_apart_are_each_read_under_their_own_words(
    base: UNet3D, prompt: str, camera: str, subject: str
) -> None:
    pans = loaded(base, ("while it pans", {}))
    pans = replace(pans, preset=replace(pans.preset, kind="camera"))
    looks = loaded(base, LOOKS)
    looks = replace(looks, preset=replace(looks.preset, kind="style"))
    for motions in permutations([pans, loaded(base, PLL), looks]):
        read = read_apart(base, prompt, 3.0, motions, [STEADY] * 3)
        told = [read.camera, read.by_words.text, read.subject, read.by_words.empty]
        for vectors, words in zip(told, (camera, camera, subject, ""), strict=True):
            assert torch.equal(vectors, base.embed([words]))
        assert read.by_words.guidance == 3.0


def test_words_that_both_have_stay_where_the_prompt_says_them(base: UNet3D) -> None:
    both = [loaded(base, ("turning around", {})) for _ in range(2)]
    both[0] = replace(both[0], preset=replace(both[0].preset, kind="camera"))
    said = "a star turning around before bricks"
    for own in both:
        read = read_own(base, said, 3.0, both, [STEADY] * 2, [own])
        assert torch.equal(read.text, base.embed([said]))


@pytest.mark.parametrize(
    ("text", "cut", "kept", "left"),
    [
        (
            "a box, the camera moving left",
            "moving",
            "the camera moving left",
            "a box, the camera moving left",
        ),
        ("a box, the camera moving left", "the camera moving left", "moving", "a box"),
        ("a red turning wheel", "turning", "the camera is turning", "a red wheel"),
        ("a star, going round , before bricks", "going round", "", "a star, before bricks"),
        ("A star. Going round. Before bricks.", "going round", "", "A star. Before bricks."),
        ("a star (going round) on bricks", "going round", "", "a star on bricks"),
        ("a star (going round, slowly) on bricks", "going round", "", "a star (slowly) on bricks"),
        ("Going round. A star, going round. Bricks...", "going round", "", "A star. Bricks..."),
        ("a .5 box going round", "going round", "", "a .5 box"),
        ("a box on bricks while the camera pans left", "the camera pans left", "", "a box on bricks"),
        (
            "A box, going round and turning while spinning, on bricks",
            "spinning",
            "",
            "A box, going round and turning, on bricks",
        ),
        ("a box (while going round) on bricks", "going round", "", "a box on bricks"),
        ("a  box , still", "jumping", "", "a  box , still"),
        ("a box", "", "", "a box"),
    ],
)
def test_words_are_cut_out_where_they_are_no_part_of_others(
    text: str, cut: str, kept: str, left: str
) -> None:
    assert without_words([cut], text, but=[kept]) == left
