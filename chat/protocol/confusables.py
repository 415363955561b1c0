"""Tell when two strings look alike: the skeleton of UTS #39, section 4.

The table is ``confusables.txt`` of the Unicode consortium, in the form that ``scripts/confusables.py`` gives it.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

import ujson

TABLE = Path(__file__).with_name("confusables.json")


def skeleton(text: str) -> str:
    """Return a string that is equal for texts that look alike; do not display it, it is no normal form either.

    Source: UTS #39, section 4.
    """
    prototypes = _prototypes()
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(prototypes.get(c, c) for c in decomposed))


@lru_cache(maxsize=1)
def _prototypes() -> dict[str, str]:
    """Return the table: character -> the prototype that it looks like. Loaded late: clients never need it."""
    found = ujson.loads(TABLE.read_text(encoding="ascii"))
    return {character: prototype for prototype, alike in found.items() for character in alike}
