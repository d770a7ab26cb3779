"""How words of the command line become parts of a request."""

from dataclasses import replace
from pathlib import Path

import pytest

from backend.api import bases
from backend.api.protocol import Clip, Finish, Generate, Learn, Rate, Sampling
from backend.api.sense import check_sense, taken
from backend.api.settings import CustomizeAVideo
from backend.bench.rows import ROWS
from backend.cli import options
from backend.errors import UserError


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    assert options.base("model") == str(tmp_path / "model")
    assert options.method("customize-a-video", ["given=looks"]).given == str(tmp_path / "looks")
    assert options.clips([Path("a.mp4")], [], 0, None, False)[0].path == str(tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["starter", "damo-vilab/text-to-video-ms-1.7b"])
def test_the_name_of_a_base_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "starter").mkdir()
    assert options.base(name) == name


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        (None, None),
        ("24", Rate(num=24)),
        ("24000/1001", Rate(num=24000, den=1001)),
        ("23.976", Rate(num=2997, den=125)),
    ],
)
def test_a_rate_is_exact(text: str | None, rate: Rate | None) -> None:
    assert options.rate(text) == rate


@pytest.mark.parametrize("text", ["fast", "24/0", "", "nan", "inf", "0", "-24", "1e99"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="Write 24"):
        options.rate(text)


def test_a_size_is_width_and_height() -> None:
    assert options.sampling("576x320", None, steps=9) == Sampling(width=576, height=320, steps=9)
    with pytest.raises(UserError, match="WIDTHxHEIGHT"):
        options.size("576")


def test_looks_are_one_for_all_clips_or_one_for_each() -> None:
    paths = [Path("/a.mp4"), Path("/b.mp4")]
    looks = [options.clips(paths, words, 0, None, False) for words in ([], ["x"], ["x", "y"])]
    assert [[c.looks for c in clips] for clips in looks] == [["", ""], ["x", "x"], ["x", "y"]]
    with pytest.raises(UserError, match="once for each clip"):
        options.clips(paths, ["x", "y", "z"], 0, None, False)


def test_the_trimmed_range_is_that_of_every_clip() -> None:
    for clip in options.clips([Path("/a.mp4"), Path("/b.mp4")], [], 12, 48, True):
        assert (clip.first_frame, clip.frame_count, clip.reverse) == (12, 48, True)


def test_settings_of_a_method_are_read_by_their_types() -> None:
    settings = ["rank=8", "learning-rate=1e-3", "absorber=none", "layers=attention+ff", "crop_low=0.5"]
    assert options.method("customize-a-video", settings) == CustomizeAVideo(
        rank=8, learning_rate=1e-3, absorber="none", layers="attention+ff", crop_low=0.5
    )


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("rank", "not a setting"),
        ("token=1", "not a setting"),
        ("rank=4.5", "rank: expected int or null, got 4.5"),
        ("alpha=NaN", "alpha: expected float or null, got nan"),
        ("layers=all", r"layers: expected .*'attention'"),
    ],
)
def test_a_setting_that_is_not_one_is_refused(setting: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        options.method("customize-a-video", [setting])


def test_a_finish_is_read_by_its_types_and_its_base_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "large").mkdir()
    assert options.finish([]) == Finish()
    asked = ["enlarge=2x", "between=repeat", "base=large", "strength=0.4"]
    base = str(tmp_path / "large")
    assert options.finish(asked) == Finish(enlarge="2x", between="repeat", base=base, strength=0.4)
    with pytest.raises(UserError, match="enlarge: expected '1x' or '2x' or '4x', got '3x'"):
        options.finish(["enlarge=3x"])
    with pytest.raises(UserError, match="not a setting of --finish"):
        options.finish(["size=2"])


def test_the_same_request_gets_the_same_job_and_another_another(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"a take")
    request = Learn(job="", clips=options.clips([clip], [], 0, None, False), motion="m", out="/o")
    named = options.named(request)
    assert options.named(request) == named
    assert named == replace(request, job=named.job)
    assert options.named(replace(request, seed=1)).job != named.job
    assert options.named(Generate(job="", prompt="p", out="/o")).job.startswith("generate-")
    clip.write_bytes(b"another take")
    assert options.named(request).job != named.job


