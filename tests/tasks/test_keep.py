"""What a preset says of the motion that was learned."""

from fractions import Fraction
from types import SimpleNamespace

import pytest

from backend.api.protocol import Clip
from backend.families.profile import Profile
from backend.media import clips
from backend.starter.world import Shot, render
from backend.tasks.keep import moved_by


@pytest.mark.parametrize(
    ("moves", "kind"),
    [
        ({"camera": "pan left"}, "camera"),
        ({"camera": "zoom in"}, "camera"),
        ({"camera": "roll"}, "camera"),
        ({"motion": "circle"}, "subject"),
        ({"motion": "circle", "camera": "pan left"}, "subject"),
        ({}, "subject"),
    ],
    ids=str,
)
def test_a_motion_is_the_cameras_where_nothing_else_moves(moves, kind, tmp_path):
    shot = Shot(subject="heart", colour="purple", background="checkered floor", **moves)
    (pictures,) = render([shot], size=64, frames=8, fps=8).frames
    path = tmp_path / "shot.mp4"
    clips.write(path, (pictures.movedim(1, -1) * 255).round().byte().numpy(), Fraction(8), {})
    base = SimpleNamespace(profile=Profile(name="small", frames=8, width=64, height=64))
    assert moved_by(Clip(path=str(path)), base) == kind
