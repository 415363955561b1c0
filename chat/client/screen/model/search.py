"""Search a log for a text, and step from match to match.

A match is an entry that contains the text. The matches are counted as they are found, and entries that arrive later
are looked at when the next frame asks for the count.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from itertools import compress, islice
from typing import NamedTuple

from chat.client.screen.model.entries import Entry
from chat.client.screen.model.views import View


class MatchPlace(NamedTuple):
    """Say that the current match is ``number`` of ``total``, counted from the oldest, which is 1."""

    number: int
    total: int


class Search:
    """Search the log of ``view``, in any case.

    ``number`` is the entry of the current match; None if nothing was found. ``failed``: there is no further match in
    the last direction, which is towards newer entries if ``goes_newer``. ``pattern`` is what to mark.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.needle = ""
        self.number: int | None = None
        self.failed = False
        self.goes_newer = False
        self.pattern: re.Pattern[str] | None = None
        self._folded = ""
        # Matches are looked for from the bottom of the screen upward. None: the user follows new entries.
        self._start = None if view.anchor is None else view.anchor.number + 1
        self._matches: list[int] = []
        self._entries: list[
            Entry
        ] = []  # those of the matches, so that a longer text looks only at them
        # The entries that were looked at: from the first number, up to the second.
        self._looked_from = self._looked_at = view.first

    def find(self, needle: str) -> int | None:
        """Go to the nearest match from the bottom of the screen upward, or else to the first one below.

        Return its number, or None if there is no match.
        """
        narrows = bool(self.needle) and needle.startswith(self.needle)
        self.needle, self._folded = needle, needle.casefold()
        self.pattern = re.compile(re.escape(needle), re.IGNORECASE) if needle else None
        if narrows:
            self._narrow()
        else:
            self._look_at_all()
        self.number, self.goes_newer = None, False
        found = self._older(self.view.end if self._start is None else self._start)
        return self._go(found if found is not None else self._newer(self.view.first))

    def older(self) -> int | None:
        """Go to the match before; without one, stay."""
        self._look_at_new()
        self.goes_newer = False
        return self._go(self._older(self.view.end if self.number is None else self.number))

    def newer(self) -> int | None:
        """Go to the match after; without one, stay."""
        self._look_at_new()
        self.goes_newer = True
        return self._go(None if self.number is None else self._newer(self.number + 1))

    @property
    def place(self) -> MatchPlace | None:
        """Return which of all matches the current one is; None without a match."""
        self._look_at_new()
        if self.number is None or not self._matches:
            return None
        # The entry of the current match may have been dropped: then the oldest match that is left is the nearest.
        return MatchPlace(max(1, bisect_right(self._matches, self.number)), len(self._matches))

    def _go(self, found: int | None) -> int | None:
        self.failed = found is None and bool(self.needle)
        if found is not None:
            self.number = found
        return self.number

    def _older(self, end: int) -> int | None:
        """Return the nearest match before the entry ``end``."""
        index = bisect_left(self._matches, end)
        return self._matches[index - 1] if index else None

    def _newer(self, start: int) -> int | None:
        """Return the nearest match from the entry ``start`` on."""
        index = bisect_left(self._matches, start)
        return self._matches[index] if index < len(self._matches) else None

    def _look_at_all(self) -> None:
        self._matches, self._entries = [], []
        self._looked_from = self._looked_at = self.view.first
        self._look_at_new()

    def _narrow(self) -> None:
        """Drop the matches that the longer text does not match: they are all that it can match, and new entries."""
        still = [self._matched(entry) for entry in self._entries]
        self._matches = list(compress(self._matches, still))
        self._entries = list(compress(self._entries, still))
        self._look_at_new()

    def _look_at_new(self) -> None:
        """Look at the entries that have arrived, or were fetched, and forget those that were dropped."""
        view, matches = self.view, self._matches
        self._look_at_older()
        dropped = bisect_left(matches, view.first)
        del matches[:dropped], self._entries[:dropped]
        # The last entry too: joins and leaves may have been added to it since.
        start = max(self._looked_at - 1, view.first)
        if matches and matches[-1] == start:
            start += 1
        # Iterating over a deque is cheap; indexing in its middle is not.
        new = list(islice(reversed(view.entries), max(0, view.end - start)))
        for number, entry in enumerate(reversed(new), start):
            if self._matched(entry):
                matches.append(number)
                self._entries.append(entry)
        self._looked_at = view.end

    def _look_at_older(self) -> None:
        view = self.view
        older = islice(view.entries, max(0, self._looked_from - view.first))
        found = [
            (number, entry)
            for number, entry in enumerate(older, view.first)
            if self._matched(entry)
        ]
        self._matches[:0] = [number for number, _ in found]
        self._entries[:0] = [entry for _, entry in found]
        self._looked_from = view.first

    def _matched(self, entry: Entry) -> bool:
        if self.pattern is None:
            return False
        text = entry.search_text()
        # A fast path: folding is cheap and rules out nearly all of fifty thousand entries. Only other scripts have
        # letters that fold alike and yet do not match.
        return self._folded in text.casefold() and (
            (text.isascii() and self.needle.isascii()) or self.pattern.search(text) is not None
        )
