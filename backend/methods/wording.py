"""Captions taken apart: who is seen, and what describes them."""

import re

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


def describing_words(looks: str) -> list[str]:
    """ "a red ball over a green field" → red, ball, green, field."""
    words = re.findall(r"[\w'-]+", looks)
    return [word for word in words if word.lower() not in (*PLACES, *COUNTS, "and")]
