"""Put records into a log that several servers share, and apply what comes back."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from gevent.event import Event

from chat.process.offload import Outcome
from chat.protocol.descriptor import MessageType
from chat.protocol.frames import Frame
from chat.protocol.headers import ServerHeader, encode_server_header, parse_server_header
from chat.protocol.notices import SERVER_NAME, NoticeCode
from chat.protocol.runs import Run
from chat.server.cluster.log_entry import EntryId, LogEntry
from chat.server.delivery.awaited import AwaitedContent
from chat.server.directory.member import Member
from chat.server.log.log import Change, Entry, LogClock, LogClosed, LogFull, Record
from chat.server.log.unicode_13 import in_unicode_13
from chat.server.replication.record_codec import EncodedChange, decode, encode

log = logging.getLogger("chat.server")

GONE = "gone"  # the operation that a fence stands for: a server has ended, and all its sessions with it
# The part of the records that may wait for the log which messages take at most. The rest is for logins and leaves.
_FOR_RUNS = 0.8
# Senders are read no further while so much of that part is taken.
_CROWDED = 0.5
_LEFT = "The server has left its cluster, and does not know whether this was done."
_FULL = "The server cannot confirm messages now; try again in a moment."


class Replicated(Protocol):
    """List what is used of ``ReplicatedLog``."""

    incarnation: str

    @property
    def applied(self) -> EntryId: ...

    @property
    def waiting(self) -> tuple[int, int]: ...

    def append(self, record: bytes) -> None: ...

    def close(self, timeout: float) -> bool: ...


class Bounds(Protocol):
    """List what is used of ``ReplicationLimits``."""

    @property
    def max_waiting(self) -> int: ...

    @property
    def max_waiting_records(self) -> int: ...


class NowhereContent(AwaitedContent):
    """A content that cannot be had, in a server without connections to others."""

    def __init__(self, size: int, digest: bytes | None, home: str) -> None:
        super().__init__(size)

    def await_frame(self, frame: Frame) -> Frame:
        return content_away(frame, "The content is at another server.")


def content_away(frame: Frame, sentence: str) -> Frame:
    """Return the notice that takes the place of ``frame``, whose content cannot be had."""
    about = parse_server_header(frame.header)
    # An answer on a transfer connection, or a message to a user who gets contents whole.
    code = NoticeCode.GONE if about.size is not None else NoticeCode.ANNOUNCEMENT
    header = ServerHeader(SERVER_NAME, about.timestamp, notice=code.value, nonce=about.nonce)
    text = f"{about.sender} sent {about.filename}. {sentence}" if about.filename else sentence
    return Frame(MessageType.UTF8, encode_server_header(header), text.encode())


def _readable_everywhere(run: Run) -> Run:
    """Return ``run`` with an address that every server understands alike: no user and no room has another name."""
    to, room = run.to, run.room
    if to is None and room is None:
        return run
    return run._replace(
        to=in_unicode_13(to) if to is not None else None,
        room=in_unicode_13(room) if room is not None else None,
    )


class SharedLog:
    """The ``Log`` of a server in a cluster.

    ``find`` returns the session with a number of a server run; None if it is not connected. ``on_applied`` is called
    behind each entry.
    """

    is_shared = True

    def __init__(
        self,
        clock: LogClock,
        find: Callable[[str, int], Member | None],
        bounds: Bounds,
        on_applied: Callable[[], object] = lambda: None,
    ) -> None:
        self.clock = clock
        self._find = find
        self._bounds = bounds
        self._on_applied = on_applied
        # Makes what stands for a content, from its size, its SHA-256, and the server run that has it.
        self.await_content: Callable[[int, bytes | None, str], AwaitedContent] = NowhereContent
        self._apply: Callable[[Entry], None] | None = None
        self._replicated: Replicated | None = None
        self._is_closed = False
        # The records of this server that have not come back, in order.
        self._own: deque[Record | Change] = deque()
        self._has_room = Event()
        self._has_room.set()

    def follow(self, apply: Callable[[Entry], None]) -> None:
        """Call ``apply`` with every entry from now on."""
        self._apply = apply

    def use(self, replicated: Replicated) -> None:
        """Append to ``replicated`` from now on, which gives its entries to ``take``."""
        self._replicated = replicated

    @property
    def incarnation(self) -> str:
        """The name of this run of the server, in the log."""
        return self._replicated.incarnation if self._replicated is not None else ""

    def append(self, record: Record | Change) -> None:
        """Append ``record``; it comes to the follower when the engine has it. Raises LogFull or LogClosed."""
        replicated = self._replicated
        if replicated is None or self._is_closed:
            raise LogClosed
        if isinstance(record, Record) and self._taken() >= _FOR_RUNS:
            raise LogFull(_FULL)
        if isinstance(record, Record):
            record.run = _readable_everywhere(record.run)
        replicated.append(encode(record, replicated.incarnation))
        self._own.append(record)
        if self._has_room.is_set() and self._taken() >= _FOR_RUNS * _CROWDED:
            self._has_room.clear()

    def wait_for_room(self, timeout: float) -> bool:
        """Wait while very much waits for the engine, at most ``timeout`` seconds; return whether there is room."""
        return self._has_room.wait(timeout)

    def take(self, entry: LogEntry) -> None:
        """Apply an entry of the log."""
        assert self._apply is not None, "the room follows before the log begins"
        n, writer = entry.id.n, entry.id.writer
        with self.clock.at(entry.micros) as timestamp:
            # One by one: a session may speak in the entry in which it comes.
            for record in self._records_of(entry):
                self._apply(Entry(n, timestamp, (record,), writer))
        if not self._has_room.is_set() and self._taken() < _FOR_RUNS * _CROWDED:
            self._has_room.set()
        self._on_applied()

    def give_up(self) -> None:
        """Let nobody wait any more: this server has left the log, and will not learn what becomes of its records."""
        self._is_closed = True
        for record in tuple(self._own):
            if isinstance(record, Change) and not record.is_settled:
                record.settle(Outcome(None, LogFull(_LEFT)))
        self._has_room.set()

    def close(self, timeout: float) -> None:
        """Commit the appended records within ``timeout`` seconds, and take no more."""
        self._is_closed = True
        if self._replicated is not None and not self._replicated.close(timeout):
            log.warning("the last messages may be in the log or not: the engine does not answer")
        self._has_room.set()

    def _records_of(self, entry: LogEntry) -> Iterator[Record | Change]:
        writer = entry.id.writer
        if entry.is_fence:
            yield Change(GONE, {"writer": writer})
        elif writer == self.incarnation:
            for _ in entry.records:
                yield self._own.popleft()
        else:
            for data in entry.records:
                record = self._decode(data, writer)
                if record is not None:
                    yield record

    def _decode(self, data: bytes, writer: str) -> Record | Change | None:
        """Return a record of another server; None for one of a session that has ended."""
        decoded = decode(data, writer)
        if isinstance(decoded, EncodedChange):
            actor = self._find(*decoded.actor) if decoded.actor is not None else None
            if decoded.actor is not None and actor is None:
                return None
            return Change(decoded.name, decoded.fields, actor)
        sender = self._find(*decoded.sender)
        if sender is None:
            return None
        run = decoded.run
        if decoded.large:
            run = run._replace(large=self.await_content(run.size, run.digest, writer))
        return Record(sender, run)

    def _taken(self) -> float:
        """Return how much of what may wait is waiting, from 0 to 1."""
        if self._replicated is None:
            return 0.0
        records, size = self._replicated.waiting
        bounds = self._bounds
        return max(records / bounds.max_waiting_records, size / bounds.max_waiting)
