"""A small byte-level tokenizer in CLIP's file format: a token for each known word, bytes for others."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from .world import BACKGROUNDS, COLOURS, SPEEDS, SUBJECTS
from .world.captions import CAMERA_PHRASES, NUMBERS, PHRASES, PLURALS

TOKENS = 32
"""Tokens in a prompt, start and end included."""
START, END = "<|startoftext|>", "<|endoftext|>"


def _byte_characters() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, in the order of CLIP's own vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def known_words() -> list[str]:
    """Every word that a caption can hold, and some that artists will type."""
    phrases = [p for table in (PHRASES, CAMERA_PHRASES) for some in table.values() for p in some]
    plurals = [PLURALS.get(subject, subject + "s") for subject in SUBJECTS]
    texts = [*SUBJECTS, *plurals, *COLOURS, *BACKGROUNDS, *NUMBERS.values(), *SPEEDS, *phrases]
    extra = "a an the over on against in and with of to from is person dog"
    return sorted({word for text in [*texts, extra] for word in text.split()})


def merges_for(words: list[str]) -> list[tuple[str, str]]:
    """Byte-pair merges (most frequent first, then alphabetical) that make each of `words` one token."""
    pieces = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges: list[tuple[str, str]] = []
    while any(len(p) > 1 for p in pieces):
        pairs = Counter(pair for p in pieces for pair in pairwise(p))
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        pieces = [_merged(p, best) for p in pieces]
    return merges


def _merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    for piece in pieces:
        if out and (out[-1], piece) == pair:
            out[-1] += piece
        else:
            out.append(piece)
    return out


def write_tokenizer(folder: Path) -> None:
    """Write vocab.json, merges.txt and their configuration, as `CLIPTokenizer.from_pretrained` reads them."""
    merges = merges_for(known_words())
    characters = _byte_characters()
    tokens = [*characters, *(c + "</w>" for c in characters), *(a + b for a, b in merges), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{a} {b}" for a, b in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": TOKENS,
        "do_lower_case": True,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
