"""Prompts as the base reads them, and guidance by them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from backend.api.settings import Method, MotionToken
from backend.diffusion.sampling import Predict
from backend.diffusion.stacking import presence
from backend.diffusion.tokens import NO_TOKENS, key, whole
from backend.errors import UserError
from backend.families.base import Family
from backend.methods.motion_token import PLACEHOLDER
from backend.tasks.bases import LoadedMotion, with_motion_words

NOTHING = torch.empty(0)


@dataclass(frozen=True)
class Spoken:
    """The embedded prompt (1, L, D) with the words of a motion that is not wholly present throughout, and how
    far each frame is under them (F,): as far as the motion is present there (`stacking.presence`)."""

    text: Tensor
    shares: Tensor


@dataclass(frozen=True)
class Prompted:
    """The embedded prompt and, for guidance, the empty one: each (1, L, D).

    Words of motions that are not wholly present are only in `spoken`: a base that knows them would else
    follow them in frames of strength 0 too, as it does a pan's.
    """

    text: Tensor
    empty: Tensor
    guidance: float
    spoken: tuple[Spoken, ...] = ()


def read_prompt(
    family: Family,
    prompt: str,
    guidance: float,
    motions: Sequence[LoadedMotion] = (),
    tokens: Mapping[str, Tensor] = NO_TOKENS,
    strengths: Sequence[Sequence[float]] = (),
) -> Prompted:
    """The prompt with the words of each motion that it does not say, and the new words that they bring.

    `strengths` of the motions at each frame (F,); without them all words are said wholly. Raises UserError
    when it cannot be told which of two motions a new word belongs to.
    """
    prompt = with_token(prompt, [motion.preset.method for motion in motions])
    said, brought = _brought(prompt, motions)
    texts, shares = _over_time(said, strengths, said, prompt)
    read = family.embed([texts[0], "", *texts[1:]], {**brought, **tokens})
    text, empty, *each = torch.split(read, 1)
    family.release("text")
    return Prompted(text, empty, guidance, _spoken(each, shares))


def _over_time(
    own: Sequence[str], strengths: Sequence[Sequence[float]], all_words: Sequence[str], prompt: str
) -> tuple[list[str], list[Tensor]]:
    """The prompt with the words of those own motions that are wholly present throughout, then with those of
    each of the others besides; and the shares (F,) of the latter. Words of several count as those of the
    strongest."""
    always, shares = [] if strengths else list(own), dict[str, Tensor]()
    for words, of_one in zip(own, strengths, strict=False):
        share = presence(of_one)
        # Typed words are the artist's own: they only leave frames in which the motion does not act at all.
        if share.min() == 1 or (share.min() > 0 and with_motion_words(prompt, [words]) == prompt):
            always.append(words)
        elif share.any() and words.strip():
            shares[words] = torch.maximum(share, shares.get(words, share))
    changing = [words for words in shares if words not in always]
    spoken = (always, *([*always, words] for words in changing))
    return [_saying(words, all_words, prompt) for words in spoken], [shares[words] for words in changing]


def _spoken(texts: Sequence[Tensor], shares: Sequence[Tensor]) -> tuple[Spoken, ...]:
    return tuple(Spoken(text, share.to(text.device)) for text, share in zip(texts, shares, strict=True))


def unsaid(prompt: str, motions: Iterable[LoadedMotion]) -> tuple[str, ...]:
    """Notes on looks with a new word that the prompt does not say: a word acts where it is said."""
    return tuple(
        f"{motion.preset.title} has the new word {word}, and the prompt does not say it."
        for motion in motions
        if not motion.is_motion
        for word in motion.tokens
        if not whole(word).search(prompt)
    )


def with_token(prompt: str, methods: Iterable[Method | None]) -> str:
    """ "three birds doing the V*" → "three birds doing the pll": the rare token of what learned with one.

    Raises UserError when two of them have different ones.
    """
    if PLACEHOLDER not in prompt:
        return prompt
    tokens = sorted({method.token for method in methods if isinstance(method, MotionToken)})
    if len(tokens) > 1:
        raise UserError(
            f"{PLACEHOLDER} may be either of two motions' tokens.", f"Write {' or '.join(tokens)} instead."
        )
    return prompt.replace(PLACEHOLDER, tokens[0]) if tokens else prompt


def _saying(own: Sequence[str], all_words: Sequence[str], prompt: str) -> str:
    """The prompt with these motions' words, and without those of others."""
    others = [words for words in all_words if words not in own]
    return with_motion_words(without_words(others, prompt, but=own), own)


