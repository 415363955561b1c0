"""Judge how well letters fit a name in which they stand in this order, with others between them."""

from __future__ import annotations

from operator import itemgetter

# What a letter is worth: at the start of a word, and right behind the letter before.
_AT_START, _AT_WORD, _CONSECUTIVE = 10, 8, 9
# The first letter loses one for each letter before it, up to this.
_MAX_LATE = 5


def fit(letters: str, name: str) -> tuple[int, tuple[int, ...]] | None:
    """Return how well ``letters`` fit ``name``, and the places that fit best; None if they do not. Both are folded."""
    if not _fits(letters, name):
        return None
    # By the place of the last letter: the best value of all ways to get there, and the places on this way.
    best: dict[int, tuple[int, tuple[int, ...]]] = {-1: (0, ())}
    for number, letter in enumerate(letters):
        following: dict[int, tuple[int, tuple[int, ...]]] = {}
        at = name.find(letter)
        while at >= 0:
            worth = _AT_START if at == 0 else 0 if name[at - 1].isalnum() else _AT_WORD
            most, way = -1000, None
            for last, (value, places) in best.items():
                total = value + (_CONSECUTIVE if number and at == last + 1 else 0)
                # Of ways that are worth the same, the one with the earlier letters.
                if last < at and total > most:
                    most, way = total, places
            if way is not None:
                following[at] = most + worth - (0 if number else min(at, _MAX_LATE)), (*way, at)
            at = name.find(letter, at + 1)
        best = following
    return max(best.values(), key=itemgetter(0))


def _fits(letters: str, name: str) -> bool:
    at = -1
    for letter in letters:
        at = name.find(letter, at + 1)
        if at < 0:
            return False
    return True
