import resource
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from backend.api.protocol import Clip
from backend.errors import UserError
from backend.media import clips

from .movies import FILM, TV, make_movie, make_sound, numbered, numbers, read

CONTAINERS = {
    "b-frames.mp4": {"g": "12", "bf": "3"},
    "one-gop.mp4": {"g": "250", "bf": "8"},
    "open-gop.mp4": {"g": "12", "bf": "3", "x264-params": "open-gop=1"},
    "no-key-frames.mp4": {"x264-params": "intra-refresh=1"},
    "film.mkv": {"rate": FILM, "g": "12"},
    "tv.mp4": {"rate": TV, "g": "12"},
    "web.webm": {"codec": "libvpx-vp9", "g": "12"},
    "wrong-timestamps.avi": {"g": "12", "bf": "2"},
    "old.avi": {"codec": "mpeg4", "g": "12", "bf": "2"},
    "guessed-timestamps.mpg": {"codec": "mpeg2video", "g": "12", "bf": "2", "rate": Fraction(25)},
    "broadcast.ts": {"g": "12", "bf": "2"},
    "edit.mov": {"codec": "prores_ks", "pix_fmt": "yuv422p10le"},
    "lossless.mkv": {"codec": "ffv1"},
    "loop.gif": {"codec": "gif", "pix_fmt": "rgb8", "rate": Fraction(25)},
}


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_trimmed_range_is_exact_in_any_container(name: str, tmp_path: Path) -> None:
    options = CONTAINERS[name]
    rate = options.get("rate", Fraction(24))
    movie = make_movie(tmp_path / name, **options)
    facts = clips.probe(movie)
    assert (facts.width, facts.height, facts.frames) == (128, 96, 48)
    assert facts.rate == rate
    assert facts.seconds == pytest.approx(48 / rate, abs=0.01)
    assert numbers(read(movie, fps=rate)) == [0, 1, 2, 3, 4, 5]
    assert numbers(read(movie, fps=rate, first_frame=29, frame_count=6)) == [29, 30, 31, 32, 33, 34]
    assert numbers(read(movie, frames=4, fps=rate / 3, first_frame=31)) == [31, 34, 37, 40]
    assert numbers(read(movie, frames=3, fps=rate, first_frame=45)) == [45, 46, 47]


def test_a_reversed_clip_starts_at_its_last_frame(tmp_path: Path) -> None:
    movie = make_movie(tmp_path / "a.mp4", g="12")
    picked = read(movie, first_frame=20, frame_count=9, frames=3, fps=Fraction(8), reverse=True)
    assert numbers(picked) == [28, 25, 22]


def test_a_short_range_spreads_its_frames_evenly(tmp_path: Path) -> None:
    movie = make_movie(tmp_path / "a.mp4")
    assert numbers(read(movie, first_frame=10, frame_count=15, frames=8, fps=Fraction(8))) == list(
        range(10, 25, 2)
    )
    assert numbers(read(movie, first_frame=10, frame_count=2, frames=4, fps=Fraction(8))) == [10, 10, 11, 11]


def test_a_range_just_long_enough_keeps_its_tempo(tmp_path: Path) -> None:
    movie = make_movie(tmp_path / "a.mp4")
    assert numbers(read(movie, frame_count=22, frames=8, fps=Fraction(8))) == list(range(0, 22, 3))


def test_a_range_past_the_end_stops_at_the_end(tmp_path: Path) -> None:
    movie = make_movie(tmp_path / "a.mp4", count=12)
    assert numbers(read(movie, first_frame=8, frame_count=500, frames=4)) == [8, 9, 10, 11]


def test_a_variable_rate_is_sampled_by_time_and_trimmed_by_frame(tmp_path: Path) -> None:
    ticks = [0, 40, 80, 120, 500, 540, 1000, 1040, 1080, 1500, 1540, 2000]
    movie = make_movie(tmp_path / "phone.mkv", count=len(ticks), ticks=ticks, g="4")
    assert clips.probe(movie).frames == len(ticks)
    assert numbers(read(movie, frames=5, fps=Fraction(2))) == [0, 4, 6, 9, 11]
    assert numbers(read(movie, first_frame=4, frame_count=4, frames=2, fps=Fraction(2))) == [4, 6]


@pytest.mark.parametrize(("degrees", "corner"), [(0, 0), (90, 3), (180, 2), (270, 1), (-90, 1)])
def test_a_movie_is_turned_as_its_file_says(degrees: int, corner: int, tmp_path: Path) -> None:
    movie = make_movie(tmp_path / "phone.mp4", count=4, rotation=degrees)
    facts = clips.probe(movie)
    picture = read(movie, frames=2)[0]
    assert (
        picture.shape[:2] == (facts.height, facts.width) == ((96, 128) if degrees % 180 == 0 else (128, 96))
    )
    corners = [picture[4, 4], picture[4, -4], picture[-4, -4], picture[-4, 4]]  # clockwise
    reds = [int(c[0]) - int(c[1]) > 200 for c in corners]
    assert reds.index(True) == corner
    assert sum(reds) == 1


