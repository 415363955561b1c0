"""Read the text of an announcement by the operator, before it goes to everyone."""

from __future__ import annotations

import unicodedata


class BadAnnouncement(Exception):
    """The text cannot be announced. The text of the exception is a sentence for the operator."""


def read_announcement(text: object, limit: int) -> str:
    """Return a text of at most ``limit`` bytes without what a terminal would obey.

    The original clients print a text as it comes. Raises BadAnnouncement.
    """
    if not isinstance(text, str):
        raise BadAnnouncement("The command has no text.")
    lines = ("".join(filter(_is_harmless, line.expandtabs())) for line in text.splitlines())
    clean = "\n".join(line.rstrip() for line in lines).strip("\n")
    if not clean.strip():
        raise BadAnnouncement("The text is empty.")
    size = len(clean.encode())
    if size > limit:
        raise BadAnnouncement(f"The text has {size:,} bytes; the limit (max-text) is {limit:,}.")
    return clean


def _is_harmless(character: str) -> bool:
    """Return whether ``character`` is no control character, surrogate or bidirectional override."""
    category = unicodedata.category(character)
    return category not in ("Cc", "Cs") and character not in _OVERRIDES


# LRE to RLO, and LRI to PDI (UAX #9): they would reorder the words around the text.
_OVERRIDES = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