@pytest.mark.parametrize("changed", ["ball.png", "walk.mp4", "looks.safetensors", "base/unet/weights.bin"])
def test_another_file_of_whatever_is_learned_from_makes_another_job(tmp_path: Path, changed: str) -> None:
    (tmp_path / "base" / "unet").mkdir(parents=True)
    for name in ("ball.png", "walk.mp4", "looks.safetensors", "base/unet/weights.bin"):
        (tmp_path / name).write_bytes(b"one")
    request = Learn(
        job="",
        clips=(),
        stills=(Clip(path=str(tmp_path / "ball.png")),),
        regular=(Clip(path=str(tmp_path / "walk.mp4")),),
        motion="m",
        out="/o",
        base=str(tmp_path / "base"),
        method=CustomizeAVideo(absorber="given", given=str(tmp_path / "looks.safetensors")),
    )
    named = options.named(request)
    assert options.named(request) == named
    (tmp_path / changed).write_bytes(b"another")
    assert options.named(request).job != named.job


def test_another_version_of_the_starter_makes_another_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [Learn(job="", clips=(), motion="m", out="/o", base=base) for base in ("starter", "a/b")]
    before = [options.named(request) for request in requests]
    assert [options.named(request) for request in requests] == before
    (tmp_path / "restage.json").write_text('{"version": 99}')
    monkeypatch.setattr(bases, "STARTER", tmp_path)
    jobs = {before[0].job}
    for part, weights in (
        ("unet/w.safetensors", b"one"),
        ("unet/w.safetensors", b"two"),
        ("tokenizer/t.json", b""),
    ):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        (tmp_path / part).write_bytes(weights)
        starter, other = (options.named(request) for request in requests)
        jobs.add(starter.job)
        assert other == before[1]
    assert len(jobs) == 4


def test_a_base_that_is_fetched_while_learning_makes_no_other_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    request = Learn(job="", clips=(), motion="m", out="/o", base="somebody/base")
    named = options.named(request)
    (tmp_path / "somebody" / "base").mkdir(parents=True)
    (tmp_path / "somebody" / "base" / "model_index.json").write_text("{}")
    assert options.named(request) == named


def test_pictures_among_the_clips_are_stills(tmp_path: Path) -> None:
    found, stills = options.material(
        [tmp_path / "a.mp4", tmp_path / "b.PNG"], ["ball", "dog"], first=0, frames=None, reverse=False
    )
    assert [c.looks for c in found] == ["ball"]
    assert [(Path(c.path).name, c.looks) for c in stills] == [("b.PNG", "dog")]


def test_a_clip_not_to_be_forgotten_has_its_caption_after_an_equals_sign() -> None:
    (clip,) = options.regular(["/m/walk.mp4=a man = walking"])
    assert (clip.path, clip.looks) == (options.absolute("/m/walk.mp4"), "a man = walking")
    with pytest.raises(UserError, match="FILE=WORDS"):
        options.regular(["/m/walk.mp4"])


@pytest.mark.parametrize("name", ["customize-a-video", "vmc", "motion-director", "motion-token"])
def test_every_method_has_its_name_on_the_command_line(name: str) -> None:
    assert type(options.method(name, ["rank=3"])).__name__.lower() == name.replace("-", "")


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.method])
def test_every_row_of_the_table_can_be_asked_for(name: str) -> None:
    wanted = ROWS[name].method
    plain = type(wanted)()
    words = {name for name, kind in options.METHODS.items() if isinstance(wanted, kind)}
    settings = [f"{key}={value}" for key, value in vars(wanted).items() if value != getattr(plain, key)]
    assert options.method(*words, settings) == wanted
    check_sense(wanted)
    assert ("clips" in taken(wanted)) >= (ROWS[name].clips > 1)
    assert ("regular" in taken(wanted)) >= (ROWS[name].regular > 0)
