"""What leaps between two pictures: found, followed, and left alone where the dense flow follows it."""

from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from backend.bench.frames_between import compared
from backend.bench.rows import trial_named
from backend.media.finishing import interpolated
from backend.media.flow import dense_flow
from backend.media.layers import Layer, curved, leaping

SIZE = 128
Square = tuple[int, int, tuple[int, int, int]]  # left, top, colour
RED, YELLOW = (220, 30, 30), (230, 210, 40)


def picture(*squares: Square, ground_at: int = 0) -> np.ndarray:
    """Squares of 20 pixels with a dark rim over blotches, of which `ground_at` have passed by at the left."""
    noise = np.random.default_rng(0).uniform(40, 160, (SIZE // 8, SIZE // 4)).astype(np.float32)
    ground = cv2.resize(noise, (2 * SIZE, SIZE), interpolation=cv2.INTER_CUBIC)[
        :, ground_at : ground_at + SIZE
    ]
    made = np.repeat(ground[..., None], 3, axis=2)
    for left, top, colour in squares:
        made[top : top + 20, left : left + 20] = (20, 20, 20)
        made[top + 3 : top + 17, left + 3 : left + 17] = colour
    return made.astype(np.float32)


def layers_between(one: np.ndarray, other: np.ndarray) -> list[Layer]:
    return leaping(one, other, dense_flow(one, other), dense_flow(other, one)).layers


def covers(layer: Layer, left: int, top: int) -> float:
    """The share of the square there that the layer's mask covers, less what it covers elsewhere."""
    square = np.zeros((SIZE, SIZE))
    square[top : top + 20, left : left + 20] = 1
    return float(((layer.mask * square).sum() - (layer.mask * (1 - square)).sum()) / 400)


def test_a_square_that_leaps_is_one_layer_that_goes_its_way() -> None:
    (layer,) = layers_between(picture((20, 30, RED)), picture((58, 44, RED)))
    np.testing.assert_allclose(layer.step, (38, 14), atol=0.7)
    assert covers(layer, 20, 30) > 0.8


def test_two_that_leap_apart_are_two_layers() -> None:
    one, other = picture((20, 20, RED), (80, 90, YELLOW)), picture((58, 20, RED), (40, 76, YELLOW))
    found = layers_between(one, other)
    steps = sorted(tuple(float(v) for v in layer.step) for layer in found)
    np.testing.assert_allclose(steps, [(-40, -14), (38, 0)], atol=0.7)


def test_a_camera_that_goes_along_does_not_hide_who_leaps() -> None:
    one, other = picture((20, 30, RED)), picture((60, 30, RED), ground_at=5)
    (layer,) = layers_between(one, other)
    np.testing.assert_allclose(layer.step, (40, 0), atol=0.7)


def blotches(seed: int, low: float, high: float) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(low, high, (SIZE // 6, SIZE // 6)).astype(np.float32)
    return np.repeat(cv2.resize(noise, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)[..., None], 3, axis=2)


def water(seed: int) -> np.ndarray:
    """The same land over a lower half that is another each time."""
    made = blotches(0, 40, 160)
    made[70:] = blotches(seed, 40, 160)[70:]
    return made


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (picture((20, 30, RED)), picture((23, 30, RED))),
        (picture(), picture(ground_at=4)),
        (picture((20, 30, RED)), 255 - picture((20, 30, RED))),
        (blotches(1, 0, 40), blotches(2, 0, 40)),
        (picture((20, 30, RED)), 0.7 * picture((20, 30, RED))),
        (water(1), water(2)),
        (water(3), water(4)),
        (picture(), picture()),
    ],
    ids=["a short step", "a camera alone", "a cut", "a dark cut", "a fade", "water", "more water", "nothing"],
)
def test_what_the_dense_flow_follows_or_nothing_explains_is_no_layer(one, other) -> None:
    assert layers_between(one, other) == []


def test_who_leaps_is_whole_half_way_and_nowhere_else() -> None:
    pair = np.stack([picture((20, 30, RED)), picture((60, 30, RED))]).astype(np.uint8)
    (made,) = interpolated(pair, [Fraction(1, 2)])
    truth = picture((40, 30, RED))
    apart = np.abs(made - truth).mean(axis=2)
    assert apart[32:48, 42:58].mean() < 2  # where it is
    for left in (20, 60):  # where it was, and will be
        elsewhere = np.s_[30:50, left + (0 if left == 20 else 2) : left + (18 if left == 20 else 20)]
        assert apart[elsewhere].mean() < 6


def test_who_leaves_the_frames_edge_leaves_nothing_there() -> None:
    pair = np.stack([picture((0, 30, RED)), picture((40, 30, RED))]).astype(np.uint8)
    (made,) = interpolated(pair, [Fraction(1, 2)])
    apart = np.abs(made - picture((20, 30, RED))).mean(axis=2)
    assert apart[30:50, 0:18].mean() < 6
    assert apart[32:48, 22:38].mean() < 2


def test_who_comes_into_the_frame_is_whole_and_leaves_no_second_one() -> None:
    """Of whom the first picture shows only a part."""
    cut = picture()
    cut[30:50, 0:13] = picture((27, 30, RED))[30:50, 34:47]
    pair = np.stack([cut, picture((34, 30, RED))]).astype(np.uint8)
    (made,) = interpolated(pair, [Fraction(1, 2)])
    apart = np.abs(made - picture((14, 30, RED))).mean(axis=2)
    assert apart[34:46, 18:30].mean() < 6  # where it is, half way from -7 to 34
    assert apart[32:48, 36:56].mean() < 6  # where it will be


def test_far_from_a_layer_the_dense_flow_stays_as_it_was() -> None:
    noise = [np.random.default_rng(seed).normal(0, 6, (SIZE, SIZE, 1)) for seed in (5, 6)]
    one, other = picture((20, 10, RED)) + noise[0], picture((58, 10, RED), ground_at=2) + noise[1]
    pictures = [np.clip(p, 0, 255).astype(np.float32) for p in (one, other)]
    there, back = dense_flow(*pictures), dense_flow(*pictures[::-1])
    found = leaping(*pictures, there, back)
    assert len(found.layers) == 1
    for flow, dense in ((found.there, there), (found.back, back)):
        assert not np.array_equal(flow, dense)
        assert np.array_equal(flow[60:], dense[60:])


def test_who_turns_turns_evenly_and_keeps_its_size() -> None:
    """Half of 90°: a corner lies where 45° bring it; mixing the matrices would shrink it to 0.71."""
    quarter = np.array([[0, -1, 100.0], [1, 0, 0]])  # about (50, 50)
    layer = replace(going((0, 0), 40), move=quarter)
    first, second = layer.sources(0.5)
    here = np.array([50, 50 - 14])  # where the corner (40, 40) is half way
    np.testing.assert_allclose(here + first[here[1], here[0]], (40, 40), atol=0.7)
    np.testing.assert_allclose(here + second[here[1], here[0]], (60, 40), atol=0.7)


def going(step: tuple[float, float], left: int) -> Layer:
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[40:60, left : left + 20] = 1
    move = np.array([[1, 0, step[0]], [0, 1, step[1]]], float)
    return Layer(mask, cv2.warpAffine(mask, move, (SIZE, SIZE)), move)


def place_half_way(layer: Layer) -> np.ndarray:
    """Of a pixel that was at (50, 50): where its source is there."""
    flow = layer.sources(0.5)[0]
    here = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=2).reshape(-1, 2)
    return np.asarray(here[np.linalg.norm(here + flow.reshape(-1, 2) - (50, 50), axis=1).argmin()])


def test_half_way_between_two_turns_lies_on_the_curve_through_all_four() -> None:
    """Catmull-Rom by hand: after (20, 20), before (20, −20) the middle of (20, 0) lies (20 + 20)/16 down."""
    layer = going((20, 0), 40)
    came, goes = going((20, 20), 20), going((20, -20), 60)
    for mask in (came.mask, came.arrived):
        mask[:] = np.roll(mask, -20, axis=0)
    bent = curved(layer, [came], [goes])
    np.testing.assert_allclose(bent.bends, [(0, 10), (0, -10)], atol=1e-4)
    assert tuple(place_half_way(layer)) == (60, 50)
    assert place_half_way(bent)[1] in (52, 53)


def test_who_bounces_off_goes_straight_and_so_does_who_is_alone() -> None:
    layer = going((20, 0), 40)
    back, far = going((-20, 0), 60), going((0, 20), 100)
    assert not curved(layer, [], [back]).bends.any()
    assert not curved(layer, [far], [far]).bends.any()


@pytest.mark.parametrize(
    ("motion", "gain"), [("circle", 4), ("pendulum", 2), ("figure eight", 4), ("zigzag", 6)]
)
def test_learned_motions_are_nearer_to_the_world_than_blended_ones(motion, gain) -> None:
    """By dense flow alone they were 3.0, −0.3, −0.3 and 4.5 dB nearer."""
    found = compared(trial_named(motion).shot)
    assert found["flow"] > found["blended"] + gain
