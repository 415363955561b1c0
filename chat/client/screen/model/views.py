"""Hold a view: the log of a room or of a private conversation, or a page, and what its reader has seen.

Entries are numbered from 0; older ones that the reader fetches have negative numbers. The oldest are dropped; the
numbers of the others stay. Pending messages stand below all entries, under the numbers that follow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from chat.client.attention.names import folded
from chat.client.attention.notify import NotifyMode
from chat.client.attention.read_marks import ReadUpTo
from chat.client.conversation.ui_events import Tag
from chat.client.screen.model.entries import Entry, PageLine, Pending, is_own, log_of, peer_of
from chat.client.screen.model.rooms import ShownRoom

MAX_ENTRIES = 50_000
# In characters: fifty thousand texts of 64 KiB each would take 3 GiB.
MAX_WEIGHT = 16 * 1024 * 1024


class Position(NamedTuple):
    """Name a row of the log: the number of an entry, and the number of its row, from 0.

    Rules above an entry have negative numbers: they come and go, and the rows below them must not move.
    """

    number: int
    line: int


class Draft(NamedTuple):
    """Hold a draft; ``cursor`` counts code points from the start of ``text``."""

    text: str = ""
    cursor: int = 0


class Badge(NamedTuple):
    """Count the unread messages of a view that are worth a look, and those of them that are for the user."""

    unread: int = 0
    calls: int = 0


_SILENT = Badge()


class View:
    """Hold one log.

    ``peer`` is the other user of a private conversation; None otherwise. ``room`` is the room whose log this is; None
    for a private conversation. ``anchor`` is the row at the bottom of the
    screen; None means the last row, and to follow new entries. ``unread`` counts messages that came while the view was
    not on the screen, ``calls`` those of them that are for the user (a mention, a private message).

    An absence begins at the entry ``left_off``, before which a rule is drawn. Until the user was back, ``fresh``
    messages came, and ``called`` of them were for the user. ``since`` is the time of the last message before them
    (None: that of the entry above the rule).
    ``above`` are words about older messages, for a rule above all entries. ``has_start``: there are none.
    ``reached`` is the lowest number of a message that was fetched; its entry may be hidden.
    ``has_had_message`` stays True when the view is cleared. ``newest`` has the last message of each log that is shown
    here, by the folded name of its partner.
    """

    __slots__ = (
        "_first_unread",
        "_is_shown",
        "_numbered_from",
        "_weight",
        "above",
        "anchor",
        "called",
        "calls",
        "draft",
        "entries",
        "first",
        "fresh",
        "has_had_message",
        "has_start",
        "left_off",
        "newest",
        "peer",
        "pending",
        "reached",
        "room",
        "since",
        "unread",
    )

    def __init__(self, peer: str | None = None, room: ShownRoom | None = None) -> None:
        self.peer = peer
        self.room = room
        self.entries: deque[Entry] = deque()
        self.first = 0
        self.pending: list[Pending] = []
        self.anchor: Position | None = None
        self.unread = 0
        self.calls = 0
        self.left_off: int | None = None
        self.fresh = 0
        self.called = 0
        self.since: datetime | None = None
        self.has_had_message = False
        self.newest: dict[str | None, ReadUpTo] = {}
        self.draft = Draft()
        self.above: str | None = None
        self.has_start = False
        self.reached: int | None = None
        # Entries before this one have numbers that mean nothing any more. None: there are no such entries.
        self._numbered_from: int | None = None
        # The number of the first unread message of the room, if it is known.
        self._first_unread: int | None = None
        self._weight = 0
        self._is_shown = False

    @property
    def room_name(self) -> str | None:
        """Return the name of the room; None for the default room, and for a private conversation."""
        return None if self.room is None else self.room.name

    @property
    def badge(self) -> Badge:
        """Return what to show beside the name of the view while another one is shown."""
        if self.room is not None and self.room.notify is NotifyMode.NONE:
            return _SILENT
        return Badge(self.unread, self.calls)

    @property
    def end(self) -> int:
        """Return the number that the next entry will have."""
        return self.first + len(self.entries)

    @property
    def last(self) -> int:
        """Return the number of the last entry or pending message; ``first`` - 1 if there is none."""
        return self.first + len(self.entries) + len(self.pending) - 1

    def __getitem__(self, number: int) -> Entry:
        """Return the entry ``number``, from ``first`` to ``last``."""
        index = number - self.first
        count = len(self.entries)
        return self.entries[index] if index < count else self.pending[index - count]

    def append(self, entry: Entry, *, is_new: bool = True, missed: bool = False) -> None:
        """Add ``entry``. Only what ``is_new`` counts as unread; ``missed``: it belongs to an absence in any case."""
        entries = self.entries
        entries.append(entry)
        self._weight += entry.weight
        self.has_had_message = self.has_had_message or entry.is_message
        if entry.seq is not None:
            self._note_number(entry, entry.seq)
        # The newest entry stays, however much memory it takes.
        while len(entries) > MAX_ENTRIES or (self._weight > MAX_WEIGHT and len(entries) > 1):
            self._drop_oldest()
        if not is_new or not entry.is_message or (self.is_read and not missed):
            return
        # The rule stands before the first message of an absence, and later ones do not move it.
        if not self.unread and not missed:
            self.begin_absence(self.end - 1)
        self.fresh += 1
        self.called += entry.calls
        if not self.is_read:
            self.unread += 1
            self.calls += entry.calls
            if self._first_unread is None and log_of(entry) is None:
                self._first_unread = entry.seq

    def _drop_oldest(self) -> None:
        self._weight -= self.entries.popleft().weight
        self.first += 1
        # What was dropped can be fetched again.
        self.above, self.has_start, self.reached = None, False, None

    def prepend(self, entries: Sequence[Entry]) -> int:
        """Add older ``entries`` above all others, the last of them first, and return how many found room.

        The rows on the screen do not move, so nothing is dropped for older entries.
        """
        if self._numbered_from is not None and self._numbered_from <= self.first:
            self._numbered_from = None
        count = 0
        for entry in reversed(entries):
            weight = entry.weight
            if len(self.entries) >= MAX_ENTRIES or self._weight + weight > MAX_WEIGHT:
                break
            self.entries.appendleft(entry)
            self.first -= 1
            self._weight += weight
            self.has_had_message = self.has_had_message or entry.is_message
            if entry.seq is not None:
                self._note_number(entry, entry.seq)
            count += 1
        return count

    def drop_newest(self) -> None:
        """Drop the newest entry."""
        self._weight -= self.entries.pop().weight

    def has_room_for(self, entries: Sequence[Entry]) -> bool:
        """Return whether ``prepend`` would add all of ``entries``."""
        weight = self._weight + sum(entry.weight for entry in entries)
        return len(self.entries) + len(entries) <= MAX_ENTRIES and weight <= MAX_WEIGHT

    @property
    def has_old_numbers(self) -> bool:
        """Return whether there are messages whose numbers mean nothing any more."""
        return self._numbered_from is not None and self._numbered_from > self.first

    def oldest(self) -> int | None:
        """Return the number before which older messages of the log of this view are: the lowest that is known."""
        log = None if self.peer is None else folded(self.peer)
        shown = (
            entry.seq
            for entry in self._entries_from(max(self.first, self._numbered_from or self.first))
            if entry.seq is not None and log_of(entry) == log
        )
        known = [number for number in (next(shown, None), self.reached) if number is not None]
        return min(known) if known else None

    @property
    def read_up_to(self) -> int | None:
        """Return the number of the last message of the room before all that is unread; None if no number is known."""
        if self._first_unread is not None:
            return self._first_unread - 1
        newest = self.newest.get(None)
        return None if newest is None or self.unread else newest.seq

    def number_of(self, seq: int) -> int:
        """Return the number of the first entry of the view's log with the number ``seq`` or a higher one."""
        log = None if self.peer is None else folded(self.peer)
        start = max(self.first, self._numbered_from or self.first)
        for number, entry in enumerate(self._entries_from(start), start):
            if entry.seq is not None and entry.seq >= seq and log_of(entry) == log:
                return number
        return self.last

    def _note_number(self, entry: Entry, seq: int) -> None:
        log = log_of(entry)
        newest = self.newest.get(log)
        if newest is None or newest.seq < seq:
            peer = peer_of(entry)
            self.newest[log] = ReadUpTo(seq, peer, self.room_name if peer is None else None)

    def begin_absence(self, first: int, since: datetime | None = None) -> None:
        """Place the rule before the entry ``first``; leave it where it is while older messages are unread."""
        if not self.unread:
            self.left_off, self.since = first, since
            self.fresh = self.called = 0

    def read_elsewhere(self, mark: ReadUpTo) -> None:
        """Count the messages up to ``mark`` as read: the user has seen them on another device."""
        if self.left_off is None:
            return
        log = None if mark.partner is None else folded(mark.partner)
        start = max(self.left_off, self.first)
        absent = islice(
            (
                (number, entry)
                for number, entry in enumerate(self._entries_from(start), start)
                if entry.is_message and not is_own(entry)
            ),
            self.fresh,
        )
        unread = [
            (number, entry)
            for number, entry in absent
            if (self._numbered_from is not None and number < self._numbered_from)
            or entry.seq is None
            or entry.seq > mark.seq
            or log_of(entry) != log
        ]
        self.left_off = unread[0][0] if unread else None
        self.fresh = len(unread)
        self.called = sum(entry.calls for _, entry in unread)
        if not self.is_read:
            self.unread, self.calls = self.fresh, self.called
            numbers = (entry.seq for _, entry in unread if log_of(entry) is None)
            self._first_unread = next(numbers, None)

    def renumber(self) -> None:
        """Forget the numbers of all messages: further ones are counted anew."""
        self._numbered_from = self.end
        self.above, self.has_start, self.reached = None, False, None
        self.newest.clear()
        self._first_unread = None

    def _entries_from(self, number: int) -> Iterator[Entry]:
        return islice(self.entries, number - self.first, None)

    def await_echo(self, pending: Pending) -> None:
        """Add a message that is being sent, and scroll to the bottom: a user who writes has read the log."""
        self.pending.append(pending)
        self.has_had_message = True
        self.left_off = None
        self.scroll_to(None)

    def pop_pending(self, tag: Tag) -> Pending | None:
        """Remove and return the message that waits under ``tag``."""
        for index, pending in enumerate(self.pending):
            if pending.tag == tag:
                return self.pending.pop(index)
        return None

    def clear(self) -> None:
        """Drop all entries; pending messages stay."""
        self.first = self.end
        self.entries.clear()
        self._weight = 0
        self.left_off = None
        self.above, self.has_start, self.reached = None, False, None
        self.scroll_to(None)

    @property
    def is_read(self) -> bool:
        """Return whether the user sees a new entry at once."""
        return self._is_shown and self.anchor is None

    def scroll_to(self, anchor: Position | None) -> None:
        """Put ``anchor`` at the bottom of the screen; None follows new entries."""
        self.anchor = anchor
        self._catch_up()

    def show(self, is_shown: bool) -> None:
        """Record whether the view is on a screen that the user looks at."""
        self._is_shown = is_shown
        self._catch_up()

    def _catch_up(self) -> None:
        """Reset the counters if the view is read; the rule stays until the next absence."""
        if self.is_read:
            self.unread = self.calls = 0
            self._first_unread = None


class Page(View):
    """Hold something to read in place of the log, such as the list of keys. The reader begins at its first line."""

    __slots__ = ("title",)

    def __init__(self, title: str, entries: Iterable[Entry] = ()) -> None:
        super().__init__()
        self.title = title
        for entry in entries:
            self.append(entry)
        self.anchor = Position(self.first, 0)

    @property
    def is_help(self) -> bool:
        """Return whether the page has lines of help, rather than messages."""
        return bool(self.entries) and isinstance(self.entries[0], PageLine)
