"""How words of the command line say what acts on a clip, and how strongly."""

from pathlib import Path

import pytest

from backend.api.presets import Preset, write_preset
from backend.api.protocol import Key, Looks, Motion
from backend.cli import acting, options
from backend.errors import UserError


@pytest.mark.parametrize(
    ("text", "path", "strength"),
    [
        ("/m/dance", "/m/dance", 1.0),
        ("/m/dance:0.5", "/m/dance", 0.5),
        ("/m/dance:-1", "/m/dance", -1.0),
        ("/m/take:2:0.5", "/m/take:2", 0.5),
        ("/m/take:two", "/m/take:two", 1.0),
        ("/C:\\motions\\dance", "/C:\\motions\\dance", 1.0),
        ("/C:\\motions\\dance:0.5", "/C:\\motions\\dance", 0.5),
    ],
)
def test_the_strength_is_the_number_after_the_last_colon(text: str, path: str, strength: float) -> None:
    assert acting.motion_of(text, Path("/library")) == Motion(path=options.absolute(path), strength=strength)


@pytest.mark.parametrize(
    ("text", "path", "keys"),
    [
        ("/m/dance:0@0,1@0.5", "/m/dance", [(0, 0), (1, 0.5)]),
        ("/m/dance:-1@1", "/m/dance", [(-1, 1)]),
        ("/m/take:2:0@0.5,1@0.5", "/m/take:2", [(0, 0.5), (1, 0.5)]),
        ("/m/dance:1@", "/m/dance:1@", []),
        ("/m/me@home:dance", "/m/me@home:dance", []),
        ("/m/dance:0,1@0.5", "/m/dance:0,1@0.5", []),
    ],
)
def test_a_strength_that_changes_is_written_as_strengths_at_moments(
    text: str, path: str, keys: list[tuple[float, float]]
) -> None:
    curve = tuple(Key(strength=value, at=at) for value, at in keys)
    assert acting.motion_of(text, Path("/library")) == Motion(path=options.absolute(path), curve=curve)


def test_looks_are_a_file_with_strengths_like_a_motions() -> None:
    assert acting.looks_of("/l/oil.safetensors") == Looks(path=options.absolute("/l/oil.safetensors"))
    assert acting.looks_of("/l/oil.safetensors:0.5").strength == 0.5
    keys = (Key(at=0.0, strength=1.0), Key(at=1.0, strength=0.0))
    assert acting.looks_of("/l/oil.safetensors:1@0,0@1").curve == keys


def test_a_motion_of_the_library_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = tmp_path / "library" / "presets" / "dance"
    kept.mkdir(parents=True)
    assert acting.motion_of("dance:0.5", tmp_path / "library") == Motion(path=str(kept), strength=0.5)
    (tmp_path / "dance").mkdir()
    assert acting.motion_of("dance", tmp_path / "library").path == str(tmp_path / "dance")


def test_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert acting.motion_of("m", Path("library")).path == str(tmp_path / "m")
    assert acting.looks_of("l.safetensors").path == str(tmp_path / "l.safetensors")


def test_a_checkpoint_is_named_after_a_number_sign(tmp_path: Path) -> None:
    kept = tmp_path / "presets" / "dance"
    kept.mkdir(parents=True)
    assert acting.motion_of("dance#150:0.5", tmp_path) == Motion(path=str(kept), strength=0.5, step=150)
    for mistyped in ("dance#" + 5000 * "1", "dance#15O", "dance#", "dance# 150", "dance#-150"):
        assert acting.motion_of(mistyped, tmp_path).path == options.absolute(mistyped)  # where there is none
    kept.with_name("dance#2").mkdir()  # a folder of that name is what was meant
    assert acting.motion_of("dance#2", tmp_path) == Motion(path=str(kept.with_name("dance#2")))


def test_looks_that_were_learned_are_named_among_loras(tmp_path: Path) -> None:
    kept = tmp_path / "presets" / "circle-looks"
    write_preset(kept, Preset(title="Looks", motion="", kind="style"))
    said = acting.acting([], [], [], ["/l/oil.safetensors", "circle-looks:0.5"], tmp_path)
    assert said["motions"] == (Motion(path=str(kept), strength=0.5),)
    assert said["looks"] == (Looks(path=options.absolute("/l/oil.safetensors")),)
    write_preset(tmp_path / "presets" / "circle", Preset(title="Circle", motion="circling"))
    with pytest.raises(UserError, match="'Circle' is a motion and holds no looks"):
        acting.acting([], [], [], ["circle"], tmp_path)


def test_a_motion_may_be_given_to_the_camera_or_to_a_subject(tmp_path: Path) -> None:
    said = acting.acting(["/m/dance:0.5"], ["/m/orbit:2"], ["/m/jump"], ["/l/oil.safetensors"], tmp_path)
    assert said["motions"] == (
        Motion(path=options.absolute("/m/dance"), strength=0.5),
        Motion(path=options.absolute("/m/orbit"), strength=2.0, kind="camera"),
        Motion(path=options.absolute("/m/jump"), kind="subject"),
    )
    assert said["looks"] == (Looks(path=options.absolute("/l/oil.safetensors")),)
