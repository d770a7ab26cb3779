"""Motions on disk: what is written is read, and what is damaged is said in a sentence."""

import json
from dataclasses import replace
from typing import get_args

import pytest

from backend.api.presets import (
    FILE,
    BaseWeights,
    Preset,
    list_presets,
    read_preset,
    replace_folder,
    write_preset,
)
from backend.api.settings import CustomizeAVideo, Method, resolved
from backend.errors import UserError

WEIGHTS = BaseWeights(base="starter", architecture="a", fingerprint="b", file="starter.safetensors")
PRESET = Preset(title="Dance “1”", motion="dancing", method=CustomizeAVideo(rank=8), weights=(WEIGHTS,))
# Schema 1 as it was first released: it must be readable for ever.
SCHEMA_1 = """{"schema": 1, "preset": {"type": "Preset", "title": "circle", "motion": "moving in a circle",
"looks": "a red ball", "kind": "subject", "method": {"type": "CustomizeAVideo", "absorber": "spatial LoRA",
"layers": "attention", "rank": 4, "alpha": 1.0,
"learning_rate": 0.0005, "absorber_rank": 1, "absorber_alpha": 0.5,
"absorber_learning_rate": 5e-05, "absorber_share": 0.5, "crop_low": 0.33, "crop_high": 0.67, "coarse": 0.0},
"steps": 300, "seed": 0, "strength": 1.0, "frames": 8,
"rate": {"type": "Rate", "num": 8, "den": 1}, "licence": "",
"weights": [{"type": "BaseWeights", "base": "starter", "architecture": "0f", "fingerprint": "1e",
"file": "starter.safetensors"}]}}"""


def test_what_is_written_is_read(tmp_path):
    write_preset(tmp_path / "dance", PRESET)
    assert read_preset(tmp_path / "dance") == PRESET


def test_a_preset_of_the_first_released_schema_is_read(tmp_path):
    (tmp_path / FILE).write_text(SCHEMA_1)
    assert read_preset(tmp_path).motion == "moving in a circle"


def test_presets_are_listed_by_title_and_damaged_ones_left_out(tmp_path):
    for name, title in (("1", "zoom"), ("2", "Arc"), ("3", "pan")):
        write_preset(tmp_path / name, Preset(title=title, motion=title))
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / FILE).write_text("{")
    assert [p.title for _, p in list_presets(tmp_path)] == ["Arc", "pan", "zoom"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "cannot be read"),
        ("[1]", "not a motion"),
        ('{"schema": "x"}', "not a motion"),
        ('{"schema": 99, "preset": {}}', "newer Restage"),
        ('{"schema": 0, "preset": {}}', "not a motion"),
        ('{"schema": 1, "preset": {"type": "Preset", "title": "x"}}', "needs motion"),
        (
            '{"schema": 1, "preset": {"type": "Preset", "title": "x", "motion": "y", "rank": 1}}',
            "has no rank",
        ),
        (
            '{"schema": 1, "preset": {"type": "Preset", "title": "x", "motion": "y", "strength": 7.0}}',
            "Strength is 7",
        ),
    ],
)
def test_a_damaged_preset_is_one_sentence_with_a_hint(tmp_path, content, complaint):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UserError, match=complaint) as caught:
        read_preset(tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "C:\\x", "a/b", "..", ".hidden"])
@pytest.mark.parametrize("field", ["file", "words"])
def test_weights_outside_the_motions_own_folder_are_refused(tmp_path, name, field):
    write_preset(tmp_path, replace(PRESET, weights=(replace(WEIGHTS, **{field: name}),)))
    with pytest.raises(UserError, match="not a file of its own folder"):
        read_preset(tmp_path)


def test_a_folder_without_a_motion_is_said_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="no motion in"):
        read_preset(tmp_path / "nowhere")


def test_replacing_a_folder_leaves_only_the_new_one(tmp_path):
    for name in ("old", "new"):
        write_preset(tmp_path / name, Preset(title=name, motion=name))
    replace_folder(tmp_path / "new", tmp_path / "old")
    assert json.loads((tmp_path / "old" / FILE).read_text())["preset"]["title"] == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("kind", get_args(Method), ids=lambda kind: kind.__name__)
def test_a_preset_of_every_method_is_written_and_read(tmp_path, kind):
    used = resolved(kind(), {})
    words = replace(WEIGHTS, words="starter-words.safetensors")
    preset = Preset(title="a", motion="b", method=used, follow=0.5, weights=(words,))
    write_preset(tmp_path / "a", preset)
    assert read_preset(tmp_path / "a") == preset
