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
def no_orphans() -> Iterator[None]:
    """Whatever ends the stages, their loaders end too."""
    before = set(psutil.pids())
    yield
    assert multiprocessing.active_children() == []
    until = time.monotonic() + 5
    while left := [p for p in psutil.process_iter(["cmdline"]) if p.pid not in before and _spawned(p)]:
        assert time.monotonic() < until, left
        time.sleep(0.1)


def _spawned(process: psutil.Process) -> bool:
    return any("spawn_main" in word for word in process.info["cmdline"] or ())


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
