"""Keep the messages of this server in one order for everyone.

A message counts as said when the log commits its record. The log then calls its followers with the committed entries,
in order. The frames that users get are a view of the log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

from chat.process.offload import Outcome
from chat.protocol.notices import NoticeCode
from chat.protocol.runs import Run
from chat.server.directory.member import Member
from chat.server.history.stored import LogName

log = logging.getLogger(__name__)

# Seconds for which timestamps stand still after the clock was set back. Users do not notice a small step. After a large
# one the server must follow, or all messages would have the same time for hours.
MAX_HOLD = 60.0
_MICROS = 1_000_000


Settled = TypeVar("Settled", "Record", "Change")


class LogFull(Exception):
    """Report that the log takes no more records for now. The text is a sentence for the sender."""


class LogClosed(Exception):
    """Report that the log is closed and takes no more records."""


class Rejection(NamedTuple):
    """Say why a run was not delivered: the code and the sentence of the notice for its sender.

    ``is_fatal``: the server closes the connection after the notice.
    """

    notice: NoticeCode
    sentence: str
    is_fatal: bool = False


class Record:
    """Carry a run through the log, and then its outcome.

    A record is settled when its entry has been applied: either the run was delivered, or ``rejection`` tells why not.
    If ``append`` returns before that, the caller may set ``on_settled``, which is called once, when it happens.
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
        """Hold the large content of the run until the record is settled: the sender's session may end before that."""
        if self.run.large is not None:
            self.run.large.hold()
            self._held = True

    def settle(self, rejection: Rejection | None) -> None:
        """Store the outcome of the run (None: delivered), release the content, and call ``on_settled``."""
        self.rejection = rejection
        self.is_settled = True
        if self._held and self.run.large is not None:
            self.run.large.release()
        if self.on_settled is not None:
            _tell(self.on_settled, self)


class Change:
    """Carry a change of what all servers share through the log: an operation by its ``name``, and then its outcome.

    ``fields`` are values that JSON can hold. ``actor`` is the session that wants the change; None: a server or an
    operator. ``local`` is what only the server of the actor has and needs; it does not travel. ``writer`` names the
    server that has appended the change; empty for a single server.
    """

    __slots__ = ("actor", "fields", "local", "name", "on_settled", "outcome", "writer")

    def __init__(
        self,
        name: str,
        fields: Mapping[str, Any],
        actor: Member | None = None,
        local: object = None,
    ) -> None:
        self.name = name
        self.fields = fields
        self.actor = actor
        self.local = local
        self.writer = ""
        self.outcome: Outcome[Any] | None = None
        self.on_settled: Callable[[Change], object] | None = None

    @property
    def is_settled(self) -> bool:
        return self.outcome is not None

    def settle(self, outcome: Outcome[Any]) -> None:
        """Store what the operation returned or raised, and call ``on_settled``."""
        self.outcome = outcome
        if self.on_settled is not None:
            _tell(self.on_settled, self)


def _tell(on_settled: Callable[[Settled], object], what: Settled) -> None:
    """Call ``on_settled``. Its failure concerns one user, and must not end the log."""
    try:
        on_settled(what)
    except Exception:
        log.exception("cannot tell a user what the log has committed")


class Entry(NamedTuple):
    """Hold the records that are committed together.

    ``number`` counts the entries from 1 without gaps. ``timestamp`` is RFC 3339 in UTC. ``writer`` is that of Change.
    """

    number: int
    timestamp: str
    records: Sequence[Record | Change]
    writer: str = ""


class Log(Protocol):
    """Put records in one order for all followers.

    A caller must not rely on the moment of the commit: a log may commit inside ``append`` or seconds later. So the
    caller checks ``is_settled`` of the record, in both cases. ``is_shared``: other servers have the same log.
    """

    is_shared: bool

    def append(self, record: Record | Change) -> None:
        """Add ``record`` to the log, without waiting. Raises LogFull or LogClosed.

        A log that applies a change at once lets its operation wait, in the greenlet that calls.
        """

    def follow(self, apply: Callable[[Entry], None]) -> None:
        """Call ``apply`` with every entry from now on, in order, in the event loop."""

    def close(self, timeout: float) -> None:
        """Commit the appended records within ``timeout`` seconds, and take no more."""


