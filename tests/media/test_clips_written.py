"""Clips written and resampled."""

import resource
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from backend.errors import UserError
from backend.media import clips

from .movies import FILM, TV, make_movie, moving, read


@pytest.mark.parametrize(
    "rate", [FILM, TV, Fraction(24), Fraction(25), Fraction(8), Fraction(60), Fraction(15, 2)]
)
def test_a_written_movie_has_exactly_the_rate_asked_for(rate: Fraction, tmp_path: Path) -> None:
    clips.write(tmp_path / "a.mp4", moving(7), rate, {})
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == rate
        assert stream.frames == 7
        assert [f.pts * stream.time_base for f in container.decode(stream)] == [i / rate for i in range(7)]


def test_every_written_frame_is_a_key_frame_tagged_as_bt709(tmp_path: Path) -> None:
    clips.write(tmp_path / "a.mp4", moving(5), Fraction(24), {})
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert all(p.is_keyframe for p in container.demux(video=0) if p.size)
    with av.open(str(tmp_path / "a.mp4")) as container:
        coder = container.streams.video[0].codec_context
        tags = (coder.colorspace, coder.color_primaries, coder.color_trc, coder.color_range)
        assert tags == (1, 1, 1, 1)
        assert coder.pix_fmt == "yuv420p"
    assert b"nclx" in (tmp_path / "a.mp4").read_bytes()  # the container says so too


def test_a_colour_chart_comes_back_within_three_of_255(tmp_path: Path) -> None:
    primary = [(r, g, b) for r in (0, 255) for g in (0, 255) for b in (0, 255)]
    mixed = [(128, 128, 128), (200, 120, 90), (60, 90, 200), (30, 30, 30)]
    colours = np.array([*primary, *mixed], np.uint8)
    chart = np.repeat(np.repeat(colours.reshape(3, 4, 3), 16, 0), 16, 1)
    clips.write(tmp_path / "chart.mp4", np.stack([chart] * 3), Fraction(24), {})
    for picture in read(tmp_path / "chart.mp4", frames=3):
        centres = picture[8::16, 8::16].reshape(12, 3).astype(int)
        assert np.abs(centres - colours).max() <= 3
    with av.open(str(tmp_path / "chart.mp4")) as container:  # the stored values are BT.709's, not BT.601's
        luma = next(container.decode(video=0)).to_ndarray(format="yuv420p")[24, 8]
    assert abs(int(luma) - (16 + 219 * 0.2126)) <= 1  # of red


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (63, 47), (65, 64)])
def test_small_and_odd_sizes_are_written_with_the_edge_repeated(
    size: tuple[int, int], tmp_path: Path
) -> None:
    frames = moving(4, height=size[1], width=size[0])
    clips.write(tmp_path / "a.mp4", frames, Fraction(24), {})
    got = read(tmp_path / "a.mp4", frames=4)
    assert got.shape[1:3] == (size[1] + size[1] % 2, size[0] + size[0] % 2)
    assert np.abs(got[:, : size[1], : size[0]].astype(int) - frames).mean() < 5
    assert np.abs(got[:, -1].astype(int) - got[:, size[1] - 1]).mean() < 5


@pytest.mark.parametrize("value", ['a "quoted" = ; # \\ line\nbreak', "naïve 動き 🎬", "x" * 200_000, ""])
def test_metadata_survives_in_the_movie_and_beside_it(value: str, tmp_path: Path) -> None:
    movie, metadata = tmp_path / "a.mp4", {"prompt": value, "seed": 7, "motions": [{"strength": 0.5}]}
    clips.write(movie, moving(2), Fraction(24), metadata)
    assert clips.read_metadata(movie) == metadata
    beside = clips.sidecar(movie).rename(tmp_path / "kept.json")
    assert clips.read_metadata(movie) == metadata  # from inside
    beside.rename(clips.sidecar(movie))
    make_movie(movie, count=4)  # an editor muxed sound into it and dropped the metadata
    assert clips.read_metadata(movie) == metadata  # from beside


def test_a_movie_without_metadata_has_none(tmp_path: Path) -> None:
    movie = make_movie(tmp_path / "a.mp4", count=4)
    assert clips.read_metadata(movie) is None
    clips.sidecar(movie).write_text("somebody else's notes")
    assert clips.read_metadata(movie) is None


class FailsAtTheThird(np.ndarray):
    """Frames whose third cannot be produced, as when memory runs out while encoding."""

    def __iter__(self):
        yield self[0]
        yield self[1]
        raise MemoryError


def test_a_failing_encoder_leaves_no_file_and_the_old_movie_as_it_was(tmp_path: Path) -> None:
    movie = tmp_path / "a.mp4"
    with pytest.raises(MemoryError):
        clips.write(movie, moving().view(FailsAtTheThird), Fraction(24), {})
    assert list(tmp_path.iterdir()) == []
    clips.write(movie, moving(), Fraction(24), {"take": 1})
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(MemoryError):
        clips.write(movie, moving().view(FailsAtTheThird), Fraction(24), {"take": 2})
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_full_disk_is_told_in_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))  # the sidecar fits, the movie does not
    try:
        with pytest.raises(UserError, match=r"full\.mp4 could not be written") as refused:
            clips.write(tmp_path / "full.mp4", noise, Fraction(24), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "room" in refused.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"a\.mp4 could not be written"):
        clips.write(tmp_path / "file" / "a.mp4", moving(), Fraction(24), {})
    (tmp_path / "taken.mp4").mkdir()
    with pytest.raises(UserError, match=r"taken\.mp4 could not be written"):
        clips.write(tmp_path / "taken.mp4", moving(), Fraction(24), {})
    assert [p.name for p in (tmp_path / "taken.mp4").iterdir()] == []


# ------------------------------------------------------------------ another rate


@pytest.mark.parametrize(
    ("source", "target", "length", "expected"),
    [
        (8, 8, None, [0, 1, 2, 3]),
        (8, 24, None, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
        (8, 4, None, [0, 2]),
        (8, 20, None, [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]),
        (8, FILM, None, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
        (8, 24, 2, [0, 2]),
        (8, 24, 6, [0, 0, 1, 2, 2, 3]),
        (100, 1, None, [0]),
    ],
)
def test_resampling_keeps_the_tempo_or_the_length(
    source: int, target: Fraction, length: int | None, expected: list[int]
) -> None:
    frames = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    got = clips.resample(frames, Fraction(source), Fraction(target), length)
    assert got.ravel().tolist() == expected
