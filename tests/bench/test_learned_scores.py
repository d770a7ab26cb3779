"""Scores by CLIP models: a small one of random weights, and what its own forward pass says."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

from backend.bench.learned_scores import Scorer
from backend.bench.methods import cell_folder, plan_of, write_reference
from backend.bench.rows import TRIALS
from backend.bench.table import write_table
from backend.errors import UserError
from backend.families.weights import STARTER


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


def test_a_folder_without_a_model_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no CLIP model"):
        Scorer(tmp_path)
    with pytest.raises(UserError, match="no CLIP model"):  # before the hours that clips take
        plan_of(tmp_path, tmp_path, "starter", full=False, clip=tmp_path)


def test_the_table_has_their_columns_and_keeps_what_was_scored(folder: Path, tmp_path: Path) -> None:
    plan = replace(
        plan_of(tmp_path, tmp_path, "starter", full=False, rows=["caption"], clip=folder, pick=folder),
        trials=("circle",), prompts=1, seeds=1,
    )  # fmt: skip
    circle = next(trial for trial in TRIALS if trial.name == "circle")
    cell = cell_folder(plan, "caption", circle)
    cell.mkdir(parents=True)
    write_reference(tmp_path, circle, 0).rename(cell / "0-0.mp4")
    result = {"prompt": 0, "seed": 0, "fidelity": 1.0, "text": True, "leak": True, "consistency": 0.0,
              "spread": [0.0]}  # fmt: skip
    cost = {"seconds": 0.0, "parameters": 0, "peak_mib": 0.0}
    (cell / "cell.json").write_text(json.dumps({"schema": 1, "cost": cost, "results": [result]}))
    head = write_table(plan).splitlines()[2]
    assert head.endswith("| peak | CLIP | alike | PickScore |")
    found = json.loads((tmp_path / "methods.json").read_text())["scores"]["caption"]
    kept = json.loads((cell / "scores.json").read_text())
    assert kept[f"pick {folder}"] == {"0-0.mp4": {"PickScore": found["PickScore"]["mean"]}}
