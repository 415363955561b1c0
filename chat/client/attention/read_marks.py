"""Keep how far the user has read, and what the server does not know of it yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from chat.client.attention.names import folded
from chat.client.connection.events import RoomHistory


class ReadUpTo(NamedTuple):
    """A mark: the user has read up to the message ``seq`` of everyone, or of private messages with ``partner``."""

    seq: int
    partner: str | None = None


class UserMarks:
    """The marks of this user. ``look`` returns what the user sees now, for a frontend that can tell only when asked.

    ``counts``: somebody reads the output, so that what is shown is read.
    """

    def __init__(self) -> None:
        self.counts = True
        self.look: Callable[[], Iterable[ReadUpTo]] = tuple
        self._seen: dict[str | None, ReadUpTo] = {}
        self._known: dict[str | None, int] = {}  # to the server
        self._rest: int | None = None  # the server's mark for all partners that it does not name

    def note(self, mark: ReadUpTo) -> None:
        """Record that the user has read up to ``mark``. A mark never moves back."""
        log = _log(mark)
        seen = self._seen.get(log)
        if self.counts and (seen is None or seen.seq < mark.seq):
            self._seen[log] = mark

    def heard(self, mark: ReadUpTo) -> None:
        """Record that the server knows ``mark``."""
        log = _log(mark)
        self._known[log] = max(mark.seq, self._known.get(log, 0))

    def of(self, partner: str | None) -> int | None:
        """Return the number up to which the server knows that the user has read; None if it does not say."""
        if partner is None:
            return self._known.get(None)
        return self._known.get(folded(partner), self._rest)

    def enter(self, room: RoomHistory | None, mailbox: RoomHistory | None) -> None:
        """Take the marks that the server tells at a login. Those of guests are not stored."""
        self._known.clear()
        self._rest = None
        if room is not None and room.read is not None:
            self._known[None] = room.read
        if mailbox is not None and mailbox.read is not None:
            # The server names the partners with unread messages alone: all others are read to the end.
            self._rest = mailbox.last
            self._known.update((folded(each.name), each.read) for each in mailbox.partners)

    def take_new(self) -> list[ReadUpTo]:
        """Return the marks that the server does not know, each once."""
        for mark in self.look():
            self.note(mark)
        new = [mark for mark in self._seen.values() if mark.seq > (self.of(mark.partner) or 0)]
        for mark in new:
            self.heard(mark)
        return new

    def forget(self) -> None:
        """Forget all marks: messages are numbered anew."""
        self._seen.clear()
        self._known.clear()
        self._rest = None


def _log(mark: ReadUpTo) -> str | None:
    return None if mark.partner is None else folded(mark.partner)
