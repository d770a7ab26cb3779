"""Scores by CLIP models: a small one of random weights, and what its own forward pass says."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

from backend.api.bases import STARTER
from backend.bench.learned_scores import Scorer
from backend.bench.methods import SCHEMA, cell_folder, plan_of, write_reference
from backend.bench.perceptual import ALEXNET, Lpips, alexnet_features
from backend.bench.rows import TRIALS
from backend.bench.table import write_table
from backend.errors import UserError

CHANNELS = (64, 192, 384, 256, 256)  # of AlexNet's convolutions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP model with the starter's tokenizer."""
    place = tmp_path_factory.mktemp("clip")
    tokenizer = CLIPTokenizer.from_pretrained(STARTER / "tokenizer")
    part = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    words = {"vocab_size": len(tokenizer), "max_position_embeddings": 32, "eos_token_id": 2}
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config=part | words, vision_config=part | {"image_size": 32, "patch_size": 8}, projection_dim=16
    )
    CLIPModel(config).save_pretrained(place)
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(pictures, tokenizer).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def scorer(folder: Path) -> Scorer:
    return Scorer(folder)


@pytest.fixture(scope="module")
def perceptual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LPIPS of which one feature lives: the first, which is how red the pixel at its middle is."""
    place = tmp_path_factory.mktemp("lpips")
    state = {k: torch.zeros_like(v) for k, v in alexnet_features().state_dict().items()}
    state["0.weight"][0, 0, 5, 5] = 1.0
    torch.save({f"features.{k}": v for k, v in state.items()}, place / ALEXNET)
    weights = {f"lin{i}.model.1.weight": torch.full((1, c, 1, 1), 0.25) for i, c in enumerate(CHANNELS)}
    torch.save(weights, place / "alex.pth")
    return place


FRAMES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


def test_scores_are_those_of_each_frame_alone(scorer: Scorer) -> None:
    """The model's own logits are the scale times the cosine (CLIP, arXiv 2103.00020, Fig. 3)."""
    logits = []
    for frame in FRAMES:
        given = scorer.processor(text=["a red ball"], images=Image.fromarray(frame), return_tensors="pt")
        with torch.no_grad():
            logits.append(scorer.model(**given).logits_per_image.item())
    scale = scorer.model.logit_scale.detach().exp().item()
    assert scorer.pick(FRAMES, "a red ball")["PickScore"] == pytest.approx(np.mean(logits), rel=1e-4)
    assert scorer.clip(FRAMES, "a red ball")["CLIP"] == pytest.approx(100 * np.mean(logits) / scale, rel=1e-4)


def test_a_clip_that_stands_still_is_alike_and_noise_is_less_so(scorer: Scorer) -> None:
    still = scorer.clip(FRAMES[:1].repeat(4, axis=0), "a red ball")["alike"]
    assert still == pytest.approx(1.0, abs=1e-5)
    black_and_white = np.stack([np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8)])
    assert scorer.clip(black_and_white, "a red ball")["alike"] < still - 1e-3


def test_pictures_are_as_unlike_as_the_linear_layer_says_of_their_unit_features(perceptual: Path) -> None:
    """By hand: of white the living feature is 1, of length 1; of black it is off: 0.25 · (1 − 0)²."""
    lpips = Lpips(perceptual)
    white, black = np.full((2, 64, 64, 3), 255, np.uint8), np.zeros((2, 64, 64, 3), np.uint8)
    assert lpips.distance(white, black) == pytest.approx(0.25, abs=1e-6)
    assert lpips.distance(white, white // 2 + 100) == pytest.approx(0, abs=1e-6)
    green = white * np.array([0, 1, 1], np.uint8)
    assert lpips.distance(white, np.stack([white[0], green[0]])) == pytest.approx(0.125, abs=1e-6)


def test_a_folder_without_a_model_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no CLIP model"):
        Scorer(tmp_path)
    with pytest.raises(UserError, match=r"LPIPS has no weights"):
        Lpips(tmp_path)
    for damage in (b"", b"version https://git-lfs.github.com/spec/v1\n", b"<html>"):
        for name in (ALEXNET, "alex.pth"):
            (tmp_path / name).write_bytes(damage)
        with pytest.raises(UserError, match=r"LPIPS has no weights"):
            Lpips(tmp_path)
    (tmp_path / ALEXNET).unlink()
    with pytest.raises(UserError, match="no lpips model") as caught:
        plan_of(tmp_path, tmp_path, "starter", full=False, scorers={"lpips": tmp_path})
    assert ALEXNET in caught.value.hint
    with pytest.raises(UserError, match="no clip model"):  # before the hours that clips take
        plan_of(tmp_path, tmp_path, "starter", full=False, scorers={"clip": tmp_path})


def test_the_table_has_their_columns_and_keeps_what_was_scored(
    folder: Path, perceptual: Path, tmp_path: Path
) -> None:
    scorers = {"clip": folder, "pick": folder, "lpips": perceptual}
    plan = replace(
        plan_of(tmp_path, tmp_path, "starter", full=False, rows=["caption"], scorers=scorers),
        trials=("circle",), prompts=1, seeds=2,
    )  # fmt: skip
    circle = next(trial for trial in TRIALS if trial.name == "circle")
    cell = cell_folder(plan, "caption", circle)
    cell.mkdir(parents=True)
    for seed in (0, 1):  # the reference, and its motion on someone else
        write_reference(tmp_path, circle, seed).rename(cell / f"0-{seed}.mp4")
    results = [
        {"prompt": 0, "seed": seed, "fidelity": 1.0, "text": True, "leak": True, "consistency": 0.0,
         "spread": [0.0]}
        for seed in (0, 1)
    ]  # fmt: skip
    cost = {"seconds": 0.0, "parameters": 0, "peak_mib": 0.0}
    written = {"schema": SCHEMA, "cost": cost, "own": [1.0], "results": results}
    (cell / "cell.json").write_text(json.dumps(written))
    head = write_table(plan).splitlines()[2]
    assert head.endswith("| peak | CLIP | alike | PickScore | LPIPS |")
    found = json.loads((tmp_path / "methods.json").read_text())["scores"]["caption"]
    kept = json.loads((cell / "scores.json").read_text())
    picked = [of["PickScore"] for of in kept[f"pick {folder}"].values()]
    assert list(kept[f"pick {folder}"]) == ["0-0.mp4", "0-1.mp4"]
    assert found["PickScore"]["mean"] == pytest.approx(np.mean(picked))
    assert kept[f"lpips {perceptual}"] == {"0-0.mp4 0-1.mp4": {"LPIPS": found["LPIPS"]["mean"]}}
    assert found["LPIPS"]["mean"] > 0
