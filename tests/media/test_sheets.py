from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.media.sheets import GROUND, HEIGHT, contact_sheet


def colours(count: int, height: int = 64, width: int = 64) -> np.ndarray:
    """Frames of one colour each, whose red says their number."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[..., 0] = np.linspace(40, 250, count).round().astype(np.uint8)[:, None, None]
    return frames


def sheet_of(rows: list[tuple[str, np.ndarray]], folder: Path) -> np.ndarray:
    contact_sheet(rows, folder / "sheet.png")
    return cv2.imread(str(folder / "sheet.png"))[..., ::-1]


def test_a_row_shows_evenly_spaced_frames_from_first_to_last_at_a_readable_size(tmp_path: Path) -> None:
    frames = colours(22)
    sheet = sheet_of([("a red ball", frames)], tmp_path)
    line = sheet[-HEIGHT // 2, :, 0].astype(int)
    shown = [int(v) for v in dict.fromkeys(line.tolist()) if v != GROUND[0]]
    assert shown == [int(frames[i, 0, 0, 0]) for i in (0, 3, 6, 9, 12, 15, 18, 21)]
    assert sheet.shape[0] >= HEIGHT


def test_small_frames_are_enlarged_without_mixing_their_pixels(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).choice(np.array([0, 255], np.uint8), (2, 32, 32, 3))
    sheet = sheet_of([("", frames)], tmp_path)
    pixels = {tuple(p) for p in sheet[-120:].reshape(-1, 3)}
    assert pixels <= {tuple(p) for p in frames.reshape(-1, 3)} | {GROUND}


def test_clips_of_different_sizes_and_lengths_share_a_sheet(tmp_path: Path) -> None:
    rows = [("small", colours(3, 32, 48)), ("large", colours(20, 480, 854)), ("one frame", colours(1))]
    sheet = sheet_of(rows, tmp_path)
    assert sheet.shape[1] == 8 * (round(854 * HEIGHT / 480) + 4)


def test_a_label_is_drawn_and_a_long_one_is_wrapped_instead_of_cut(tmp_path: Path) -> None:
    plain = sheet_of([("", colours(2))], tmp_path)
    short = sheet_of([("a ball", colours(2))], tmp_path)
    long = sheet_of([("a ball " * 30 + "\nfidelity 0.93", colours(2))], tmp_path)
    assert (short[:24] > 200).any()
    assert not (plain[:24] > 200).any()
    assert len(long) > len(short) + 100
    assert (long[:, -3:][: len(long) - 200] == GROUND).all()  # nothing runs out at the right


def test_an_empty_sheet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        contact_sheet([], tmp_path / "sheet.png")