class MemoryLog:
    """Commit each record inside ``append``, for a single server, and keep no record after that."""

    is_shared = False

    def __init__(self, timestamp: Callable[[], str]) -> None:
        self._timestamp = timestamp
        # None before the room follows, and after close: the log takes no records then.
        self._apply: Callable[[Entry], None] | None = None
        self._number = 0

    def follow(self, apply: Callable[[Entry], None]) -> None:
        self._apply = apply

    def append(self, record: Record | Change) -> None:
        if self._apply is None:
            raise LogClosed
        self._number += 1
        # Applied before this returns. So with this log, a session never queues an answer, and no callback runs.
        self._apply(Entry(self._number, self._timestamp(), (record,)))

    def close(self, timeout: float) -> None:
        self._apply = None


class Sequences:
    """Number the messages in each log that users see: that of the room, and that of each user's private messages.

    Each log counts from 1, without gaps.
    """

    def __init__(self) -> None:
        self._last: dict[LogName, int] = {}

    def assign(self, log: LogName, count: int) -> int:
        """Take the next ``count`` numbers of ``log``; return the first of them."""
        last = self._last.get(log, 0)
        self._last[log] = last + count
        return last + 1

    def last(self, log: LogName) -> int:
        """Return the last number that was taken; 0 for none."""
        return self._last.get(log, 0)

    def go_on_after(self, log: LogName, last: int) -> None:
        """Let the next number of ``log`` come after ``last``, unless greater ones were taken already."""
        self._last[log] = max(last, self._last.get(log, 0))

    def take_back(self, log: LogName, first: int) -> None:
        """Let the numbers of ``log`` from ``first`` on be taken again: nobody has heard of them."""
        if self.last(log) >= first:
            self._last[log] = first - 1

    def forget(self, log: LogName) -> None:
        """Let ``log`` begin at 1 again, and free its memory."""
        self._last.pop(log, None)


class Timestamps:
    """Return the current time at each call, such as ``2026-11-24T09:30:00.123456Z`` (RFC 3339, UTC).

    Timestamps never run backwards, with one exception: if the clock was set back and has not caught up after
    ``MAX_HOLD`` seconds, the timestamps follow the clock. ``clock`` returns seconds since 1970; ``monotonic`` returns
    the seconds of a clock that nobody sets.
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
        # The date is formatted once a second, since formatting costs far more than the rest, and a second has many
        # messages.
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
        return f"{self._prefix}{int((now - second) * _MICROS):06d}Z"

    def _hold(self, now: float) -> float:
        """Return the time to show while the clock is behind the last timestamp."""
        # By the monotonic clock, since the other one has just been set.
        if self._held_since is None:
            self._held_since = self._monotonic()
        if self._monotonic() - self._held_since < MAX_HOLD:
            return self._last
        log.warning("the clock was set back by %.0f s; timestamps follow it now", self._last - now)
        self._held_since = None
        return now


class LogClock:
    """The time for all that is decided and shown. Servers that share a log see the same time in the same entry.

    ``local`` is the clock of this machine.
    """

    def __init__(self) -> None:
        self.local = Timestamps()
        self._entry: tuple[str, float] | None = None

    def __call__(self) -> str:
        """Return a timestamp such as ``2026-11-24T09:30:00.123456Z`` (RFC 3339, UTC)."""
        return self.local() if self._entry is None else self._entry[0]

    def seconds(self) -> float:
        """Return seconds since 1970."""
        return time.time() if self._entry is None else self._entry[1]

    @contextmanager
    def at(self, micros: int) -> Iterator[str]:
        """Let the time stand still at ``micros`` microseconds since 1970; the block gets the timestamp."""
        seconds, rest = divmod(micros, _MICROS)
        date = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(seconds))
        timestamp = f"{date}{rest:06d}Z"
        self._entry = (timestamp, micros / _MICROS)
        try:
            yield timestamp
        finally:
            self._entry = None
