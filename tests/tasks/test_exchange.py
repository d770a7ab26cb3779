"""Motions from and for other programs: presets made of files, files made of presets, and refusals."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from backend.api.presets import BaseWeights, Preset, list_presets, read_preset, write_preset
from backend.api.protocol import Compute, Export, Generate, Import, Key, Looks, Motion
from backend.diffusion.adapters import Lora, add_lora, lora_parameters, remove_loras
from backend.errors import UserError
from backend.families.lora_files import diffusers_file
from backend.families.unet3d import LAYERS, UNet3D
from backend.media import clips
from backend.tasks import perform
from backend.tasks.exchange import export_motion, import_motion
from tests.conftest import quiet_run
from tests.tasks.test_together import pixels


@pytest.fixture(scope="module")
def base(toy_base):
    return UNet3D(toy_base, "toy", device="cpu")


def lora(base, group) -> Lora:
    g = torch.Generator().manual_seed(0)
    add_lora(base.denoiser, "a", LAYERS[group], rank=2, scale=0.5, seed=0)
    parameters = lora_parameters(base.denoiser, "a")
    state = {key: torch.randn(p.shape, generator=g) for key, p in parameters.items()}
    remove_loras(base.denoiser)
    return Lora(state, 0.5)


@pytest.fixture
def motion_file(base, tmp_path) -> Path:
    path = tmp_path / "theirs.safetensors"
    path.write_bytes(diffusers_file(lora(base, "temporal attention"), {}))
    return path


@pytest.fixture
def looks_file(base, tmp_path) -> Path:
    path = tmp_path / "looks.safetensors"
    path.write_bytes(diffusers_file(lora(base, "spatial attention"), {}))
    return path


def made(toy_base, folder, **changes):
    request = Generate(
        job="g",
        prompt="a red ball whirling",
        out=str(folder / "clip.mp4"),
        base=str(toy_base),
        compute=Compute(device="cpu"),
    )
    result = perform(replace(request, **changes), quiet_run(folder))
    return pixels(result.outputs[0]), result


def test_an_imported_motion_is_a_motion_like_any_other(base, toy_base, motion_file, tmp_path):
    folder, note = import_motion(motion_file, " whirling ", "", base, tmp_path / "presets")
    assert note == ""
    assert list_presets(tmp_path / "presets") == [(folder, read_preset(folder))]
    preset = read_preset(folder)
    assert (preset.title, preset.motion, preset.method, preset.frames) == ("whirling", "whirling", None, 4)
    plain, _ = made(toy_base, tmp_path)
    acting, result = made(toy_base, tmp_path, motions=(Motion(path=str(folder)),))
    assert (plain != acting).any()
    assert not result.notes


@pytest.mark.parametrize("kind", ["diffusers", "comfyui"])
def test_what_is_exported_can_be_imported_again(base, toy_base, motion_file, tmp_path, kind):
    first, _ = import_motion(motion_file, "whirling", "", base, tmp_path / "presets")
    export_motion(first, kind, "", tmp_path / "out" / "whirl.safetensors")
    again, note = import_motion(
        tmp_path / "out" / "whirl.safetensors", "whirling", "", base, tmp_path / "presets"
    )
    assert (again.name, note) == ("whirling-2", "")
    one, other = (load_file(folder / "weights" / "toy.safetensors") for folder in (first, again))
    torch.testing.assert_close(one, other)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["whirl.safetensors"]


def test_blender_asks_for_an_import_and_an_export_as_it_does_for_clips(toy_base, motion_file, tmp_path):
    request = Import(
        job="i", path=str(motion_file), words="whirling", out=str(tmp_path / "presets"), base=str(toy_base)
    )
    imported = perform(request, quiet_run(tmp_path))
    (folder,) = imported.outputs
    assert list_presets(tmp_path / "presets") == [(Path(folder), read_preset(Path(folder)))]
    out = tmp_path / "whirl.safetensors"
    exported = perform(Export(job="e", motion=folder, out=str(out)), quiet_run(tmp_path))
    assert (exported.outputs, exported.notes) == ((str(out),), (f"Written: {out}",))
    assert all(key.startswith("diffusion_model.") for key in load_file(out))


def with_words(base, motion_file, presets, vectors, file="toy.safetensors") -> Path:
    """A motion's folder with learned words, and with a LoRA where `file` is given."""
    folder, _ = import_motion(motion_file, "whirling", "", base, presets)
    save_file({"<looks>": vectors}, folder / "weights" / "toy-words.safetensors")
    preset = read_preset(folder)
    weights = replace(preset.weights[0], file=file, words="toy-words.safetensors")
    write_preset(folder, replace(preset, weights=(weights,)))
    return folder


