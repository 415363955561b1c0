"""A view: the log of the room, or of one private conversation, and what its reader has seen of it.

Entries are numbered from 0 on, for good: the oldest go, the numbers stay. What waits to be sent back by the server
stands below all entries, under the numbers that follow.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from chat.client.news import Tag
from chat.client.screen.entries import Entry, Pending

MAX_ENTRIES = 50_000
# In characters: so that fifty thousand texts of 64 KiB each don't take all memory.
MAX_WEIGHT = 16 * 1024 * 1024


class Position(NamedTuple):
    """A row of the log: the number of an entry, and which of its rows, from 0 on."""

    number: int
    line: int


class Draft(NamedTuple):
    """What is being written: ``cursor`` counts code points from the start of ``text``."""

    text: str = ""
    cursor: int = 0


class View:
    """``peer`` is with whom the conversation is; None: the room.

    ``anchor`` is the row at the bottom of the screen; None: the last one, whatever comes. ``unread`` counts messages
    that came while nobody looked, ``calls`` those of them that are for us (a mention, a private message).
    ``left_off`` is the number of the first entry that came then: a marker stands before it.
    """

    __slots__ = (
        "_is_shown",
        "_weight",
        "anchor",
        "calls",
        "draft",
        "entries",
        "first",
        "left_off",
        "peer",
        "pending",
        "unread",
    )

    def __init__(self, peer: str | None = None) -> None:
        self.peer = peer
        self.entries: deque[Entry] = deque()
        self.first = 0
        self.pending: list[Pending] = []
        self.anchor: Position | None = None
        self.unread = 0
        self.calls = 0
        self.left_off: int | None = None
        self.draft = Draft()
        self._weight = 0
        self._is_shown = False

    @property
    def end(self) -> int:
        """The number that the next entry will have."""
        return self.first + len(self.entries)

    @property
    def last(self) -> int:
        """The number at the very bottom, what is pending included; ``first`` - 1 if there is nothing."""
        return self.first + len(self.entries) + len(self.pending) - 1

    def __getitem__(self, number: int) -> Entry:
        """The entry ``number``, from ``first`` to ``last``."""
        index = number - self.first
        count = len(self.entries)
        return self.entries[index] if index < count else self.pending[index - count]

    def append(self, entry: Entry, *, calls: bool = False) -> None:
        """``calls``: it is for us."""
        entries = self.entries
        entries.append(entry)
        self._weight += entry.weight
        while len(entries) > MAX_ENTRIES or (self._weight > MAX_WEIGHT and len(entries) > 1):
            self._weight -= entries.popleft().weight
            self.first += 1
        if entry.is_message and not self.is_read:
            if not self.unread:
                self.left_off = self.end - 1
            self.unread += 1
            self.calls += calls

    def await_echo(self, pending: Pending) -> None:
        """We said something. Whoever speaks has caught up: back to the bottom, no marker."""
        self.pending.append(pending)
        self.left_off = None
        self.scroll_to(None)

    def take_pending(self, tag: Tag) -> Pending | None:
        """Remove and return what waits under ``tag``."""
        for index, pending in enumerate(self.pending):
            if pending.tag == tag:
                return self.pending.pop(index)
        return None

    def clear(self) -> None:
        """Forget all entries, not what is pending."""
        self.first = self.end
        self.entries.clear()
        self._weight = 0
        self.left_off = None
        self.scroll_to(None)

    @property
    def is_read(self) -> bool:
        """Whether what is appended is seen at once."""
        return self._is_shown and self.anchor is None

    def scroll_to(self, anchor: Position | None) -> None:
        self.anchor = anchor
        self._catch_up()

    def show(self, is_shown: bool) -> None:
        """Whether the view is on a screen that somebody looks at."""
        self._is_shown = is_shown
        self._catch_up()

    def _catch_up(self) -> None:
        """The marker stays until the next absence."""
        if self.is_read:
            self.unread = self.calls = 0
