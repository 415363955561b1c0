"""Keep the texts sent before, for Up and Down; the draft is kept while the user goes through them."""

from __future__ import annotations

from collections import deque

MAX_ENTRIES = 1000


class History:
    """Hold one position in a list of texts, from the oldest to the draft, which comes after the newest.

    A text that was changed on the way keeps its change until something is sent, as in readline.
    """

    def __init__(self, limit: int = MAX_ENTRIES) -> None:
        self._entries: deque[str] = deque(maxlen=limit)
        self._place = 0
        self._changed: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, text: str) -> None:
        """Add ``text``, which was sent. A draft that was left for an older text, and not sent, is added before it."""
        draft = self._changed.get(len(self._entries), "")
        if draft != text:
            self._append(draft)
        self._append(text)
        self._changed.clear()
        self._place = len(self._entries)

    @property
    def is_at_draft(self) -> bool:
        """Return whether the current text is the draft, not one that was sent before."""
        return self._place == len(self._entries)

    def begin_draft(self) -> None:
        """Go back to the draft, since the user begins a text with an empty input; not over a draft that was left."""
        if not self._changed.get(len(self._entries)):
            self._place = len(self._entries)

    def older(self, current: str) -> str | None:
        """Return the text before the current one, which now reads ``current``; None at the oldest text."""
        return self._go(-1, current)

    def newer(self, current: str) -> str | None:
        """Return the text after the current one, and at last the draft; None at the draft."""
        return self._go(1, current)

    def _append(self, text: str) -> None:
        # As in many shells, blank texts and repetitions are not kept.
        if text.strip() and not (self._entries and self._entries[-1] == text):
            self._entries.append(text)

    def _go(self, direction: int, current: str) -> str | None:
        place = self._place + direction
        if not 0 <= place <= len(self._entries):
            return None
        self._changed[self._place] = current
        self._place = place
        if place in self._changed:
            return self._changed[place]
        return self._entries[place] if place < len(self._entries) else ""
