"""What the judge says of the world's own clips, of which all is known."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as nn_f

from backend.starter.judge import judge, path_cosine, subject_mask
from backend.starter.world import FIRST, SUBJECTS, VOCABULARIES, Shot, render, sample_shot
from backend.starter.world.vocabulary import ROUND

RED_BALL = Shot(subject="ball", colour="red", background="gray wall", motion="circle")


def test_the_judge_finds_in_the_worlds_own_clips_what_is_there() -> None:
    wrong = 0
    for seed in range(64):
        shot = sample_shot(seed, vocabulary=FIRST)
        rendered = render([shot], size=64, frames=8)
        seen = judge(rendered.frames[0], shot.background, 8, FIRST)
        wrong += (seen.background, seen.colour, seen.subject, seen.motion) != (
            shot.background,
            shot.colour,
            shot.subject,
            shot.motion,
        )
    assert wrong <= 1


def test_a_path_is_told_from_its_mirror_image() -> None:
    circle = render([RED_BALL], size=64, frames=8).centres[0]
    other_way = render([replace(RED_BALL, phase=0.5)], size=64, frames=8).centres[0]
    assert path_cosine(circle, circle) == pytest.approx(1, abs=1e-5)
    assert path_cosine(circle, other_way) == pytest.approx(-1, abs=1e-5)


def test_the_judges_mask_is_the_worlds_mask_before_a_plain_wall() -> None:
    rendered = render([RED_BALL], size=64, frames=8)
    found = subject_mask(rendered.frames[0], "gray wall")
    assert (found - rendered.masks[0]).abs().mean() < 0.02


@pytest.mark.parametrize("name", VOCABULARIES)
def test_the_judge_finds_what_a_vocabularys_own_shots_show(name: str) -> None:
    vocabulary, right, asked = VOCABULARIES[name], 0, ("colour", "background", "count", "motion", "camera")
    for seed in range(24):
        shot = sample_shot(seed, vocabulary=vocabulary)
        verdict = judge(render([shot], size=96, frames=8).frames[0], shot.background, 8, vocabulary)
        right += sum(getattr(verdict, k) == getattr(shot, k) for k in asked)
    assert right >= 0.96 * 24 * len(asked)


@pytest.mark.parametrize(
    ("subject", "colour", "background", "count"),
    [
        ("star", "white", "checkered floor", 1),  # white checks hide all of it but its outline
        ("tree", "white", "checkered floor", 2),
        ("arrow", "cyan", "forest", 2),  # a dark outline is lost: head and shaft fall apart
        ("arrow", "blue", "night sky", 2),
        ("house", "cyan", "forest", 1),
    ],
)
def test_a_subject_is_known_by_what_its_ground_leaves_to_be_seen(
    subject: str, colour: str, background: str, count: int
) -> None:
    shot = Shot(subject=subject, colour=colour, background=background, count=count, size=0.2 / count**0.4)
    seen = judge(render([shot], size=64, frames=8).frames[0], background, 8)
    assert (seen.subject, seen.colour, seen.count) == (subject, colour, count)


@pytest.mark.parametrize("background", ["forest", "night sky"])
@pytest.mark.parametrize(("count", "size"), [(1, 0.17), (3, 0.158)])
def test_figures_are_counted_where_their_outline_is_lost(background: str, count: int, size: float) -> None:
    shot = Shot(subject="figure", colour="cyan", background=background, count=count, size=size)
    assert judge(render([shot], size=64, frames=8).frames[0], background, 8).count == count


def test_in_the_whole_world_at_the_starters_size_the_judge_is_hardly_ever_wrong() -> None:
    shots = [sample_shot(seed) for seed in range(80)]
    drawn = render(shots, size=64, frames=8).frames
    seen = [judge(frames, shot.background, 8) for frames, shot in zip(drawn, shots, strict=True)]
    for asked in ("colour", "subject", "count"):
        wrong = sum(getattr(v, asked) != getattr(s, asked) for v, s in zip(seen, shots, strict=True))
        assert wrong <= 1, asked


def test_a_single_frame_keeps_still() -> None:
    frame = render([replace(RED_BALL, x=0.3)], size=64, frames=1).frames[0]
    assert judge(frame, RED_BALL.background, 8).motion == "still"


def bent(frames: torch.Tensor, pixels: float, seed: int) -> torch.Tensor:
    """Frames (F, 3, H, W), each bent smoothly another way by some pixels."""
    noise = torch.randn(len(frames), 2, 5, 5, generator=torch.Generator().manual_seed(seed))
    size = frames.shape[-1]
    ways = nn_f.interpolate(noise, size=size, mode="bicubic").permute(0, 2, 3, 1) * pixels * 2 / size
    grid = nn_f.affine_grid(torch.eye(2, 3).expand(len(frames), -1, -1), frames.shape, align_corners=False)
    return nn_f.grid_sample(frames, grid + ways, padding_mode="border", align_corners=False)


def test_what_turns_spins_at_any_speed_and_a_ragged_outline_does_not() -> None:
    box = Shot(subject="box", colour="red", background="brick wall")
    seen = [replace(box, subject=subject) for subject in SUBJECTS if subject not in ROUND]
    for speed in ("", "slowly", "fast"):
        drawn = render([replace(s, motion="spin", speed=speed) for s in seen], size=64, frames=8).frames
        spins = [judge(frames, box.background, 8).motion == "spin" for frames in drawn]
        assert sum(spins) >= len(seen) - 1, speed  # the middle of a moon goes round
    still = render([replace(box, subject=subject) for subject in SUBJECTS], size=64, frames=8).frames
    for seed, frames in enumerate(still):
        assert judge(bent(frames, 3.0, seed), box.background, 8).motion != "spin", SUBJECTS[seed]


@pytest.mark.parametrize(
    ("subject", "background", "count", "camera", "motion"),
    [
        ("heart", "green field", 2, "pan left", "still"),
        ("ball", "night sky", 2, "pan right", "still"),
        ("tree", "brick wall", 3, "pan left", "left"),
        ("box", "brick wall", 3, "pan right", "toward"),
    ],
)
def test_subjects_that_a_camera_takes_out_of_sight_move_as_those_that_stay(
    subject: str, background: str, count: int, camera: str, motion: str
) -> None:
    shot = Shot(
        subject=subject, colour="orange", background=background, count=count, camera=camera, motion=motion,
        size={2: 0.18, 3: 0.158}[count], x=0.45,
    )  # fmt: skip
    assert judge(render([shot], size=64, frames=8).frames[0], background, 8).motion == motion
