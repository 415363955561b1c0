"""Fold texts, so that case and width make no difference to a search.

Folded texts are compared by code points. The form is NFKC after full case folding (Unicode, section 3.13).
"""

from __future__ import annotations

import re
from unicodedata import normalize, unidata_version

# The tables of Unicode. An index that was made with others may lack what this program looks for.
TABLES = f"Unicode {unidata_version}"
# Stands between folded texts. A folded text never has it.
BETWEEN_FOLDED = b"\0"

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_LINK = re.compile(rb"https?://[^\s\x00]")


def fold(text: str) -> bytes:
    """Return the folded form of ``text``, in UTF-8."""
    return _fold(text.replace("\0", _REPLACEMENT))


def fold_joined(joined: bytes, separator: bytes) -> bytes:
    """Return the folded forms of texts in UTF-8 between which ``separator`` stands; then NUL stands between them.

    Texts that are folded together cost a fraction. NUL does not combine with its neighbours, so the result is the same.
    """
    joined = joined.replace(BETWEEN_FOLDED, _REPLACEMENT.encode())
    return _fold(joined.replace(separator, BETWEEN_FOLDED).decode(errors="replace"))


def has_link(folded: bytes) -> bool:
    """Return whether a folded text has a link."""
    return _LINK.search(folded) is not None


def _fold(text: str) -> bytes:
    if text.isascii():
        return text.lower().encode()
    # Folding the case may need another composition.
    return normalize("NFKC", normalize("NFKC", text).casefold()).encode()