@dataclass(frozen=True)
class Apart:
    """The prompt with the words of cameras' motions alone, with those of subjects', and with all."""

    by_words: Prompted  # the cameras' said as far as they are present
    camera: Tensor  # all of them said; (1, L, D)
    subject: Tensor  # (1, L, D)
    added: Prompted  # as where the motions are added up


def read_apart(
    family: Family,
    prompt: str,
    guidance: float,
    motions: Sequence[LoadedMotion],
    strengths: Sequence[Sequence[float]],
) -> Apart:
    """As `read_prompt`; the words of cameras' motions are taken out of what subjects' act under, and back."""
    prompt = with_token(prompt, [motion.preset.method for motion in motions])
    said, brought = _brought(prompt, motions)
    kinds = [motion.preset.kind for motion in motions]
    cameras, subjects = (
        [own for own, kind in zip(said, kinds, strict=True) if kind == whose]
        for whose in ("camera", "subject")
    )
    of_cameras = [own for own, kind in zip(strengths, kinds, strict=True) if kind == "camera"]
    texts, shares = _over_time(cameras, of_cameras, said, prompt)
    whole_texts = [_saying(own, said, prompt) for own in (cameras, subjects)]
    read = family.embed([*whole_texts, "", *texts], brought)
    camera, subject, empty, text, *each = torch.split(read, 1)
    family.release("text")
    by_words = Prompted(text, empty, guidance, _spoken(each, shares))
    return Apart(
        by_words, camera, subject, read_prompt(family, prompt, guidance, motions, strengths=strengths)
    )


def read_own(
    family: Family,
    prompt: str,
    guidance: float,
    motions: Sequence[LoadedMotion],
    strengths: Sequence[Sequence[float]],
    own: Sequence[LoadedMotion],
) -> Prompted:
    """As `read_prompt`, for a clip on which only `own` motions act: without the words of the others."""
    prompt = with_token(prompt, [motion.preset.method for motion in motions])
    acting = [any(motion is one for one in own) for motion in motions]
    kept = [motion.preset.motion for motion in own]
    others = [motion.preset.motion for motion in motions if motion.preset.motion not in kept]
    prompt = without_words(others, prompt, but=kept)
    of_own = [of_one for of_one, acts in zip(strengths, acting, strict=True) if acts]
    return read_prompt(family, prompt, guidance, own, strengths=of_own)


def without_words(words: Iterable[str], text: str, but: Iterable[str] = ()) -> str:
    """The text, where it says one of them, without it; not where that is part of what `but` says."""
    cut, kept = ([said.strip() for said in group if said.strip()] for group in (words, but))
    if not cut:
        return text
    gone = whole(*cut)
    rest = whole(*cut, *kept).sub(lambda said: " " if gone.fullmatch(said[0]) else said[0], text)
    if rest == text:
        return text
    return _tidy(rest)


def _tidy(text: str) -> str:
    """A text that words are gone from: no bracket holds nothing, no comma or stop has nothing before it, and
    no "while" nothing after it."""
    text = re.sub(r"(?i)(?:\s+|(?<=\()|^)(?:while|as|and|with)\s*(?=[,;)]|\.(?!\S)|$)", "", text)
    text = re.sub(r"(?<=\()[\s,;]+|[\s,;]+(?=\))", "", text).replace("()", " ")
    text = re.sub(r"[,;.](?:\s+[,;.](?!\S))+", lambda run: "." if "." in run[0] else run[0][0], text)
    text = re.sub(r"\s+(?=[,;]|\.(?!\S))", "", text)
    return " ".join(re.sub(r"^(?:[\s,;]|\.(?!\S))+", "", text).split()).rstrip(" ,;")


