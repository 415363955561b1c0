"""Find emoji by the beginnings of their names, such as ``smi`` for 😄.

``scripts/emoji_names`` makes the table of names. It is read when a user first completes a name.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import ujson

TABLE = Path(__file__).with_name("emoji.json")
# More than anybody goes through.
MAX_FOUND = 60


class FoundEmoji(NamedTuple):
    """Hold an emoji, and the name by which it was found."""

    character: str
    name: str


def find_emoji(begun: str) -> list[FoundEmoji]:
    """Return the emoji with a name, or a word of a name, that begins with ``begun``; the likeliest first.

    An emoji of exactly this name comes first, then those whose name begins so; shorter names before longer ones.
    """
    begun = begun.lower()
    found: list[tuple[int, int, str, str]] = []
    for character, names in _table():
        ranked = [
            (rank, len(name), name) for name in names if (rank := _rank(name, begun)) is not None
        ]
        if ranked:
            found.append((*min(ranked), character))
    found.sort()
    return [FoundEmoji(character, name) for _, _, name, character in found[:MAX_FOUND]]


def _rank(name: str, begun: str) -> int | None:
    if name.startswith(begun):
        return 0 if name == begun else 1
    return 2 if f"_{begun}" in name else None


@cache
def _table() -> tuple[tuple[str, tuple[str, ...]], ...]:
    table = ujson.loads(TABLE.read_text(encoding="utf-8"))
    return tuple((character, tuple(names.split())) for character, names in table.items())
