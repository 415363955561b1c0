"""Find a user's name in texts of any script, in any case and any form of Unicode.

A name is found where a word may begin and end. Chinese, Japanese, Thai and others write words without blanks between
them, and Korean writes particles right after a name: there, a word may begin and end beside every letter.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect
from collections.abc import Iterator
from typing import NamedTuple

# Scripts that write no blank where a name ends: the first and the last character of each block of Unicode. Python
# would take ten milliseconds at each start to compile a regular expression with all of them.
_UNSPACED = sorted(
    (
        *("\u0e00\u0fff", "\u1000\u109f"),  # Thai, Lao, Tibetan, Burmese
        *("\u1100\u11ff", "\uac00\ud7ff"),  # Hangul
        *("\u1780\u17ff", "\u1950\u19df", "\u1a20\u1aaf"),  # Khmer, the scripts of the Tai
        *("\u1b00\u1b7f", "\ua980\ua9ff"),  # Balinese, Javanese
        "\uaa60\uaadf",  # more Burmese and Tai
        *("\u3005\u3007", "\u3040\u312f", "\u31a0\u31bf", "\u31f0\u31ff"),  # kana, bopomofo
        "\U0001b000\U0001b16f",  # more kana
        *("\u3400\u9fff", "\ua000\ua4cf", "\uf900\ufaff", "\U00020000\U0003ffff"),  # Han, Yi
    )
)
# Japanese writes particles in hiragana, so a word in katakana ends where katakana ends.
_KATAKANA = ["\u30a1\u30fa", "\u30fc\u30ff", "\u31f0\u31ff"]


class FoundName(NamedTuple):
    """A part of a text, as ``re.Match`` tells it."""

    first: int
    behind: int

    def start(self) -> int:
        """Return the position of the first character."""
        return self.first

    def end(self) -> int:
        """Return the position behind the last character."""
        return self.behind


def fold(text: str) -> str:
    """Return what the spellings of one text have in common: NFKC, in any case."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def is_word_edge(left: str, right: str) -> bool:
    """Return whether a word may end between the characters ``left`` and ``right``."""
    if not (_is_in_words(left) and _is_in_words(right)):
        return True
    if _is_in(_KATAKANA, left) and _is_in(_KATAKANA, right):
        return False
    return is_unspaced(left) or is_unspaced(right)


def is_unspaced(character: str) -> bool:
    """Return whether the script of ``character`` writes no blank where a name ends."""
    return character >= "\u0e00" and _is_in(_UNSPACED, character)


def _is_in(blocks: list[str], character: str) -> bool:
    """Return whether ``character`` is in one of ``blocks``, which are sorted."""
    # With the greatest of all characters behind it, ``character`` comes behind a block that begins with it.
    place = bisect(blocks, character + "\U0010ffff") - 1
    return place >= 0 and character <= blocks[place][1]


def _is_in_words(character: str) -> bool:
    # A hyphen may continue a name (bob-2), while a dot after a name often ends a sentence.
    return (
        character.isalnum() or character in "_-" or unicodedata.category(character).startswith("M")
    )


class Mentions:
    """Find ``name`` in texts: as a word, in any case. An empty name is nowhere."""

    def __init__(self, name: str) -> None:
        self._name = fold(name)
        self._is_ascii = self._name.isascii()

    def __contains__(self, text: str) -> bool:
        # A fast path: it rules out nearly every text.
        if text.isascii() and not (self._is_ascii and self._name in text.lower()):
            return False
        return next(self.finditer(text), None) is not None

    def finditer(self, text: str) -> Iterator[FoundName]:
        """Return the places of the name in ``text``, as ``re.Pattern.finditer`` does."""
        if text.isascii():
            if self._name and self._is_ascii and self._name in (lower := text.lower()):
                yield from self._find(lower, range(len(lower) + 1))
        elif self._name and self._name in fold(text):
            yield from self._find(*folded_with_places(text))

    def _find(self, folded: str, places: range | list[int]) -> Iterator[FoundName]:
        """Find the name in ``folded``; ``places`` has the position in the text of each of its characters, or -1."""
        start = folded.find(self._name)
        while start >= 0:
            end = start + len(self._name)
            if _is_word(folded, start, end) and places[start] >= 0 and places[end] >= 0:
                yield FoundName(places[start], places[end])
                start = folded.find(self._name, end)
            else:
                start = folded.find(self._name, start + 1)


def _is_word(text: str, start: int, end: int) -> bool:
    starts = start == 0 or is_word_edge(text[start - 1], text[start])
    return starts and (end == len(text) or is_word_edge(text[end - 1], text[end]))


def folded_with_places(text: str) -> tuple[str, list[int]]:
    """Return ``fold(text)``, and for each of its characters the position in ``text`` where it begins.

    Characters that come of one letter with its marks belong together: only the first has a position, the others -1.
    """
    folded: list[str] = []
    places: list[int] = []
    start = 0
    for end in range(1, len(text) + 1):
        if end == len(text) or not _continues(text[end]):
            letter = fold(text[start:end])
            folded.append(letter)
            places += [start, *[-1] * (len(letter) - 1)] if letter else []
            start = end
    return "".join(folded), [*places, len(text)]


def _continues(character: str) -> bool:
    """Return whether ``character`` may form one letter with the character before it."""
    if character.isascii():
        return False
    first = unicodedata.normalize("NFKC", character)[0]
    # Vowels and final consonants of Hangul are no marks, and yet form a syllable with the letter before.
    return unicodedata.category(first).startswith("M") or "\u1160" <= character <= "\u11ff"
