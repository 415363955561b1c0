"""Keep how far the user has read, and what the server does not know of it yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from chat.client.attention.names import folded
from chat.client.connection.events import RoomFacts, RoomHistory
from chat.client.state.places import ROOM, LogKey, room_log

# The folded name of the other user of private messages; None and the log of a room.
_Log: TypeAlias = tuple[str, None] | tuple[None, LogKey]


class ReadUpTo(NamedTuple):
    """A mark: the user has read up to the message ``seq`` of a room, or of private messages with ``partner``.

    ``room`` is None for the default room, and beside a ``partner``.
    """

    seq: int
    partner: str | None = None
    room: str | None = None


class UserMarks:
    """The marks of this user. ``look`` returns what the user sees now, for a frontend that can tell only when asked.

    ``counts``: somebody reads the output, so that what is shown is read.
    """

    def __init__(self) -> None:
        self.counts = True
        self.look: Callable[[], Iterable[ReadUpTo]] = tuple
        self._seen: dict[_Log, ReadUpTo] = {}
        self._known: dict[_Log, int] = {}  # to the server
        self._rest: int | None = None  # the server's mark for all partners that it does not name
        self._kept: dict[_Log, int] = {}  # by an earlier run of the client

    def note(self, mark: ReadUpTo) -> None:
        """Record that the user has read up to ``mark``. A mark never moves back."""
        log = _log(mark)
        seen = self._seen.get(log)
        if self.counts and (seen is None or seen.seq < mark.seq):
            self._seen[log] = mark

    def restore(self, mark: ReadUpTo) -> None:
        """Take a mark that an earlier run of the client has kept; it counts if the server knows none, as for guests."""
        self._kept[_log(mark)] = mark.seq

    def heard(self, mark: ReadUpTo) -> None:
        """Record that the server knows ``mark``."""
        log = _log(mark)
        self._known[log] = max(mark.seq, self._known.get(log, 0))

    def of(self, partner: str | None, room: str | None = None) -> int | None:
        """Return the number up to which the user has read, as the server or an earlier run knows it; None: unknown."""
        log = _log(ReadUpTo(0, partner, room))
        known = self._known.get(log, None if partner is None else self._rest)
        return self._kept.get(log) if known is None else known

    def enter(
        self,
        room: RoomHistory | None,
        mailbox: RoomHistory | None,
        rooms: Iterable[RoomFacts] = (),
    ) -> None:
        """Take the marks that the server tells at a login: of the default room, the private messages, other rooms.

        Those of guests are not stored.
        """
        self._known.clear()
        self._rest = None
        if room is not None and room.read is not None:
            self._known[None, ROOM] = room.read
        for facts in rooms:
            self.enter_room(facts)
        if mailbox is not None and mailbox.read is not None:
            # The server names the partners with unread messages alone: all others are read to the end.
            self._rest = mailbox.last
            self._known.update(((folded(each.name), None), each.read) for each in mailbox.partners)

    def enter_room(self, facts: RoomFacts) -> None:
        """Take the mark that the server tells of a room that the user is in from now on."""
        if facts.history is not None and facts.history.read is not None:
            self._known[_log(ReadUpTo(0, None, facts.name))] = facts.history.read

    def take_new(self) -> list[ReadUpTo]:
        """Return the marks that the server does not know, each once."""
        for mark in self.look():
            self.note(mark)
        new = [mark for mark in self._seen.values() if mark.seq > self._known_of(mark)]
        for mark in new:
            self.heard(mark)
        return new

    def _known_of(self, mark: ReadUpTo) -> int:
        """Return the server's mark for the log of ``mark``, 0 if it has none."""
        return self._known.get(_log(mark), 0 if mark.partner is None else self._rest or 0)

    def forget(self) -> None:
        """Forget all marks: messages are numbered anew."""
        self._kept.clear()
        self._seen.clear()
        self._known.clear()
        self._rest = None


def _log(mark: ReadUpTo) -> _Log:
    return (None, room_log(mark.room)) if mark.partner is None else (folded(mark.partner), None)