@pytest.mark.parametrize("size", [(64, 64), (32, 96), (300, 200)])
def test_pictures_cover_the_size_and_are_cropped_at_the_centre(size: tuple[int, int], tmp_path: Path) -> None:
    movie = make_movie(tmp_path / "a.mp4", count=4)
    got = clips.read(Clip(path=str(movie)), frames=3, fps=Fraction(24), size=size)
    assert got.shape == (3, size[1], size[0], 3)
    assert got.flags.c_contiguous
    whole = read(movie, frames=3)[0]
    scale = max(size[0] / 128, size[1] / 96)
    x, y = round(128 * (1 - size[0] / 128 / scale) / 2), round(96 * (1 - size[1] / 96 / scale) / 2)
    expected = cv2.resize(whole[y : 96 - y, x : 128 - x], size, interpolation=cv2.INTER_AREA)
    assert np.abs(got[0].astype(int) - expected).mean() < 6


def test_a_movie_cut_off_in_the_middle_gives_the_frames_before_the_cut(tmp_path: Path) -> None:
    whole = make_movie(tmp_path / "whole.mkv", g="12")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    facts = clips.probe(cut)
    assert 8 < facts.frames < 40
    assert numbers(read(cut, frames=6)) == [0, 1, 2, 3, 4, 5]
    spread = numbers(read(cut, frames=3, fps=Fraction(1)))
    assert spread[0] == 0
    assert abs(spread[-1] - (facts.frames - 1)) <= 2


def test_a_movie_with_unreadable_pictures_at_its_end_uses_what_decodes(tmp_path: Path) -> None:
    movie = make_movie(tmp_path / "damaged.mkv", codec="ffv1", count=20)
    data = bytearray(movie.read_bytes())
    data[len(data) // 2 : -600] = bytes(len(data) - 600 - len(data) // 2)
    movie.write_bytes(data)
    assert numbers(read(movie, frames=4)) == [0, 1, 2, 3]


def test_a_large_movie_is_never_held_in_memory_whole(tmp_path: Path) -> None:
    movie = make_movie(tmp_path / "uhd.mp4", count=60, size=(1920, 1080), preset="ultrafast", g="30")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    got = clips.read(Clip(path=str(movie)), frames=60, fps=Fraction(24), size=(64, 64))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert len(got) == 60
    assert grown < 160  # MiB; sixty decoded frames would be 373


def bad_files(folder: Path) -> dict[str, str]:
    """name → a part of the complaint that a person should get."""
    make_sound(folder / "song.mp4")
    (folder / "empty.mp4").touch()
    (folder / "notes.txt").write_text("no movie\n" * 40)
    (folder / "notes.mp4").write_text("no movie\n" * 40)
    (folder / "folder.mp4").mkdir()
    (folder / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")
    whole = make_movie(folder / "whole.mp4", count=8).read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: whole.index(b"moov") - 40])
    cv2.imwrite(str(folder / "still.png"), numbered(1))
    cv2.imwrite(str(folder / "still.jpg"), numbered(1))
    return {
        "gone.mp4": "missing",
        "empty.mp4": "empty",
        "song.mp4": "only sound",
        "notes.txt": "not a movie",
        "notes.mp4": "not a movie",
        "list.m3u8": "not a movie",
        "folder.mp4": "folder",
        "cut.mp4": "incomplete",
        "still.png": "one frame",
        "still.jpg": "one frame",
    }


def test_what_is_no_movie_is_refused_in_one_sentence_with_the_files_name(tmp_path: Path) -> None:
    for name, part in bad_files(tmp_path).items():
        for attempt in (clips.probe, read):
            with pytest.raises(UserError) as refused:
                attempt(tmp_path / name)
            assert part in refused.value.message
            assert name in refused.value.message
            assert refused.value.message.endswith(".")
            assert refused.value.hint.endswith(".")


@pytest.mark.parametrize(
    ("clip", "part"),
    [({"first_frame": 7}, "One frame"), ({"frame_count": 1}, "One frame"), ({"first_frame": 99}, "No frame")],
)
def test_fewer_than_two_frames_are_refused(clip: dict[str, int], part: str, tmp_path: Path) -> None:
    movie = make_movie(tmp_path / "a.mp4", count=8)
    with pytest.raises(UserError, match=part):
        read(movie, **clip)


def test_a_movie_of_one_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="only one frame"):
        read(make_movie(tmp_path / "a.mp4", count=1))