@pytest.mark.parametrize("file", ["toy.safetensors", ""], ids=["a LoRA and words", "words alone"])
def test_learned_words_are_exported_too(base, motion_file, tmp_path, file):
    vectors = torch.randn(2, 8)
    folder = with_words(base, motion_file, tmp_path / "presets", vectors, file)
    out = tmp_path / "out" / "whirl.safetensors"
    written = export_motion(folder, "comfyui", "", out)
    assert written == ([out, out.with_name("whirl-words.safetensors")] if file else [out])
    assert torch.equal(load_file(written[-1])["<looks>"], vectors)


def test_an_export_replaces_no_file_that_nobody_was_asked_about(base, motion_file, tmp_path):
    folder = with_words(base, motion_file, tmp_path / "presets", torch.randn(2, 8))
    out = tmp_path / "whirl.safetensors"
    strangers = tmp_path / "whirl-words.safetensors"
    strangers.write_bytes(b"somebody's")
    with pytest.raises(UserError, match="another whirl-words"):
        export_motion(folder, "diffusers", "", out)
    assert strangers.read_bytes() == b"somebody's"
    assert not out.exists()
    out.touch()
    with pytest.raises(UserError, match="another whirl-words"):
        export_motion(folder, "diffusers", "", out)
    strangers.unlink()
    export_motion(folder, "diffusers", "", out)
    words = strangers.read_bytes()
    out.unlink()
    export_motion(folder, "diffusers", "", out)  # what lies there already says the same
    save_file({"<looks>": torch.zeros(1, 8)}, strangers)
    export_motion(folder, "diffusers", "", out)  # it is named, and words beside it are of the export before
    assert strangers.read_bytes() == words


def test_what_an_import_cannot_use_is_named(base, motion_file, tmp_path):
    tensors = load_file(motion_file) | {"lora_te_text_model_q.lora_down.weight": torch.zeros(1, 2)}
    save_file(tensors, motion_file)
    _, note = import_motion(motion_file, "whirling", "", base, tmp_path / "presets")
    assert note.endswith(": lora_te_text_model_q.")


def test_an_import_that_fails_leaves_nothing(base, motion_file, looks_file, tmp_path, monkeypatch):
    presets = tmp_path / "presets"
    with pytest.raises(UserError, match="changes looks, not motion"):
        import_motion(looks_file, "whirling", "", base, presets)
    with pytest.raises(UserError, match="no words"):
        import_motion(motion_file, " ", "", base, presets)

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("backend.tasks.exchange.write_preset", fail)
    with pytest.raises(OSError, match="full"):
        import_motion(motion_file, "whirling", "", base, presets)
    assert not list(presets.rglob("*.*"))


@pytest.mark.parametrize(
    ("weights", "base", "out", "complaint"),
    [
        ([], "", "a.safetensors", "learned on no base"),
        (["x", "y"], "", "a.safetensors", "learned on x, y"),
        (["x"], "z", "a.safetensors", "learned on x"),
        (["x"], "", "a.pt", "not a .safetensors file"),
        (["x"], "", "a.safetensors", "cannot be read"),
    ],
)
def test_an_export_that_cannot_be_made_is_one_sentence(tmp_path, weights, base, out, complaint):
    learned = tuple(BaseWeights(base=w, architecture="a", fingerprint="f", file=f"{w}.st") for w in weights)
    write_preset(tmp_path / "m", Preset(title="m", motion="m", weights=learned))
    with pytest.raises(UserError, match=complaint):
        export_motion(tmp_path / "m", "comfyui", base, tmp_path / out)
    assert not (tmp_path / out).exists()


# ------------------------------------------------------------------ looks


def test_looks_act_with_their_strength_and_zero_is_the_base(toy_base, looks_file, tmp_path):
    plain, _ = made(toy_base, tmp_path)

    def with_looks(**strength):
        return made(toy_base, tmp_path, looks=(Looks(path=str(looks_file), **strength),))[0]

    assert (with_looks(strength=0.0) == plain).all()
    assert (with_looks() != plain).any()
    assert (with_looks(strength=0.5) != with_looks()).any()
    assert (with_looks(curve=(Key(at=0, strength=0), Key(at=1, strength=1))) != with_looks()).any()


def test_a_clip_tells_which_looks_acted_and_what_of_them_is_not_used(toy_base, looks_file, tmp_path):
    save_file(load_file(looks_file) | {"lora_te_x.lora_down.weight": torch.zeros(1, 2)}, looks_file)
    _, result = made(toy_base, tmp_path, looks=(Looks(path=str(looks_file)),))
    assert "looks.safetensors" in result.notes[0]
    assert "lora_te_x" in result.notes[0]
    assert clips.read_metadata(result.outputs[0])["looks"].keys() == {"looks.safetensors"}


def test_looks_that_do_not_fit_are_refused_before_any_work(toy_base, looks_file, tmp_path):
    state = {
        key: t[:, :-1].contiguous() if ".lora_A." in key else t for key, t in load_file(looks_file).items()
    }
    save_file(state, looks_file)
    with pytest.raises(UserError, match="made for another base than toy"):
        made(toy_base, tmp_path, looks=(Looks(path=str(looks_file)),))
    assert not list(tmp_path.glob("*.mp4*"))
