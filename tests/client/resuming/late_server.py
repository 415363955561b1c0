"""A server of one user in memory: its log commits late, its links are cut, and it restarts with or without its tail.

Time does not pass: the test says when bytes arrive, when the log commits, and when anything breaks. ``Guards`` has the
rules that make exactly-once possible on the side of the server; a test takes each out once.

There are two rooms beside the default one. The user is put out of them, and let in again by another device; they are
removed and made anew, and closed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from random import Random
from typing import NamedTuple

from chat.client.connection.events import (
    EnteredRoom,
    Event,
    LeftRoom,
    Notice,
    RoomFacts,
    RoomHistory,
    Text,
    Welcome,
)
from chat.client.connection.in_flight import InFlight
from chat.client.state.places import MAILBOX, ROOM, LogKey, log_of, room_log
from chat.local_time import exact_timestamp
from chat.protocol.commands import Command, HistoryQuery, Verb
from tests.client.resuming.late_wire import Said, Wire

BEGINNING = datetime(2026, 1, 1, tzinfo=timezone.utc)
ROOMS = ("Dev", "den")
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
    # Of a room: whether it exists, lets the user in, and has them in; and the first number behind their coming.
    exists: bool = True
    is_open: bool = True
    has_user: bool = False
    entered_at: int = 1

    def facts(self, epoch: str) -> RoomHistory:
        time = exact_timestamp(self.entries[-1].time) if self.entries else None
        return RoomHistory(epoch, None, self.head, self.oldest, tuple(self.lost), time)


class LateServer:
    """The server. ``said`` counts how often each nonce was committed, in all epochs.

    ``is_account``: the user is registered, and stays in their rooms while they are away.
    """

    def __init__(
        self, random: Random, guards: Guards | None = None, *, is_account: bool = False
    ) -> None:
        self.is_account = is_account
        self.books: dict[LogKey, Book] = {ROOM: Book(has_user=True), MAILBOX: Book(has_user=True)}
        self.books |= {room_log(name): Book() for name in ROOMS}
        self.said: dict[str, int] = {}
        self._random = random
        self._guards = guards or Guards()
        self._epoch = "epoch-0"
        self._now = BEGINNING
        self._wires: list[Wire] = []
        self._pending: deque[tuple[Wire, str, Said | None]] = deque()  # not committed yet
        self._others = 0

    def log_in(self, in_flight: InFlight, rooms: tuple[str, ...] = ()) -> Wire:
        """Take a login, which is to join ``rooms``; it is a record of the log, too."""
        wire = Wire(in_flight, rooms)
        self._wires.append(wire)
        self._pending.append((wire, "", None))
        if not self._guards.join_is_applied_before_the_welcome:
            self._welcome(wire)
        return wire

    def read(self, count: int) -> None:
        """Read up to ``count`` frames of each connection that has joined."""
        for wire in self._wires:
            for _ in range(count):
                if not wire.up or not wire.has_joined or wire.is_void:
                    break
                nonce, frame = wire.up.popleft()
                if isinstance(frame, Said):
                    self._pending.append((wire, nonce, frame))
                elif frame.query is not None:
                    self._recall(wire, nonce, frame)
                else:
                    self._join_or_part(wire, nonce, frame)

    def others_say(self, count: int) -> None:
        """Let others say something in a room."""
        log = self._random.choice([ROOM, *map(room_log, ROOMS)])
        for _ in range(count if self.books[log].exists else 0):
            self._others += 1
            self._commit(log, f"other-{self._others}", f"other {self._others}", None)

    def commit(self, count: int) -> None:
        """Commit the next records."""
        for _ in range(min(count, len(self._pending))):
            wire, nonce, said = self._pending.popleft()
            if wire.is_void:
                continue
            if said is not None:
                log = log_of(said.to, said.room)
                if self.books[log].has_user:
                    self._commit(log, nonce, said.text, wire)
                else:
                    self._answer(wire, nonce, "not-in-room")
                continue
            if self._guards.join_is_applied_before_the_welcome:
                self._welcome(wire)
            if self._guards.device_replaces_its_ghost:
                for other in [each for each in self._wires if each is not wire]:
                    if other.has_joined:
                        self._end(other)

    # Rooms

    def room_changes(self) -> None:
        """Let something happen to a room."""
        name = self._random.choice(ROOMS)
        book = self.books[room_log(name)]
        deeds = [self._enter_by_another_device, self._put_out, self._remove_or_make, self._close]
        self._random.choices(deeds, [8, 3, 1, 1])[0](name, book)

    def _enter_by_another_device(self, name: str, book: Book) -> None:
        if self._wires and self.is_account and book.exists and not book.has_user:
            self._let_in(book)
            self._tell(EnteredRoom(RoomFacts(name), self._now))

    def _put_out(self, name: str, book: Book) -> None:
        if book.has_user:
            book.has_user = False
            self._tell(LeftRoom(name, self._now, "removed"))

    def _remove_or_make(self, name: str, book: Book) -> None:
        self._put_out(name, book)
        book.exists = not book.exists
        book.oldest, book.is_open = book.head + 1, True
        book.entries.clear()

    def _close(self, name: str, book: Book) -> None:
        book.is_open = not book.is_open

    def _join_or_part(self, wire: Wire, nonce: str, command: Command) -> None:
        name = command.room or ""
        book = self.books[room_log(name)]
        if command.verb == Verb.PART.value:
            is_in, book.has_user = book.has_user, False
            if is_in:
                wire.deliver((nonce, LeftRoom(name, self._now, "parted")))
            else:
                self._answer(wire, nonce, "not-in-room")
        elif not self._may_enter(book):
            self._answer(wire, nonce, "not-invited" if book.exists else "no-such-room")
        else:
            self._let_in(book)
            wire.deliver((nonce, EnteredRoom(self._facts(name), self._now)))

    def _may_enter(self, book: Book) -> bool:
        return book.exists and (book.is_open or book.has_user)

    def _let_in(self, book: Book) -> None:
        if not book.has_user:
            book.has_user, book.entered_at = True, book.head + 1

    def _facts(self, name: str) -> RoomFacts:
        """Return the facts of a room; its topic tells the test what was the next number when the user came."""
        book = self.books[room_log(name)]
        return RoomFacts(name, topic=str(book.entered_at), history=book.facts(self._epoch))

    def _tell(self, event: Event) -> None:
        for wire in self._wires:
            if wire.has_joined:
                wire.deliver(event)

    # Trouble

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
        for name in ROOMS if self._random.random() < 0.3 else ():
            self.books[room_log(name)].has_user = False  # had not been stored
        for book in self.books.values():
            tail = self._random.randint(0, min(JUMP, len(book.entries)))
            stored = book.entries[-tail].seq - 1 if tail else book.head
            # A hole is in the file before anyone logs in, so all before it is there, too.
            stored = max(stored, *(end for _, end in book.lost), 0)
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
        refused = []
        for name in wire.rooms:
            book = self.books[room_log(name)]
            if self._may_enter(book):
                self._let_in(book)
            else:
                refused.append((name, "not-invited" if book.exists else "no-such-room"))
        facts = {log: book.facts(self._epoch) for log, book in self.books.items()}
        wire.deliver(
            Welcome(
                "bob",
                self._now,
                history=facts[ROOM],
                mailbox=facts[MAILBOX],
                account=self.is_account,
                device=True,
                rooms=tuple(
                    self._facts(name) for name in ROOMS if self.books[room_log(name)].has_user
                ),
                refused=tuple(refused),
            )
        )

    def _end(self, wire: Wire) -> None:
        wire.is_void = wire.is_cut = True
        if wire in self._wires:
            self._wires.remove(wire)
        if not (self.is_account or any(each.has_joined for each in self._wires)):
            for name in ROOMS:
                self.books[room_log(name)].has_user = False

    def _commit(self, log: LogKey, nonce: str, text: str, sender: Wire | None) -> None:
        book = self.books[log]
        book.head += 1
        self._now += timedelta(seconds=1)
        entry = Entry(book.head, self._now, nonce, text, sender is not None)
        book.entries.append(entry)
        self.said[nonce] = self.said.get(nonce, 0) + 1
        for wire in self._wires if book.has_user else ():
            if wire.has_joined:
                wire.deliver((nonce, _shown(log, entry)))

    def _recall(self, wire: Wire, nonce: str, command: Command) -> None:
        query = command.query
        assert query is not None
        log = MAILBOX if query.private else room_log(command.room)
        book, after = self.books[log], query.after or 0
        if not book.has_user:
            found = _own(book, query) if query.nonces and book.exists else []
            for entry in found:
                wire.deliver(_shown(log, entry, answers=nonce))
            self._answer(wire, nonce, "done" if found else "not-in-room")
            return
        there = next((entry for entry in book.entries if entry.seq == after), None)
        is_known = query.epoch in (None, self._epoch) and after <= book.head
        if there is not None and query.time is not None:
            is_known = is_known and exact_timestamp(there.time) == query.time
        if not is_known:
            self._answer(wire, nonce, "bad-place")
            return
        found = [entry for entry in book.entries if entry.seq > after]
        if query.nonces:
            found = _own(book, query)
        limit = min(query.limit or 50, 7)
        page, last = found[:limit], book.head
        if len(found) > limit and not query.nonces:
            last = page[-1].seq
        for entry in page if not query.nonces else found:
            wire.deliver(_shown(log, entry, answers=nonce))
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
        wire.deliver((nonce, Notice(code, "", self._now, more=more, lost=lost)))


def _own(book: Book, query: HistoryQuery) -> list[Entry]:
    entries = (entry for entry in book.entries if entry.seq > (query.after or 0))
    return [entry for entry in entries if entry.is_ours and entry.nonce in query.nonces]


def _shown(log: LogKey, entry: Entry, answers: str | None = None) -> Text:
    return Text(
        "bob" if entry.is_ours else "eve",
        entry.time,
        entry.text,
        "eve" if log == MAILBOX else None,
        entry.is_ours,
        seq=entry.seq,
        replay=answers is not None,
        nonce=entry.nonce,
        answers=answers,
        room=next((name for name in ROOMS if room_log(name) == log), None),
    )