def _brought(prompt: str, motions: Sequence[LoadedMotion]) -> tuple[list[str], dict[str, Tensor]]:
    """The words of each motion, and the embeddings (n, D) of the new ones among them.

    A word that means something else in another motion gets a number: each acts under what it was learned
    with. Where only the prompt could say which is meant, nothing is guessed.
    """
    said: list[str] = []
    found: dict[str, Tensor] = {}
    for motion in motions:
        words = motion.preset.motion
        for word, vectors in motion.tokens.items():
            name = word
            if _means_else(word, vectors, words, found, motions):
                if whole(word).search(prompt) or not whole(word).search(words):
                    raise UserError(
                        f"Two motions mean different things by the new word {word!r}.",
                        "Use one of the two, or learn one again under another word.",
                    )
                name = _numbered(word, vectors, found, [prompt, *(m.preset.motion for m in motions)])
                words = name.join(whole(word).split(words))
            found[name] = vectors
        said.append(words)
    return said, found


def _means_else(
    word: str, vectors: Tensor, words: str, found: Mapping[str, Tensor], motions: Sequence[LoadedMotion]
) -> bool:
    """Whether a word has other embeddings already, or stands in another motion's words as it always read."""
    if any(key(name) == key(word) and not torch.equal(known, vectors) for name, known in found.items()):
        return True
    ordinary = [m.preset.motion for m in motions if key(word) not in map(key, m.tokens)]
    return any(whole(word).search(text) for text in ordinary) and bool(whole(word).search(words))


def _numbered(word: str, vectors: Tensor, found: Mapping[str, Tensor], texts: Sequence[str]) -> str:
    """The word with a number that nothing else has, or that it got before."""
    taken = {key(name): known for name, known in found.items()}

    def free(name: str) -> bool:
        return key(name) not in taken and not any(whole(name).search(text) for text in texts)

    numbered = (f"{word}{number}" for number in count(2))
    return next(n for n in numbered if torch.equal(taken.get(key(n), NOTHING), vectors) or free(n))


def guided(family: Family, prompted: Prompted) -> Predict:
    """Classifier-free guidance (Ho & Salimans, arXiv 2207.12598) on the model's output; none at 1.

    Towards ε + Σ p_f (ε_m − ε) at frame f: ε under the prompt, ε_m with a motion's words, p_f its presence.
    """
    empty = [] if prompted.guidance == 1 else [prompted.empty]
    texts = [*empty, prompted.text, *(one.text for one in prompted.spoken)]

    def predict(x: Tensor, t: Tensor) -> Tensor:
        of_texts = predicted(family, x, t, *texts)
        *without, text = of_texts[: len(empty) + 1]
        towards = text
        for one, of_words in zip(prompted.spoken, of_texts[len(empty) + 1 :], strict=True):
            towards = towards + one.shares.to(x.dtype).view(-1, 1, 1) * (of_words - text)
        return away_from(without, towards, prompted.guidance)

    return predict


def away_from(without: Sequence[Tensor], text: Tensor, guidance: float) -> Tensor:
    """What is predicted under a text, led away from what is without words, if that is given."""
    return without[0] + guidance * (text - without[0]) if without else text


def predicted(family: Family, x: Tensor, t: Tensor, *texts: Tensor) -> Sequence[Tensor]:
    """What the base predicts of x (1, C, F, h, w) under each text (1, L, D)."""
    if family.plan.mode == "low":  # a fraction of the memory, one after the other
        return [family.predict(x, t, text) for text in texts]
    count = len(texts)
    return family.predict(torch.cat([x] * count), torch.cat([t] * count), torch.cat(texts)).chunk(count)
