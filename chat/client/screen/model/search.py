"""Search a log for a text, and step from match to match."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from chat.client.screen.model.views import View


class Search:
    """Search the log of ``view``, in any case.

    ``number`` is the entry of the current match; None if nothing was found. ``failed``: there is no further match in
    the last direction. ``pattern`` is what to mark.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.needle = ""
        self.number: int | None = None
        self.failed = False
        self.pattern: re.Pattern[str] | None = None

    def find(self, needle: str) -> int | None:
        """Go to the newest entry that contains ``needle``, and return its number or None."""
        self.needle = needle
        self.pattern = re.compile(re.escape(needle), re.IGNORECASE) if needle else None
        self.number = None
        return self.older()

    def older(self) -> int | None:
        """Go to the match before; without one, stay."""
        return self._go(self._older(self.view.end if self.number is None else self.number))

    def newer(self) -> int | None:
        """Go to the match after; without one, stay."""
        return self._go(None if self.number is None else self._newer(self.number + 1))

    def _go(self, found: int | None) -> int | None:
        self.failed = found is None and bool(self.needle)
        if found is not None:
            self.number = found
        return self.number

    def _older(self, end: int) -> int | None:
        """Return the nearest match before the entry ``end``."""
        view = self.view
        # Iterating over a deque is cheap; indexing in its middle is not.
        skipped = view.end - end
        texts = (entry.search_text() for entry in islice(reversed(view.entries), skipped, None))
        found = self._first_match(texts)
        return None if found is None else end - 1 - found

    def _newer(self, start: int) -> int | None:
        """Return the nearest match from the entry ``start`` on."""
        view = self.view
        start = max(start, view.first)
        texts = (entry.search_text() for entry in islice(view.entries, start - view.first, None))
        found = self._first_match(texts)
        return None if found is None else start + found

    def _first_match(self, texts: Iterator[str]) -> int | None:
        if self.pattern is None:
            return None
        folded = self.needle.casefold()
        for index, text in enumerate(texts):
            # A fast path: folding is cheap and rules out nearly all of fifty thousand entries.
            if folded in text.casefold() and self.pattern.search(text):
                return index
        return None
