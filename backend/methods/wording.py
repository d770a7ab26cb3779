"""Captions taken apart: who is seen, and what describes them."""

import re

from backend.api.settings import Wording

PLACES = (
    *("over", "on", "in", "under", "against", "with", "at", "above", "below", "before"),
    *("behind", "beside", "near", "through", "across", "of"),
)
COUNTS = ("a", "an", "the", "one", "two", "three", "four", "five", "several", "many", "some")
SLOWLY = "slowly"  # what a clip at half its speed is learned under besides
CLAUSES = ("who", "that", "which", "while", "as")
NOUNS = (  # that end as what somebody does
    *("ring", "earring", "king", "wing", "thing", "string", "spring", "swing", "building", "painting"),
    *("drawing", "clothing", "ceiling", "duckling", "sibling", "darling", "pudding", "wedding", "being"),
)


ADVERBS = ("together", "alone", "around", "away", "back", "forward", "up", "down", "fast", "there", "here")


def without_looks(looks: str) -> str:
    """ "a red ball over a green field" → "a ball": who, without what describes them or where they are."""
    ends = rf"\b({'|'.join((*PLACES, *CLAUSES))})\b"
    seen = re.split(ends, looks.strip(), maxsplit=1, flags=re.IGNORECASE)[0]
    each = re.split(rf"\band\s+(?=({'|'.join(COUNTS)})\b)", seen, flags=re.IGNORECASE)[::2]
    return " and ".join(who for who in map(_who, each) if who)


def _who(seen: str) -> str:
    """ "two happy people dancing" → "two people"."""
    words = [word for word in (part.strip(",.;:!?") for part in seen.split()) if word]
    if not words:
        return ""
    count = words.pop(0) if words[0].lower() in COUNTS and len(words) > 1 else ""
    does = (i for i in range(1, len(words)) if _does(*map(str.lower, words[i : i + 2])))
    who = words[next(does, len(words)) - 1]
    if count.lower() in ("a", "an"):
        count = "an" if who[0].lower() in "aeiou" else "a"
    return f"{count} {who}".strip()


def _does(word: str, after: str = "") -> bool:
    """Whether it says what somebody does ("riding a horse", "dancing together"), not how somebody is ("a big
    flying bird"); or, before a place ("dressed in white"), what was done."""
    ends = not after or after in (*COUNTS, *ADVERBS, "and") or after.endswith("ly")
    doing = word.endswith("ing") and word not in NOUNS
    return ends and (doing or (not after and word.endswith("ed") and len(word) > 5))


def captioned(kind: Wording, looks: str, motion: str) -> str:
    """What a clip is learned under: the motion with who does it, alone, or with all that is seen."""
    seen = {"without looks": without_looks(looks), "motion only": "", "whole": looks}[kind]
    return f"{seen} {motion}".strip()


def describing_words(looks: str) -> list[str]:
    """ "a red ball over a green field" → red, ball, green, field."""
    words = re.findall(r"[\w'-]+", looks)
    return [word for word in words if word.lower() not in (*PLACES, *COUNTS, "and")]
