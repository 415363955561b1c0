"""Read what a user searches for: words, a sender, dates, and kinds of messages. Find it in texts.

The comparison is that of the server: parts of words, NFKC and full case folding (Unicode, section 3.13).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from chat.client.attention.names_in_texts import FoundName, fold, folded_with_places
from chat.client.conversation.recall.dates import parse_date
from chat.client.conversation.requests import FetchFound, RequestError
from chat.local_time import exact_timestamp
from chat.protocol.commands import Has
from chat.structs import Struct, replace

_LINK = re.compile("https?://")
_KINDS = ", ".join(has.value for has in Has)


class SearchTerms(Struct):
    """Describe messages: they have all ``words``, and fit all else that is not None.

    ``sender`` is a name, and ``room`` that of a room; None: the room that the user is looking at. They are not older
    than ``since``, and older than ``until``. ``has`` is a value of ``Has``.
    """

    words: tuple[str, ...] = ()
    sender: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    has: str | None = None
    room: str | None = None


def parse_terms(text: str) -> SearchTerms:
    """Read ``from:NAME``, ``in:ROOM``, ``before:DATE``, ``after:DATE``, ``has:KIND``, and words. Raises RequestError.

    >>> parse_terms("release from:alice has:link")
    SearchTerms(words=('release',), sender='alice', since=None, until=None, has='link', room=None)
    """
    terms = SearchTerms()
    words: list[str] = []
    for word in text.split():
        key, colon, value = word.partition(":")
        read = _READERS.get(key.lower()) if colon else None
        if read is None:
            words.append(word)
        else:
            terms = read(terms, value)
    return replace(terms, words=tuple(words))


def _read_sender(terms: SearchTerms, value: str) -> SearchTerms:
    if not value:
        raise RequestError("Expected from:NAME.")
    return replace(terms, sender=value)


def _read_room(terms: SearchTerms, value: str) -> SearchTerms:
    name = value.removeprefix("#")
    if not name:
        raise RequestError("Expected in:ROOM.")
    return replace(terms, room=name)


def _read_until(terms: SearchTerms, value: str) -> SearchTerms:
    return replace(terms, until=parse_date(value))


def _read_since(terms: SearchTerms, value: str) -> SearchTerms:
    return replace(terms, since=parse_date(value))


def _read_has(terms: SearchTerms, value: str) -> SearchTerms:
    try:
        return replace(terms, has=Has(value.lower()).value)
    except ValueError:
        raise RequestError(f"Expected has: and one of {_KINDS}.") from None


_READERS: dict[str, Callable[[SearchTerms, str], SearchTerms]] = {
    "from": _read_sender,
    "in": _read_room,
    "before": _read_until,
    "after": _read_since,
    "has": _read_has,
}


def found_by(terms: SearchTerms, **place: Any) -> FetchFound:
    """Return the request for messages that fit ``terms``; ``place`` has the other fields.

    A room in ``terms`` comes before that in ``place``.
    """
    if terms.room is not None:
        place["room"] = terms.room
    since, until = (
        None if moment is None else exact_timestamp(moment) for moment in (terms.since, terms.until)
    )
    return FetchFound(" ".join(terms.words), terms.sender, since, until, terms.has, **place)


def has_link(text: str) -> bool:
    """Return whether ``text`` has an address of a page."""
    return _LINK.search(fold(text)) is not None


class WordFinder:
    """Find ``words`` in texts: all of them, each also as a part of a word, in any case and width."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = [folded for word in words if (folded := fold(word))]
        # A fast path: a text in ASCII has no word that is not.
        self._are_ascii = all(word.isascii() for word in self._words)

    def are_in(self, text: str) -> bool:
        """Return whether ``text`` has all the words."""
        if text.isascii() and not self._are_ascii:
            return False
        folded = fold(text)
        for word in self._words:  # noqa: SIM110 - called for each entry of a log, where a generator would cost as much
            if word not in folded:
                return False
        return True

    def finditer(self, text: str) -> Iterator[FoundName]:
        """Return the places of the words in ``text``, from left to right; places that overlap are one."""
        folded, places = (
            (text.lower(), range(len(text) + 1)) if text.isascii() else folded_with_places(text)
        )
        found = sorted(place for word in self._words for place in _places(word, folded, places))
        while found:
            first, behind = found.pop(0)
            while found and found[0].first < behind:
                behind = max(behind, found.pop(0).behind)
            yield FoundName(first, behind)


def _places(word: str, folded: str, places: Sequence[int]) -> Iterator[FoundName]:
    start = folded.find(word)
    while start >= 0:
        # A part of a letter, such as one s of ß, is the whole letter.
        end = start + len(word)
        first = start
        while places[first] < 0:
            first -= 1
        while places[end] < 0:
            end += 1
        yield FoundName(places[first], places[end])
        start = folded.find(word, start + len(word))
