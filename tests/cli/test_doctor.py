"""What the doctor sees, and how loudly it says so."""

import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from backend.api.presets import Preset, write_preset
from backend.cli import doctor

from .conftest import Restage


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver's tool as it answers on a machine with one card."""
    if sys.platform == "win32":
        pytest.skip("the stand-in is a shell script")
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA GeForce RTX 4090 (UUID: GPU-01234567)'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    return tool


def test_a_card_is_known_by_its_name(nvidia_smi: Path) -> None:
    assert doctor.nvidia_cards() == ["NVIDIA GeForce RTX 4090"]


def test_a_tool_without_a_card_is_no_card(nvidia_smi: Path) -> None:
    nvidia_smi.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'; exit 9\n")
    assert doctor.nvidia_cards() == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch uses the card here")
def test_a_torch_that_does_not_use_the_card_is_said_loudly(
    nvidia_smi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor.report(tmp_path / "library") == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "BROKEN Device" in said
    assert "This machine has an NVIDIA GPU (NVIDIA GeForce RTX 4090), but torch" in said
    if torch.version.cuda is None:
        assert "CPU-ONLY" in said


def test_a_package_that_is_missing_is_broken() -> None:
    assert doctor.package("torch").hint == ""
    assert doctor.package("no-such-package").hint == doctor.REPAIR


def test_a_library_that_cannot_be_written_is_broken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert doctor.library_folder(tmp_path / "library").hint == ""
    assert list((tmp_path / "library").iterdir()) == []
    assert "cannot be written" in doctor.library_folder(tmp_path / "file").words


@pytest.mark.parametrize(
    ("free", "hint", "broken"), [(2**40, False, False), (2**31, True, False), (9, True, True)]
)
def test_a_disk_that_is_nearly_full_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, hint: bool, broken: bool
) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    check = doctor.library_folder(tmp_path / "library")
    assert (bool(check.hint), bool(check.hint) and check.broken) == (hint, broken)
    assert f"{free / 2**30:.1f} GiB free" in check.words


def test_what_footage_is_read_and_that_h264_is_written_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check = doctor.codecs()
    assert check.hint == ""
    assert "reads h264, hevc, prores" in check.words
    monkeypatch.setattr(doctor, "has_codec", lambda name, mode: mode == "r")
    assert "no libx264" in doctor.codecs().words
    assert doctor.codecs().hint == doctor.REPAIR


def test_the_gpu_is_named_or_said_to_be_missing(nvidia_smi: Path) -> None:
    assert doctor.gpu() == doctor.Check("GPU", "NVIDIA GeForce RTX 4090 (NVIDIA)")
    nvidia_smi.write_text("#!/bin/sh\nexit 9\n")
    if not Path("/dev/kfd").exists() and sys.platform == "linux":
        assert "none" in doctor.gpu().words
        assert not doctor.gpu().broken


def test_a_base_that_loads_and_one_whose_weights_are_damaged_are_told_apart(
    tmp_path: Path, toy_base: Path
) -> None:
    assert doctor.loaded(toy_base).hint == ""
    damaged = tmp_path / "damaged"
    shutil.copytree(toy_base, damaged)
    (weights,) = (damaged / "unet").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    check = doctor.loaded(damaged)
    assert check.hint == doctor.REPAIR
    assert check.words.startswith("no:")


def test_the_starter_that_ships_is_found_and_computes(tmp_path: Path) -> None:
    assert [(check.name, check.hint) for check in doctor.base(tmp_path)] == [
        ("Base model", ""),
        ("Base model loads", ""),
    ]


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (doctor.Check("GPU", "a card"), "ok     GPU                     a card"),
        (doctor.Check("GPU", "none.", "Buy.", broken=False), "note   GPU                     none. Buy."),
        (doctor.Check("GPU", "gone", "Buy."), "BROKEN GPU                     gone"),
    ],
)
def test_a_check_is_one_line(check: doctor.Check, line: str) -> None:
    assert doctor.in_a_line(check).plain == line


def test_presets_are_listed_as_json(restage: Restage, tmp_path: Path) -> None:
    folder = tmp_path / "library" / "presets" / "dance"
    write_preset(folder, Preset(title="Dance", motion="dancing wildly"))
    done = restage("presets", "list", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert [(p["path"], p["title"], p["motion"]) for p in listed] == [
        (str(folder), "Dance", "dancing wildly")
    ]
    assert "dancing wildly" in restage("presets", "list").stdout
