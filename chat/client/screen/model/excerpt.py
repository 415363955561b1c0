"""Hold an excerpt: a part of a log that is further back than what the log on the screen has.

It stands in place of the log, and grows at both ends while its reader moves. When it meets the log, it becomes a part
of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile

from chat.client.screen.model.entries import Entry
from chat.client.screen.model.views import Page, Position, View


class Excerpt(Page):
    """Hold a part of the log of ``log``. ``has_newer``: messages follow that the excerpt does not have yet.

    ``ends_with`` is the highest number of a message that was fetched.
    """

    __slots__ = ("ends_with", "has_newer", "log")

    def __init__(self, title: str, log: View, entries: Iterable[Entry] = ()) -> None:
        self.log = log
        self.has_newer = True
        self.ends_with: int | None = None
        super().__init__(title, entries)
        self.peer, self.room = log.peer, log.room

    def append(self, entry: Entry, *, is_new: bool = False, missed: bool = False) -> None:
        """Add a newer entry. It was said long ago, so it is not new, whatever the arguments say."""
        super().append(entry, is_new=False)

    def prepend(self, entries: Sequence[Entry]) -> int:
        """Add older entries. When the excerpt is full, the newest are dropped: the reader is at its other end."""
        has_dropped = False
        while self.entries and not self.has_room_for(entries):
            self.drop_newest()
            has_dropped = True
        count = super().prepend(entries)
        if has_dropped:
            numbers = (entry.seq for entry in reversed(self.entries))
            self.ends_with = next((number for number in numbers if number is not None), None)
            self.has_newer = True  # they can be fetched again
        return count

    def meets_log(self) -> bool:
        """Return whether nothing is missing between the excerpt and its log."""
        oldest = self.log.oldest()
        if oldest is None or self.ends_with is None:
            return not self.has_newer
        return not self.has_newer or self.ends_with >= oldest - 1

    def join_log(self) -> bool:
        """Move the entries that the log does not have to its top, with the reader. Return False if there is no room."""
        log, oldest, anchor = self.log, self.log.oldest(), self.anchor
        older = [
            *takewhile(
                lambda entry: oldest is None or entry.seq is None or entry.seq < oldest,
                self.entries,
            )
        ]
        if not log.has_room_for(older):
            return False
        read = self[min(max(anchor.number, self.first), self.last)] if anchor is not None else None
        log.prepend(older)
        log.above, log.has_start, log.reached = self.above, self.has_start, self.reached
        if read is not None and anchor is not None:
            same = (
                number
                for number, entry in enumerate(log.entries, log.first)
                if entry is read or (entry.seq is not None and entry.seq == read.seq)
            )
            number = next(same, log.first + len(older))
            log.scroll_to(Position(number, anchor.line))
        return True
