"""What is said to be known of shots that Blender filmed: a camera over a floor, worked by hand."""

import numpy as np
import pytest

from tools.blender_shots.truth import Array, outline_facts, picture_moves, projected

FLOOR = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]])
LENS = 36.0  # as wide as the sensor: from ten metres above, the frame shows ten metres of the floor


def above(x: float = 0.0, y: float = 0.0, height: float = 10.0, turned: float = 0.0) -> Array:
    """A camera that looks straight down, turned by so many degrees against the clock."""
    cos, sin = np.cos(np.radians(turned)), np.sin(np.radians(turned))
    return np.array([[cos, -sin, 0, x], [sin, cos, 0, y], [0, 0, 1, height], [0, 0, 0, 1]])


def test_a_point_is_where_a_ruler_says() -> None:
    places = projected(np.array([[0.0, 0, 0], [2, 1, 0], [2, 1, 5]]), above(), LENS)
    assert places == pytest.approx(np.array([[0.5, 0.5], [0.7, 0.4], [0.9, 0.3]]))


@pytest.mark.parametrize(
    ("after", "lens", "moves"),
    [
        (above(x=1.0), LENS, {"pan": 0.1}),
        (above(y=1.0), LENS, {"tilt": -0.1}),
        (above(), 45.0, {"zoom": 1.25}),
        (above(height=8.0), LENS, {"zoom": 1.25}),
        (above(turned=10.0), LENS, {"roll": 10.0}),
        (above(turned=-10.0), 45.0, {"roll": -10.0, "zoom": 1.25}),
    ],
)
def test_a_cameras_move_is_what_it_does_to_the_floor(
    after: Array, lens: float, moves: dict[str, float]
) -> None:
    found = picture_moves(FLOOR, [(above(), LENS), (after, lens)])
    still = {"pan": 0.0, "tilt": 0.0, "zoom": 1.0, "roll": 0.0}
    for name, value in (still | moves).items():
        assert found[name] == pytest.approx([still[name], value], abs=1e-9), name


def test_steps_are_put_one_after_the_other() -> None:
    cameras = [(above(), LENS), (above(x=1.0), LENS), (above(x=1.0), 45.0), (above(x=1.0, turned=30), 45.0)]
    found = picture_moves(FLOOR, cameras)
    assert found["zoom"] == pytest.approx([1, 1, 1.25, 1.25])
    assert found["roll"] == pytest.approx([0, 0, 0, 30])
    assert found["pan"][1:3] == pytest.approx([0.1, 0.125])  # what was passed by is enlarged too


def test_an_outlines_centre_and_size_do_not_ask_where_its_points_lie() -> None:
    corners = np.array([[0.2, 0.1], [0.6, 0.1], [0.6, 0.5], [0.2, 0.5]])
    rng = np.random.default_rng(0)
    places = np.concatenate([corners, rng.uniform(0.2, 0.3, (50, 2))])
    centre, size = outline_facts(places)
    assert centre == pytest.approx([0.4, 0.3])
    assert size == pytest.approx(0.4)
