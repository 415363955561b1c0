"""Remember how far registered users have read, and write it down once a second.

A crash loses the marks of the last second at most; then some messages count as unread again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import gevent
from gevent.event import Event

from chat.server.process.lasting_fault import LastingFault
from chat.server.storage.database import Database, DatabaseFault, DatabaseThread

PERIOD = 1.0  # seconds between two transactions, at least
# Marks for partners of one account. Beyond them the oldest goes: some messages of that partner may count again.
MAX_PARTNER_MARKS = 200


class Mark(NamedTuple):
    """Name what a mark is about.

    ``ROOM``: messages of the room ``name``. ``PARTNER``: private messages of the partner with the key ``name``.
    ``ALL``: all private messages. ``HERE``: the private messages that were said before the user came for the last time.
    """

    kind: str
    name: str = ""


ROOM, PARTNER = "room", "partner"
ALL, HERE = Mark("all"), Mark("here")

_Changes = Mapping[tuple[bytes, Mark], int | None]


class ReadMarks:
    """The marks of all accounts. ``thread`` is None if they are to be kept in memory only."""

    def __init__(self, thread: DatabaseThread | None) -> None:
        self._thread = thread
        self._marks: dict[bytes, dict[Mark, int]] = {}
        # What the file lacks; None: the mark is gone.
        self._changes: dict[tuple[bytes, Mark], int | None] = {}
        self._changed = Event()
        self._fault = LastingFault("cannot save how far users have read")

    def start(self) -> None:
        """Read all marks. Raises DatabaseFault."""
        if self._thread is not None and self._thread.database.stamp() is not None:
            for account, kind, name, seq in self._thread.run(_read_marks):
                self._marks.setdefault(account, {})[Mark(kind, name)] = seq

    def of(self, account: bytes, mark: Mark) -> int | None:
        """Return the number up to which the account has read; None if there is no mark."""
        return self._marks.get(account, {}).get(mark)

    def partner(self, account: bytes, key: str) -> int:
        """Return the number up to which the account has read what the partner with ``key`` wrote; 0 for nothing."""
        marks = self._marks.get(account, {})
        return max(marks.get(Mark(PARTNER, key), 0), marks.get(ALL, 0))

    def put(self, account: bytes, mark: Mark, seq: int) -> None:
        """Set a mark."""
        marks = self._marks.setdefault(account, {})
        marks[mark] = seq
        self._change(account, mark, seq)
        if mark.kind == PARTNER:
            partners = [each for each in marks if each.kind == PARTNER]
            if len(partners) > MAX_PARTNER_MARKS:
                # By the name, too: after a restart, the marks are in another order.
                self._drop(account, min(partners, key=lambda each: (marks[each], each.name)))

    def drop(self, account: bytes, mark: Mark) -> None:
        """Forget a mark, if it is set."""
        if self.of(account, mark) is not None:
            self._drop(account, mark)

    def put_all(self, account: bytes, seq: int) -> None:
        """Note that all private messages up to ``seq`` were read: one mark stands for those of all partners."""
        for mark in [each for each in self._marks.get(account, {}) if each.kind == PARTNER]:
            self._drop(account, mark)
        self.put(account, ALL, seq)

    def limit(self, account: bytes, rooms: Mapping[str, int], mailbox: int) -> None:
        """Move marks back to the last numbers that the logs have. An older copy of the logs may have been restored."""
        for mark, seq in list(self._marks.get(account, {}).items()):
            head = rooms.get(mark.name, 0) if mark.kind == ROOM else mailbox
            if seq > head:
                self.put(account, mark, head)

    def forget(self, account: bytes) -> None:
        """Forget the marks of an account that was removed. The file has none of it any more."""
        for mark in self._marks.pop(account, {}):
            self._changes.pop((account, mark), None)

    def run(self) -> None:
        """Write changed marks, for ever. Runs in a greenlet."""
        while True:
            self._changed.wait()
            gevent.sleep(PERIOD)
            self.write()

    def write(self) -> None:
        """Write changed marks now. If that fails, log it once; the next call tries again."""
        self._changed.clear()
        changes, self._changes = self._changes, {}
        if self._thread is None or not changes:
            return
        try:
            self._thread.write(partial(_write_marks, changes=changes))
            self._fault.clear()
        except DatabaseFault as fault:
            # What changed meanwhile is newer.
            self._changes = {**changes, **self._changes}
            self._changed.set()
            self._fault.note(fault)

    def _drop(self, account: bytes, mark: Mark) -> None:
        del self._marks[account][mark]
        self._change(account, mark, None)

    def _change(self, account: bytes, mark: Mark, seq: int | None) -> None:
        if self._thread is not None:
            self._changes[account, mark] = seq
            self._changed.set()


def _read_marks(database: Database) -> list[tuple[bytes, str, str, int]]:
    with database.reading() as connection:
        return connection.execute("SELECT account, kind, name, seq FROM marks").fetchall()


def _write_marks(database: Database, changes: _Changes) -> None:
    gone = [(account, *mark) for (account, mark), seq in changes.items() if seq is None]
    with database.writing() as connection:
        # An account may have been removed a moment ago. To look for each account would take a scan of all of them, and
        # thousands of marks change at once when thousands of users come back.
        accounts = {id for [id] in connection.execute("SELECT id FROM users")}
        new = [
            (account, *mark, seq)
            for (account, mark), seq in changes.items()
            if seq is not None and account in accounts
        ]
        connection.executemany(
            "DELETE FROM marks WHERE account = ? AND kind = ? AND name = ?", gone
        )
        connection.executemany(
            "INSERT OR REPLACE INTO marks (account, kind, name, seq) VALUES (?, ?, ?, ?)", new
        )


def room_marks(database: Database, room: str) -> set[int]:
    """Return the numbers up to which users have read the room with the key ``room``. Raises DatabaseFault."""
    if database.stamp() is None:
        return set()
    with database.reading() as connection:
        query = "SELECT DISTINCT seq FROM marks WHERE kind = ? AND name = ?"
        return {seq for [seq] in connection.execute(query, (ROOM, room))}


def move_room_marks(database: Database, room: str, moved: Mapping[int, int]) -> None:
    """Move marks of a room to other numbers, while no server runs: ``moved`` has them by their former numbers.

    Raises DatabaseFault.
    """
    if not moved:
        return
    with database.writing() as connection:
        rows = connection.execute(
            "SELECT account, seq FROM marks WHERE kind = ? AND name = ?", (ROOM, room)
        ).fetchall()
        connection.executemany(
            "UPDATE marks SET seq = ? WHERE account = ? AND kind = ? AND name = ?",
            [(moved[seq], account, ROOM, room) for account, seq in rows if seq in moved],
        )
