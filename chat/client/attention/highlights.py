"""Find what is for the user in texts: their name, and words of their choice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from chat.client.attention.names_in_texts import FoundName, Mentions


class Mention(NamedTuple):
    """A text that mentioned the user. ``to`` is None if it was for everyone in ``room`` (None: the default room)."""

    moment: datetime
    sender: str
    text: str
    to: str | None = None
    room: str | None = None


class Highlights:
    """Find the name of the user and ``words``, each as a word, in any case."""

    def __init__(self, name: str, words: tuple[str, ...] = ()) -> None:
        self._all = [Mentions(word) for word in (name, *words)]

    def __contains__(self, text: str) -> bool:
        for each in self._all:  # noqa: SIM110 - a generator would cost as much as all else here
            if text in each:
                return True
        return False

    def finditer(self, text: str) -> Iterator[FoundName]:
        """Return the places of all words in ``text``, from left to right, as ``re.Pattern.finditer`` does."""
        end = 0
        # Of two words that overlap, such as "build" and "build bot", the longer one is marked.
        found = (place for each in self._all for place in each.finditer(text))
        for place in sorted(found, key=lambda place: (place.first, -place.behind)):
            if place.first >= end:
                end = place.behind
                yield place
