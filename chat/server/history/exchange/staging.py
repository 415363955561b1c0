"""Hold imported messages in a temporary SQLite file.

So a log of any size is put in order, and compared with what is there, without being in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

from chat.protocol.descriptor import MessageType
from chat.server.history.exchange.imported import ImportedMessage
from chat.server.history.faults import faults
from chat.server.history.stored import Hole, LogName, StoredRun

# ``digest`` stands for all that a message says; it is NULL for a purged message, which may have said anything.
_SCHEMA = """
    CREATE TABLE staged (
        id INTEGER PRIMARY KEY, number INTEGER, time TEXT, sender TEXT, type INTEGER, filename TEXT, size INTEGER,
        nonce BLOB, content BLOB, digest BLOB
    );
    CREATE TABLE holes (first INTEGER, last INTEGER);
    CREATE TABLE purged (time TEXT, sender TEXT, type INTEGER, nonce BLOB);
"""
_COLUMNS = "number, time, sender, type, filename, size, nonce, content, digest"
# One message that is there stands for one message of the file: two equal ones are two. If there are several, the one
# with the same nonce goes first.
_DELETE_TWIN = """
    DELETE FROM staged WHERE id = (
        SELECT id FROM staged WHERE time = ?1 AND sender = ?2 AND (digest = ?3 OR digest IS NULL)
        ORDER BY digest IS NULL, nonce IS NOT ?4, id LIMIT 1
    )
"""
_DELETE_PURGED = """
    DELETE FROM staged WHERE id = (
        SELECT id FROM staged WHERE time = ?1 AND sender = ?2
        ORDER BY digest IS NOT NULL, type <> ?3, nonce IS NOT ?4, id LIMIT 1
    )
"""


class StagedMessages:
    """Messages and holes of an import, in the file ``path``. All methods raise HistoryFault."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with faults(path):
            self._connection = sqlite3.connect(path, isolation_level=None)
            for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"):
                self._connection.execute(f"PRAGMA {setting}")
            self._connection.executescript(_SCHEMA)

    def add(self, items: Iterable[ImportedMessage | Hole]) -> None:
        """Add all ``items``. Nothing of them counts if an exception comes out of them."""
        with faults(self._path):
            self._connection.execute("BEGIN")
            self._connection.executemany(
                f"INSERT INTO staged ({_COLUMNS}) VALUES ({', '.join('?' * 9)})",
                map(_row_of, self._without_holes(items)),
            )
            self._connection.execute("COMMIT")

    def _without_holes(self, items: Iterable[ImportedMessage | Hole]) -> Iterator[ImportedMessage]:
        for item in items:
            if isinstance(item, Hole):
                self._connection.execute("INSERT INTO holes VALUES (?, ?)", item)
            else:
                yield item

    def remove_present(self, runs: Iterable[StoredRun]) -> None:
        """Remove the messages that are in ``runs`` already, each as a run of one.

        A purged message there counts for a message of the same user and time: an import must not bring back what was
        purged.
        """
        with faults(self._path):
            first, last = self.times()
            self._connection.execute("CREATE INDEX by_time ON staged (time, sender, digest)")
            self._connection.execute("BEGIN")
            present = (run for run in runs if first <= run.timestamp <= last)
            self._connection.executemany(_DELETE_TWIN, self._without_purged(present))
            # Last, so that each message that is still there has found its own.
            with closing(self._connection.execute("SELECT * FROM purged")) as rows:
                self._connection.executemany(_DELETE_PURGED, rows)
            self._connection.execute("COMMIT")

    def _without_purged(self, runs: Iterable[StoredRun]) -> Iterator[tuple[object, ...]]:
        for run in runs:
            [nonce], [content] = run.nonces, run.contents
            if run.purged:
                values = (run.timestamp, run.sender, int(run.type), nonce)
                self._connection.execute("INSERT INTO purged VALUES (?, ?, ?, ?)", values)
            else:
                digest = _digest(run.type, run.filename, run.size, content)
                yield run.timestamp, run.sender, digest, nonce

    def count(self) -> int:
        """Return how many messages are left."""
        return int(self._one("SELECT count(*) FROM staged")[0])

    def times(self) -> tuple[str, str]:
        """Return the timestamps of the oldest and of the newest message; empty texts if there is none."""
        first, last = self._one("SELECT min(time), max(time) FROM staged")
        return first or "", last or ""

    def is_whole(self) -> bool:
        """Return whether the numbers of messages and holes follow each other, as in an export that nobody has changed.

        If not, the numbers mean nothing: clients take missing numbers for lost messages.
        """
        query = (
            "SELECT number, number FROM staged UNION ALL SELECT first, last FROM holes ORDER BY 1"
        )
        expected = None
        with faults(self._path), closing(self._connection.execute(query)) as rows:
            for first, last in rows:
                if first is None or first != (expected or first):
                    return False
                expected = last + 1
        return True

    def messages(self, log: LogName, *, by_number: bool) -> Iterator[StoredRun]:
        """Return the messages of ``log`` by number, or by time. Those without number, or not by number, have 0."""
        order = "number" if by_number else "time, id"
        with faults(self._path):
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM staged ORDER BY {order}")
            with closing(rows):
                for number, time, sender, type, filename, size, nonce, content, digest in rows:
                    first = number if by_number else 0
                    yield StoredRun(
                        *(log, first, time, sender, None, b"", MessageType(type)),
                        *([nonce], [content], filename, size),
                        frozenset([first] if digest is None else ()),
                    )

    def holes(self) -> Iterator[Hole]:
        """Return the holes in the order of their numbers."""
        with faults(self._path):
            rows = self._connection.execute("SELECT first, last FROM holes ORDER BY first, last")
            with closing(rows):
                yield from (Hole(*row) for row in rows)

    def _one(self, query: str) -> tuple[Any, ...]:
        with faults(self._path):
            row: tuple[Any, ...] = self._connection.execute(query).fetchone()
            return row

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _row_of(message: ImportedMessage) -> tuple[object, ...]:
    digest = None
    if not message.is_purged:
        digest = _digest(message.type, message.filename, message.size, message.content)
    return (
        *(message.number, message.timestamp, message.sender, int(message.type)),
        *(message.filename, message.size, message.nonce, message.content, digest),
    )


def _digest(type: MessageType, filename: str | None, size: int, content: bytes) -> bytes:
    about = f"{int(type)} {size} {filename or ''}\0".encode()
    return blake2b(about + content, digest_size=16).digest()
