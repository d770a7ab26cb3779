"""What the doctor sees, and how loudly it says so."""

import json
import os
import sys
from pathlib import Path

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


def test_the_encoder_is_there() -> None:
    assert doctor.encoder().hint == ""


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
