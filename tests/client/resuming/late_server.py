"""A server of one user in memory: its log commits late, its links are cut, and it restarts with or without its tail.

Time does not pass: the test says when bytes arrive, when the log commits, and when anything breaks. ``Guards`` has the
rules that make exactly-once possible on the side of the server; a test takes each out once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import NamedTuple

from chat.client.connection.events import Event, Notice, RoomHistory, Text, Welcome
from chat.client.connection.in_flight import InFlight
from chat.client.connection.receipts import Receipt, Status
from chat.client.errors import ConnectionLost
from chat.client.runtime.gevent_runtime import GEVENT
from chat.client.state.places import MAILBOX, ROOM, LogKey
from chat.local_time import exact_timestamp
from chat.protocol.commands import Command, HistoryQuery
from chat.protocol.descriptor import MessageType

BEGINNING = datetime(2026, 1, 1, tzinfo=timezone.utc)
JUMP = 5  # numbers that are given up after a crash: as many messages may be missing in the file at most


class Guards(NamedTuple):
    """The rules of the server that a test may take out."""

    join_is_applied_before_the_welcome: bool = True
    device_replaces_its_ghost: bool = True
    numbers_jump_after_a_crash: bool = True


class Entry(NamedTuple):
    """A committed message."""

    seq: int
    time: datetime
    nonce: str
    text: str
    is_ours: bool


@dataclass
class Book:
    """One log: the committed messages, and those that the file has."""

    entries: list[Entry] = field(default_factory=list)
    head: int = 0
    lost: list[tuple[int, int]] = field(default_factory=list)
    oldest: int = 1

    def facts(self, epoch: str) -> RoomHistory:
        time = exact_timestamp(self.entries[-1].time) if self.entries else None
        return RoomHistory(epoch, None, self.head, self.oldest, tuple(self.lost), time)


class Wire:
    """One connection. The client's frames wait in ``up`` until the server reads them; ``down`` is the other way."""

    def __init__(self, in_flight: InFlight) -> None:
        self.has_device = True
        self.in_flight = in_flight
        self.up: deque[tuple[str, str, str | None, HistoryQuery | None]] = deque()
        self.down: deque[Event | tuple[str, Text | Notice]] = deque()
        self.is_cut = False
        self.is_void = False  # the server has ended its session
        self.has_joined = False
        # Raised instead of sending: the process is killed before or after the bytes have left.
        self.dies_before: BaseException | None = None
        self.dies_after: BaseException | None = None

    def send_text(self, text: str, to: str | None, *, nonce: str) -> Receipt:
        return self._send(nonce, text, to, None)

    def command(self, command: Command, *, nonce: str) -> Receipt:
        return self._send(nonce, "", None, command.query)

    def _send(self, nonce: str, text: str, to: str | None, query: HistoryQuery | None) -> Receipt:
        if self.dies_before is not None:
            raise self.dies_before
        receipt = self.in_flight.receipt(GEVENT.event, MessageType.UTF8, nonce)
        self.in_flight.send(receipt)
        if self.is_cut:
            self.in_flight.requeue(receipt)
            raise ConnectionLost("The line broke.")
        self.up.append((nonce, text, to, query))
        if self.dies_after is not None:
            raise self.dies_after
        return receipt

    def receive(self) -> Event:
        """Return the next event, and settle the receipt that it answers."""
        event = self.down.popleft()
        if not isinstance(event, tuple):
            return event
        nonce, answer = event
        receipt = self.in_flight.answered(nonce)
        if receipt is None:
            return answer
        is_notice = isinstance(answer, Notice)
        is_refused = is_notice and answer.code != "done"  # type: ignore[union-attr]
        receipt.settle(Status.REFUSED if is_refused else Status.ACCEPTED)
        fields = {**vars(answer), "receipt": receipt}
        return Notice(**fields) if is_notice else Text(**fields)


