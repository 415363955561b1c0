"""Tell which characters Unicode 13 has, whatever version this Python knows.

Servers that share a log may run on different Pythons, the oldest of which (3.10) has Unicode 13. They compute the same
keys of names as long as all characters are in it: later versions never change how assigned characters are compared
(stability policy of Unicode). ``scripts/unicode_13.py`` makes the table.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from pathlib import Path

import ujson

TABLE = Path(__file__).with_name("unicode_13.json")
TOO_NEW = "This name has a character that is too new for some servers of this chat."
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def is_in_unicode_13(text: str) -> bool:
    """Return whether all characters of ``text`` are assigned in Unicode 13."""
    return text.isascii() or all(map(_is_assigned, text))


def in_unicode_13(text: str) -> str:
    """Return ``text`` with U+FFFD in place of each character that Unicode 13 does not have."""
    if is_in_unicode_13(text):
        return text
    return "".join(character if _is_assigned(character) else _REPLACEMENT for character in text)


def _is_assigned(character: str) -> bool:
    # The bounds are the beginnings of ranges that are assigned, and not assigned, by turns.
    return bisect_right(_bounds(), ord(character)) % 2 == 1


@lru_cache(maxsize=1)
def _bounds() -> list[int]:
    """Return the table. Loaded late: only servers of a cluster need it."""
    bounds: list[int] = ujson.loads(TABLE.read_text(encoding="ascii"))
    return bounds
