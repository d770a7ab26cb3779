"""Captions taken apart: who is seen, and what describes them."""

import re

from backend.api.settings import Wording

PLACES = (
    *("over", "on", "in", "under", "against", "with", "at", "above", "below", "before"),
    *("behind", "beside", "near", "through", "across", "of"),
)
COUNTS = ("a", "an", "the", "one", "two", "three", "four", "five", "several", "many", "some")


def without_looks(looks: str) -> str:
    """ "a red ball over a green field" → "a ball": who, without what describes them or where they are."""
    places = rf"\b({'|'.join(PLACES)})\b"
    words = re.split(places, looks.strip(), maxsplit=1, flags=re.IGNORECASE)[0].split()
    if not words:
        return ""
    count = words[0] if words[0].lower() in COUNTS and len(words) > 1 else ""
    if count.lower() in ("a", "an"):
        count = "an" if words[-1][0].lower() in "aeiou" else "a"
    return f"{count} {words[-1]}".strip()


def captioned(kind: Wording, looks: str, motion: str) -> str:
    """What a clip is learned under: the motion with who does it, alone, or with all that is seen."""
    seen = {"without looks": without_looks(looks), "motion only": "", "whole": looks}[kind]
    return f"{seen} {motion}".strip()


def describing_words(looks: str) -> list[str]:
    """ "a red ball over a green field" → red, ball, green, field."""
    words = re.findall(r"[\w'-]+", looks)
    return [word for word in words if word.lower() not in (*PLACES, *COUNTS, "and")]