class LateServer:
    """The server. ``said`` counts how often each nonce was committed, in all epochs."""

    def __init__(self, random: Random, guards: Guards | None = None) -> None:
        self.books: dict[LogKey, Book] = {ROOM: Book(), MAILBOX: Book()}
        self.said: dict[str, int] = {}
        self._random = random
        self._guards = guards or Guards()
        self._epoch = "epoch-0"
        self._now = BEGINNING
        self._wires: list[Wire] = []
        self._pending: deque[tuple[Wire, str, str, str | None]] = deque()  # not committed yet
        self._others = 0

    def log_in(self, in_flight: InFlight) -> Wire:
        """Take a login; it is a record of the log, too."""
        wire = Wire(in_flight)
        self._wires.append(wire)
        self._pending.append((wire, "", "", None))
        if not self._guards.join_is_applied_before_the_welcome:
            self._welcome(wire)
        return wire

    def read(self, count: int) -> None:
        """Read up to ``count`` frames of each connection that has joined."""
        for wire in self._wires:
            for _ in range(count):
                if not wire.up or not wire.has_joined or wire.is_void:
                    break
                nonce, text, to, query = wire.up.popleft()
                if query is not None:
                    self._recall(wire, nonce, query)
                else:
                    self._pending.append((wire, nonce, text, to))

    def others_say(self, count: int) -> None:
        """Let others say something in the room."""
        for _ in range(count):
            self._others += 1
            self._commit(ROOM, f"other-{self._others}", f"other {self._others}", None)

    def commit(self, count: int) -> None:
        """Commit the next records."""
        for _ in range(min(count, len(self._pending))):
            wire, nonce, text, to = self._pending.popleft()
            if wire.is_void:
                continue
            if nonce:
                self._commit(ROOM if to is None else MAILBOX, nonce, text, wire)
                continue
            if self._guards.device_replaces_its_ghost:
                for other in self._wires:
                    if other is not wire and other.has_joined:
                        self._end(other)
            if self._guards.join_is_applied_before_the_welcome:
                self._welcome(wire)

    def cut(self, wire: Wire) -> None:
        """Cut a connection: some of what was on its way arrives. The server does not notice it yet."""
        wire.is_cut = True
        for way in (wire.up, wire.down):
            for _ in range(self._random.randint(0, len(way))):
                way.pop()

    def notice_ghosts(self) -> None:
        """End the sessions whose connections are cut, after reading what has arrived."""
        for wire in [wire for wire in self._wires if wire.is_cut]:
            self._end(wire)

    def restart(self) -> None:
        """Stop and start in good order. An uncommitted message was not said."""
        for wire in list(self._wires):
            self.cut(wire)
            self._end(wire)
        self._pending.clear()

    def crash(self, *, epoch: bool) -> None:
        """Lose a tail of what was said. ``epoch``: the power failed, so nobody knows how much."""
        self.restart()
        for book in self.books.values():
            tail = self._random.randint(0, min(JUMP, len(book.entries)))
            stored = book.entries[-tail].seq - 1 if tail else book.head
            book.entries = [entry for entry in book.entries if entry.seq <= stored]
            book.head = stored
            if epoch or not self._guards.numbers_jump_after_a_crash:
                continue
            book.lost.append((stored + 1, stored + JUMP))
            book.head += JUMP
        if epoch:
            self._epoch = f"epoch-{self._random.getrandbits(60)}"
            for book in self.books.values():
                book.lost.clear()

    def expire(self) -> None:
        """Remove the oldest messages of the room."""
        book = self.books[ROOM]
        count = self._random.randint(0, len(book.entries))
        book.oldest = book.entries[count].seq if count < len(book.entries) else book.head + 1
        book.entries = book.entries[count:]

    def _welcome(self, wire: Wire) -> None:
        wire.has_joined = True
        facts = {log: book.facts(self._epoch) for log, book in self.books.items()}
        wire.down.append(
            Welcome("bob", self._now, history=facts[ROOM], mailbox=facts[MAILBOX], device=True)
        )

    def _end(self, wire: Wire) -> None:
        wire.is_void = wire.is_cut = True
        if wire in self._wires:
            self._wires.remove(wire)

    def _commit(self, log: LogKey, nonce: str, text: str, sender: Wire | None) -> None:
        book = self.books[log]
        book.head += 1
        self._now += timedelta(seconds=1)
        entry = Entry(book.head, self._now, nonce, text, sender is not None)
        book.entries.append(entry)
        self.said[nonce] = self.said.get(nonce, 0) + 1
        for wire in self._wires:
            if wire.has_joined and not wire.is_cut:
                wire.down.append((nonce, _shown(log, entry)))

    def _recall(self, wire: Wire, nonce: str, query: HistoryQuery) -> None:
        log: LogKey = MAILBOX if query.private else ROOM
        book, after = self.books[log], query.after or 0
        there = next((entry for entry in book.entries if entry.seq == after), None)
        is_known = query.epoch in (None, self._epoch) and after <= book.head
        if there is not None and query.time is not None:
            is_known = is_known and exact_timestamp(there.time) == query.time
        if not is_known:
            self._answer(wire, nonce, "bad-place")
            return
        found = [entry for entry in book.entries if entry.seq > after]
        if query.nonces:
            found = [entry for entry in found if entry.is_ours and entry.nonce in query.nonces]
        limit = min(query.limit or 50, 7)
        page, last = found[:limit], book.head
        if len(found) > limit and not query.nonces:
            last = page[-1].seq
        for entry in page if not query.nonces else found:
            wire.down.append(_shown(log, entry, answers=nonce))
        lost = (
            []
            if query.nonces
            else [pair for pair in book.lost if after < pair[1] and pair[0] <= last]
        )
        more = not query.nonces and len(found) > limit
        self._answer(wire, nonce, "done", more=more, lost=tuple(lost))

    def _answer(
        self,
        wire: Wire,
        nonce: str,
        code: str,
        *,
        more: bool = False,
        lost: tuple[tuple[int, int], ...] = (),
    ) -> None:
        wire.down.append((nonce, Notice(code, "", self._now, more=more, lost=lost)))


def _shown(log: LogKey, entry: Entry, answers: str | None = None) -> Text:
    return Text(
        "bob" if entry.is_ours else "eve",
        entry.time,
        entry.text,
        None if log == ROOM else "eve",
        entry.is_ours,
        seq=entry.seq,
        replay=answers is not None,
        nonce=entry.nonce,
        answers=answers,
    )
