"""When two strings look alike: the skeleton of UTS #39, section 4.

The table is the Unicode consortium's ``confusables.txt`` as the library ``confusable-homoglyphs`` ships it. It lists
every pair from both sides without saying which is the prototype; :func:`_prototypes` finds out.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from pkgutil import get_data

import ujson

# The data file shows right-to-left characters between two of these marks.
_LEFT_TO_RIGHT_MARK = "\u200e"


def skeleton(text: str) -> str:
    """Equal for strings that a reader may take for one another; not fit for display, not a normal form."""
    prototypes = _prototypes()
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFD", "".join(prototypes.get(c, c) for c in decomposed))


@lru_cache(maxsize=1)
def _prototypes() -> dict[str, str]:
    """Character -> the prototype that it is drawn like.

    In ``confusables.txt`` each character stands at most once on the left, next to its prototype, and a prototype
    never stands there. So what has one partner is mapped to it, and what has several is a prototype. Where each of
    two has only the other, either may stand for both, if the same one always does: the longer (a sequence is always
    a prototype), else the smaller.
    """
    # Its file, not its modules: those load an HTTP client and a second table too. And not before somebody asks: it is
    # a megabyte of JSON, which a client never needs.
    data = get_data("confusable_homoglyphs", "confusables.json")
    assert data is not None, "the library is not made of files"
    partners: dict[str, set[str]] = {}
    for character, entries in ujson.loads(data).items():
        found = partners.setdefault(_bare(character), set())
        found.update([_bare(entry["c"]) for entry in entries])
    prototypes = {}
    for character, found in partners.items():
        if len(character) != 1 or len(found) != 1:
            continue
        (other,) = found
        if len(partners[other]) > 1 or (len(other), character) > (1, other):
            prototypes[character] = other
    # A sequence may be spelled with the one of two that does not stand for both: ø is o and U+0338, and U+0337 it is.
    return {
        character: "".join(prototypes.get(c, c) for c in unicodedata.normalize("NFD", other))
        for character, other in prototypes.items()
    }


def _bare(text: str) -> str:
    return text.replace(_LEFT_TO_RIGHT_MARK, "")
