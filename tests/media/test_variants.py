"""Versions of a clip, and stills."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.errors import UserError
from backend.media.stills import is_still, read_still
from backend.media.variants import varied


def clip() -> np.ndarray:
    """(3, 20, 20, 3): a red square on grey that goes right."""
    frames = np.full((3, 20, 20, 3), 120, np.uint8)
    for i, frame in enumerate(frames):
        frame[6:14, 2 + 4 * i : 10 + 4 * i] = (220, 40, 30)
    return frames


def centre(frame: np.ndarray) -> float:
    """Where across the frame the square is: it stays the reddest, whatever the change of colour."""
    red = frame[..., 0].astype(int) - frame[..., 1]
    return float(np.argwhere(red > red.max() / 2)[:, 1].mean())


def test_the_first_version_is_the_clip_and_the_others_are_framed_and_coloured_otherwise():
    versions = varied(clip(), 4, (20, 20), seed=1)
    assert np.array_equal(versions[0], clip())
    assert [v.shape for v in versions] == [(3, 20, 20, 3)] * 4
    assert all(not np.array_equal(a, b) for i, a in enumerate(versions) for b in versions[:i])
    assert all(
        np.array_equal(a, b) for a, b in zip(versions, varied(clip(), 4, (20, 20), seed=1), strict=True)
    )


@pytest.mark.parametrize("seed", range(4))
def test_every_version_still_goes_the_same_way(seed):
    for version in varied(clip(), 5, (20, 20), seed):
        places = [centre(frame) for frame in version]
        assert places[0] < places[1] < places[2]


def test_all_frames_of_a_version_change_alike():
    still = np.repeat(clip()[:1], 3, axis=0)
    for version in varied(still, 4, (20, 20), seed=0):
        assert all(np.array_equal(version[0], frame) for frame in version)


def test_a_still_is_one_frame_cropped_at_the_centre(tmp_path: Path):
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    Image.fromarray(wide).save(tmp_path / "a.png")
    frames = read_still(tmp_path / "a.png", (8, 8))
    assert frames.shape == (1, 8, 8, 3)
    assert frames.min() > 190


def test_a_still_that_lies_on_its_side_is_turned_upright(tmp_path: Path):
    picture = Image.fromarray(np.zeros((10, 30, 3), np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.putpixel((0, 0), (255, 255, 255))
    picture.save(tmp_path / "a.png", exif=exif)
    assert read_still(tmp_path / "a.png", (10, 30))[0, 0, -1].min() > 100


def test_what_is_no_picture_is_said_in_a_sentence(tmp_path: Path):
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(UserError, match=r"a\.png cannot be read"):
        read_still(tmp_path / "a.png", (8, 8))
    assert is_still("x/A.JPG")
    assert not is_still("x/a.mp4")
