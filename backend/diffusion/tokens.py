"""New tokens of a text model: words whose embeddings are learned (textual inversion, arXiv 2208.01618).

A word may stand for several tokens. Neither the tokenizer's files nor the model's weights change.
Shapes: n tokens of a word, D width of the token embeddings.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

NO_TOKENS: Mapping[str, Tensor] = MappingProxyType({})


def key(word: str) -> str:
    """What makes a new word itself: <looks>, looks and Looks are one."""
    return word.strip("<>").casefold()


def names(word: str, count: int) -> list[str]:
    """The tokens that a word stands for: <looks> → <looks-0>, <looks-1> …"""
    return [f"<{key(word)}-{i}>" for i in range(count)]


def whole(*words: str) -> re.Pattern[str]:
    """Where a text says just one of the words, in whatever case; of two at one place the longer."""
    longest = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest))})(?!\w)", re.IGNORECASE)


def spell(prompt: str, tokens: Mapping[str, Tensor]) -> str:
    """The prompt with every word of `tokens` as the tokens that it stands for."""
    if not tokens:
        return prompt
    spelled = {key(word): " ".join(names(word, len(vectors))) for word, vectors in tokens.items()}
    return whole(*tokens).sub(lambda found: spelled.get(key(found[0]), found[0]), prompt)


def said_of(tokens: Mapping[str, Tensor], text: str) -> dict[str, Tensor]:
    """Those of the new words that a text says."""
    return {word: vectors for word, vectors in tokens.items() if whole(word).search(text)}


@contextmanager
def new_tokens(tokenizer: Any, table: nn.Embedding, tokens: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside the block `tokenizer` knows the tokens and `table` has their vectors (n, D) for them."""
    known = {name: v for word, vs in tokens.items() for name, v in zip(names(word, len(vs)), vs, strict=True)}
    tokenizer.add_tokens(list(known))
    rows = dict(zip(tokenizer.convert_tokens_to_ids(list(known)), known.values(), strict=True))

    def forward(ids: Tensor) -> Tensor:
        found = embedding(ids.clamp(max=table.num_embeddings - 1), table.weight)
        for number, vector in rows.items():
            found = torch.where((ids == number)[..., None], vector.to(found), found)
        return found

    table.forward = forward  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del table.forward
