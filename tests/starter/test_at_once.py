"""All stages at once, as a GPU is used, here on the CPU at a small size."""

import multiprocessing
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

from backend.api.bases import STARTER
from backend.starter import at_once
from backend.starter.train import argument_parser, prepared


def small(folder: Path, *told: str) -> Namespace:
    words = ["--work", str(folder), "--out", str(folder / "out"), "--start", str(STARTER)]
    few = ["--pixels", "32", "--frames", "4", "--batch", "2", "--loaders", "1", "--chunks", "1"]
    return prepared(argument_parser(None).parse_args([*words, *few, *told]))


@pytest.fixture(autouse=True)
def no_orphans(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Whatever ends the stages, their loaders end too."""
    monkeypatch.setenv("STAGES_OF", str(tmp_path))
    yield
    assert multiprocessing.active_children() == []
    until = time.monotonic() + 5
    while left := [p for p in psutil.Process().children() + orphans() if of_stages(p, tmp_path)]:
        assert time.monotonic() < until, left
        time.sleep(0.1)


def orphans() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["ppid"]) if p.info["ppid"] == 1]


def of_stages(process: psutil.Process, folder: Path) -> bool:
    """Whether it was started with these stages' environment; what helps multiprocessing itself stays."""
    try:
        helps = any("resource_tracker" in word for word in process.cmdline())
        return not helps and process.environ().get("STAGES_OF") == str(folder)
    except psutil.Error:  # it has ended, or is another's
        return False


def test_every_part_learns_and_is_exported_and_no_process_stays(tmp_path: Path) -> None:
    at_once.train(small(tmp_path, "--minutes", "0.4"))
    for part in ("vae", "unet", "text_encoder"):
        folders = STARTER / part, tmp_path / "out" / part
        before, after = (load_file(next(folder.glob("*.safetensors"))) for folder in folders)
        assert any((before[name].float() != after[name].float()).any() for name in before), part


def test_a_stage_that_fails_ends_them_all_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "autoencoder.pt").write_bytes(b"no checkpoint")
    with pytest.raises(SystemExit, match="The autoencoder has failed"):
        at_once.train(small(tmp_path, "--minutes", "5"))


def test_clips_of_another_autoencoder_are_refused(tmp_path: Path) -> None:
    args = small(tmp_path, "--minutes", "5")
    args.bank.mkdir()
    (args.bank / "0000.npz").write_bytes(b"")
    with pytest.raises(SystemExit, match="another folder"):
        at_once.train(args)
