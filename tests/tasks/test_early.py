"""What is refused before anything large is loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from backend.api.protocol import Clip, Edit, Export, Generate, Import, Learn, Looks, Motion, Request
from backend.errors import UserError
from backend.tasks.early import refuse_early


def test_a_request_that_can_be_done_is_let_through(moving_clip: Path, tmp_path: Path) -> None:
    clip = Clip(path=str(moving_clip))
    refuse_early(Learn(job="j", clips=(clip,), motion="m", out=str(tmp_path / "new" / "folder")))
    refuse_early(Edit(job="j", clip=clip, prompt="p", out=str(tmp_path / "new" / "clip.mp4")))
    refuse_early(Generate(job="j", prompt="p", out=str(tmp_path / "clip.mp4")))
    assert list(tmp_path.iterdir()) == []


def missing(folder: Path) -> str:
    return str(folder / "missing.mp4")


def text(folder: Path) -> str:
    (folder / "text.mp4").write_text("no movie")
    return str(folder / "text.mp4")


@pytest.mark.parametrize(("bad", "sentence"), [(missing, "missing.mp4 is missing"), (text, "not a movie")])
@pytest.mark.parametrize("kind", [Learn, Edit])
def test_a_clip_that_cannot_be_read_is_refused(
    tmp_path: Path, kind: type, bad: object, sentence: str
) -> None:
    clip = Clip(path=bad(tmp_path))  # type: ignore[operator]
    out = str(tmp_path / "o.mp4")
    asked: Request = (
        Learn(job="j", clips=(clip,), motion="m", out=out)
        if kind is Learn
        else Edit(job="j", clip=clip, prompt="p", out=out)
    )
    with pytest.raises(UserError, match=sentence):
        refuse_early(asked)


def test_a_range_past_the_end_is_refused(moving_clip: Path, tmp_path: Path) -> None:
    clip = Clip(path=str(moving_clip), first_frame=100)
    with pytest.raises(UserError, match="No frame"):
        refuse_early(Edit(job="j", clip=clip, prompt="p", out=str(tmp_path / "o.mp4")))


def test_a_motion_that_is_none_is_refused(tmp_path: Path) -> None:
    motion = Motion(path=str(tmp_path / "dance"))
    with pytest.raises(UserError, match="There is no motion in"):
        refuse_early(Generate(job="j", prompt="p", out=str(tmp_path / "o.mp4"), motions=(motion,)))


def test_a_place_inside_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file, not a folder"):
        refuse_early(Generate(job="j", prompt="p", out=str(tmp_path / "file" / "o.mp4")))


def test_a_place_that_may_not_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)  # root may write anywhere
    with pytest.raises(UserError, match="Nothing may be written"):
        refuse_early(Generate(job="j", prompt="p", out=str(tmp_path / "new" / "o.mp4")))


def test_refusing_loads_neither_torch_nor_diffusers() -> None:
    program = "import sys, backend.tasks.early; print({'torch', 'diffusers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_looks_that_are_not_there_are_refused(tmp_path: Path) -> None:
    looks = (Looks(path=str(tmp_path / "oil.safetensors")),)
    with pytest.raises(UserError, match=r"no LoRA .*oil\.safetensors"):
        refuse_early(Generate(job="j", prompt="p", out=str(tmp_path / "o.mp4"), looks=looks))


def test_a_clip_of_a_related_motion_that_is_not_there_is_refused(moving_clip: Path, tmp_path: Path) -> None:
    clips, regular = (Clip(path=str(moving_clip)),), (Clip(path=missing(tmp_path), looks="a man walking"),)
    with pytest.raises(UserError, match=r"missing\.mp4 is missing"):
        refuse_early(Learn(job="j", clips=clips, regular=regular, motion="m", out=str(tmp_path / "o")))


def test_a_file_or_a_motion_that_is_not_there_is_neither_imported_nor_exported(tmp_path: Path) -> None:
    gone, out = str(tmp_path / "gone.safetensors"), str(tmp_path / "out")
    with pytest.raises(UserError, match=r"no file .*gone\.safetensors"):
        refuse_early(Import(job="j", path=gone, words="whirling", out=out))
    with pytest.raises(UserError, match="There is no motion in"):
        refuse_early(Export(job="j", motion=gone, out=out))
