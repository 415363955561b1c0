"""When two strings look alike: the skeleton of UTS #39, section 4.

The table is the Unicode consortium's ``confusables.txt``, in the form that ``scripts/confusables.py`` gives it.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pathlib import Path

import ujson

TABLE = Path(__file__).with_name("confusables.json")


def skeleton(text: str) -> str:
    """Equal for strings that a reader may take for one another; not fit for display, not a normal form."""
    prototypes = _prototypes()
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(prototypes.get(c, c) for c in decomposed))


@lru_cache(maxsize=1)
def _prototypes() -> dict[str, str]:
    """Return the table: character -> the prototype that it looks like. Loaded late: clients never need it."""
    found = ujson.loads(TABLE.read_text(encoding="ascii"))
    return {character: prototype for prototype, alike in found.items() for character in alike}
