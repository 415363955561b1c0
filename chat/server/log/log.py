"""The log: what is said on this server, in the order that holds for everyone.

A message is said when its record is committed. The log calls whoever follows it with what is committed, in that order;
what users hear, and later what the disk keeps, is a view of the log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from chat.protocol.notices import NoticeCode
from chat.protocol.runs import Run
from chat.server.directory.member import Member

log = logging.getLogger(__name__)

# A clock that was set back is held for so many seconds, then followed.
MAX_HOLD = 60.0


class LogFull(Exception):
    """The log takes no more records for now."""


class LogClosed(Exception):
    """The log takes no more records."""


class Rejection(NamedTuple):
    """Why a run is not said: the code and the sentence of the notice for its sender.

    ``is_fatal``: the connection on which the run came is of no more use.
    """

    notice: NoticeCode
    sentence: str
    is_fatal: bool = False


class Record:
    """A run on its way through the log, and then what became of the run.

    A record is settled when its entry has been applied: the run was said, or ``rejection`` tells why not. If the log
    commits later than ``append`` returns, ``on_settled`` is called then.
    """

    __slots__ = ("_held", "is_settled", "on_settled", "rejection", "run", "sender")

    def __init__(self, sender: Member, run: Run) -> None:
        self.sender = sender
        self.run = run
        self.is_settled = False
        self.rejection: Rejection | None = None
        self.on_settled: Callable[[Record], object] | None = None
        self._held = False

    def hold(self) -> None:
        """Keep the large content of the run until the record is settled."""
        if self.run.large is not None:
            self.run.large.hold()
            self._held = True

    def settle(self, rejection: Rejection | None) -> None:
        """Note what became of the run, and tell its origin if the origin had to wait for that."""
        self.rejection = rejection
        self.is_settled = True
        if self._held and self.run.large is not None:
            self.run.large.release()
        if self.on_settled is not None:
            self.on_settled(self)


class Entry(NamedTuple):
    """What is committed together: ``number`` is dense from 1 on, ``timestamp`` is RFC 3339 in UTC."""

    number: int
    timestamp: str
    records: Sequence[Record]


class Log(Protocol):
    """An order of records that all who follow it agree on.

    A caller must not rely on the moment of the commit: a log may commit inside ``append`` or seconds later.
    """

    def append(self, record: Record) -> None:
        """Take ``record``, without waiting. Raises LogFull or LogClosed."""

    def follow(self, apply: Callable[[Entry], None]) -> None:
        """Call ``apply`` with every entry from now on, in order, in the event loop."""

    def close(self, timeout: float) -> None:
        """Commit what was appended, within ``timeout`` seconds, and take no more records."""


class MemoryLog:
    """The log of a single server: it commits each record inside ``append``, and keeps nothing."""

    def __init__(self, timestamp: Callable[[], str]) -> None:
        self._timestamp = timestamp
        self._apply: Callable[[Entry], None] | None = None
        self._number = 0

    def follow(self, apply: Callable[[Entry], None]) -> None:
        self._apply = apply

    def append(self, record: Record) -> None:
        if self._apply is None:
            raise LogClosed
        self._number += 1
        self._apply(Entry(self._number, self._timestamp(), (record,)))

    def close(self, timeout: float) -> None:
        self._apply = None


class Sequences:
    """The numbers of the messages in each log that users see: of a room, or of one user's private messages.

    Each log counts from 1, without gaps. Its name is ``ROOM``, or the key of a user name.
    """

    ROOM = ""  # no user name is empty

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def assign(self, log: str, count: int) -> int:
        """Return the first of the next ``count`` numbers of ``log``."""
        last = self._last.get(log, 0)
        self._last[log] = last + count
        return last + 1

    def forget(self, log: str) -> None:
        """Let ``log`` begin at 1 again."""
        self._last.pop(log, None)


class Timestamps:
    """Call it for the timestamp of now, such as ``2026-11-24T09:30:00.123456Z`` (RFC 3339, UTC).

    Timestamps never run backwards, except after the clock was set back by more than ``MAX_HOLD`` seconds can bridge.
    ``clock`` gives seconds since 1970, ``monotonic`` the seconds of a clock that nobody sets.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._last = 0.0
        self._held_since: float | None = None
        # Formatting a date costs far more than a lookup, and a second has many messages.
        self._second = -1
        self._prefix = ""

    def __call__(self) -> str:
        now = self._clock()
        if now < self._last:
            now = self._hold(now)
        else:
            self._held_since = None
        self._last = now
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._prefix}{int((now - second) * 1_000_000):06d}Z"

    def _hold(self, now: float) -> float:
        """Return the time to show, since the clock shows less than before."""
        if self._held_since is None:
            self._held_since = self._monotonic()
        if self._monotonic() - self._held_since < MAX_HOLD:
            return self._last
        log.warning("the clock was set back by %.0f s; timestamps follow it now", self._last - now)
        self._held_since = None
        return now
