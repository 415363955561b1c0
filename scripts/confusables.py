"""Make the table of characters that look alike: ``python -m scripts.confusables``.

``confusables.txt`` of the Unicode consortium, as the library ``confusable-homoglyphs`` ships it, lists every pair from
both sides without saying which is the prototype. :func:`prototypes` finds that out. This takes longer than the rest of
the server's start, so the server reads the table that is made here.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from pkgutil import get_data

from chat.protocol import confusables

# The data file shows right-to-left characters between two of these marks.
_LEFT_TO_RIGHT_MARK = "\u200e"


def main() -> None:
    """Write the table."""
    confusables.TABLE.write_text(table(), encoding="ascii")
    print(confusables.TABLE.relative_to(Path.cwd()))


def table() -> str:
    """Return the text of the file: each prototype, followed by all characters that are drawn like it."""
    found: dict[str, str] = {}
    for character, prototype in sorted(prototypes().items()):
        found[prototype] = found.get(prototype, "") + character
    return json.dumps(found, indent=0, sort_keys=True) + "\n"


def prototypes() -> dict[str, str]:
    """Return a table: character -> the prototype that it is drawn like.

    In ``confusables.txt`` each character stands at most once on the left, next to its prototype, and a prototype never
    stands there. So a character with one partner is mapped to that partner, and a character with several partners is a
    prototype. Where two characters have only each other, either may be the prototype, if it is always the same one: the
    longer text (a sequence is always a prototype), else the smaller.
    """
    # The file is read without importing the library, which would load an HTTP client.
    data = get_data("confusable_homoglyphs", "confusables.json")
    assert data is not None, "the library is not made of files"
    partners: dict[str, set[str]] = {}
    for character, entries in json.loads(data).items():
        found = partners.setdefault(_bare(character), set())
        found.update([_bare(entry["c"]) for entry in entries])
    prototypes = {}
    for character, found in partners.items():
        if len(character) != 1 or len(found) != 1:
            continue
        (other,) = found
        if len(partners[other]) > 1 or (len(other), character) > (1, other):
            prototypes[character] = other
    # A sequence may contain a character that has a prototype itself: ø is o and U+0338, whose prototype is U+0337.
    return {
        character: "".join(prototypes.get(c, c) for c in unicodedata.normalize("NFD", other))
        for character, other in prototypes.items()
    }


def _bare(text: str) -> str:
    return text.replace(_LEFT_TO_RIGHT_MARK, "")


if __name__ == "__main__":
    main()
