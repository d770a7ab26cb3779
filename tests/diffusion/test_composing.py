"""One prediction from a camera's and a subject's motion."""

import pytest
import torch

from backend.diffusion.composing import KEPT, SHARE, Places, composed, sizes_of, where_most


def at(frame: int, row: int, column: int, size: float = 1.0) -> torch.Tensor:
    """(1, 2, 3, 5, 5): nothing but one place, in two channels."""
    effect = torch.zeros(1, 2, 3, 5, 5)
    effect[0, :, frame, row, column] = torch.tensor([3.0, -4.0]) * size / 5
    return effect


def test_the_places_are_those_around_the_largest_effect_and_each_frame_has_its_own():
    sizes = sizes_of(at(0, 2, 2) + at(1, 0, 0, size=1e-3) + at(2, 4, 4, size=1e3))
    places = where_most(sizes, 9 / 25)
    assert places.shape == (1, 1, 3, 5, 5)
    assert places[0, 0, 0].nonzero().tolist() == [[r, c] for r in (1, 2, 3) for c in (1, 2, 3)]
    corners = where_most(sizes, 4 / 25)
    for frame, corner in ((1, (0, 1)), (2, (3, 4))):
        assert corners[0, 0, frame].nonzero().tolist() == [[r, c] for r in corner for c in corner]


@pytest.mark.parametrize("side", [5, 8, 32])
def test_the_share_of_places_is_kept_in_every_frame(side: int):
    effect = torch.randn(2, 4, 3, side, side, generator=torch.Generator().manual_seed(0))
    shares = Places().after(effect, 500).flatten(3).mean(3)
    assert shares.shape == (2, 1, 3)
    assert torch.allclose(shares, torch.tensor(SHARE), atol=1 / side**2)


def test_places_are_remembered_within_a_clip_and_forgotten_with_the_next():
    """By hand: one step elsewhere leaves KEPT of the first, which is more; four more leave a third."""
    first, second = at(0, 1, 1), at(0, 3, 3)
    sole = [Places().after(effect, 900) for effect in (first, second)]
    places = Places()
    assert torch.equal(places.after(first, 900), sole[0])
    assert KEPT > 0.5
    assert places.after(second, 800)[0, 0, 0, 0, 0] == 1  # still
    for step in range(700, 300, -100):
        last = places.after(second, step)
    assert last[0, 0, 0, 4, 4] == 1
    assert torch.equal(places.after(first, 900), sole[0])


def test_a_step_that_changes_more_counts_no_more_than_another():
    small, large = Places(), Places()
    for places in (small, large):
        places.after(at(0, 1, 1), 900)
    after = [places.after(at(0, 3, 3, size=s), 800) for places, s in ((small, 1e-3), (large, 1e3))]
    assert torch.equal(*after)


def test_each_effect_acts_in_its_place_and_only_there():
    """By hand: at guidance 2, where the subject's effect weighs 3; it has 10 of 25 places."""
    subject, camera, guided = at(0, 2, 2), torch.full((1, 2, 3, 5, 5), 0.5), torch.ones(1, 2, 3, 5, 5)
    places = Places().after(subject, 500)
    made = composed(guided, camera, subject, places, guidance=2.0)
    assert torch.equal(made[0, :, 0, 2, 2], 1 + 3 * torch.tensor([0.6, -0.8]))
    elsewhere = ~places.bool()
    assert torch.equal(made.masked_select(elsewhere), torch.full((2 * int(elsewhere.sum()),), 2.0))
    more = composed(guided, camera, subject, places, guidance=5.0)
    assert torch.equal(more[0, :, 0, 2, 2], 1 + 5 * torch.tensor([0.6, -0.8]))
    near = made[0, :, 0, 1, 1]  # the subject's, where it changes nothing: the camera's is not there either
    assert torch.equal(near, torch.ones(2))


def test_a_subject_that_changes_nothing_has_no_place():
    assert not Places().after(torch.zeros(1, 2, 3, 5, 5), 500).any()


def test_frames_in_which_the_subject_hardly_acts_are_all_the_cameras():
    """As where its strength is 0 for half of a clip: what later layers carry over is no place of its own."""
    effect = torch.randn(1, 4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    effect[:, :, 2:] *= 1e-4
    shares = Places().after(effect, 500).flatten(3).mean(3)[0, 0]
    assert torch.allclose(shares, torch.tensor([SHARE, SHARE, 0, 0]), atol=1 / 64)


def test_motions_act_in_full_without_guidance_too():
    one = torch.ones(1, 2, 3, 5, 5)
    for guidance, of_subject, of_camera in ((0.0, 3.0, 1.0), (1.0, 3.0, 1.0), (9.0, 9.0, 9.0)):
        assert torch.equal(composed(0 * one, 0 * one, one, one[:, :1], guidance), of_subject * one)
        assert torch.equal(composed(0 * one, one, 0 * one, 0 * one[:, :1], guidance), of_camera * one)
