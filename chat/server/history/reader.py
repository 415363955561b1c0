"""Read the history file, by connections that change nothing.

All functions wait for the disk, so the server calls them in threads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from chat.protocol.descriptor import MessageType
from chat.server.history.faults import HistoryFault, faults
from chat.server.history.pages import NO_END, Cut, PageSize, first_page, last_page
from chat.server.history.rows import (
    COLUMNS,
    MAX_ROW,
    TYPE_FACT,
    RunFacts,
    facts_of,
    nonces_of,
    runs_of,
)
from chat.server.history.stored import Hole, LogName, LogState, StoredRun

FILE_NAME = "history.db"
# The version of the file. The writer converts files of earlier versions.
VERSION = 2

# Selects the row with a number, and those behind it.
_FROM_ROW_OF = (
    "first >= coalesce("
    "(SELECT max(first) FROM messages WHERE log = (SELECT id FROM this) AND first <= ?), 0)"
)


class MessageTotals(NamedTuple):
    """Count the messages of rooms and the private ones. The times are those of the first and of the last message."""

    messages: int
    private: int
    oldest: str | None
    newest: str | None


class RunSummary(NamedTuple):
    """Describe a run of private messages without its contents. ``size`` is in bytes; see ``StoredRun`` for the rest."""

    first: int
    messages: int
    sender: str
    author: bytes
    partner: bytes
    waiting: bool
    size: int


class Reader:
    """A connection that only reads. All methods raise HistoryFault."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        with faults(self.path):
            self._connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
            [version] = self._connection.execute("PRAGMA user_version").fetchone()
        if 0 < version != VERSION:
            self._connection.close()
            advice = "start the server once" if version < VERSION else "use that version"
            raise HistoryFault(
                f"cannot use {self.path}: another version of this program has written it; {advice}"
            )

    def epoch(self) -> str:
        """Return the epoch of the file."""
        with faults(self.path):
            query = "SELECT value FROM facts WHERE name = 'epoch'"
            return str(self._connection.execute(query).fetchone()[0])

    def logs(self) -> dict[LogName, LogState]:
        """Return the state of each log."""
        with faults(self.path):
            names = [
                LogName(kind, key)
                for kind, key in self._connection.execute("SELECT kind, key FROM logs ORDER BY id")
            ]
            return {name: read_state(self._connection, name) for name in names}

    def totals(self) -> MessageTotals:
        """Count the messages that the file has."""
        query = (
            "SELECT coalesce(sum(iif(kind = 'room', count, 0)), 0),"
            " coalesce(sum(iif(kind = 'room', 0, count)), 0), min(time), max(until)"
            " FROM messages JOIN logs ON logs.id = messages.log"
        )
        with faults(self.path):
            return MessageTotals(*self._connection.execute(query).fetchone())

    def count_after(self, log: LogName, number: int) -> int:
        """Count the messages of ``log`` in rows that begin after ``number``."""
        with faults(self.path):
            [count] = self._select(
                "coalesce(sum(count), 0)", log, "first > ?", (number,)
            ).fetchone()
            return int(count)

    def after(
        self,
        log: LogName,
        after: int,
        before: int | None,
        size: PageSize,
        only: Callable[[StoredRun], bool] | None = None,
    ) -> Cut:
        """Return the first messages with numbers over ``after`` and under ``before``."""
        where = f"{_FROM_ROW_OF} AND first < ? ORDER BY first"
        numbers = (after + 1, NO_END if before is None else before)
        return first_page(filter(only, self._runs(log, where, numbers)), after, before, size)

    def before(
        self,
        log: LogName,
        before: int | None,
        size: PageSize,
        only: Callable[[StoredRun], bool] | None = None,
    ) -> Cut:
        """Return the last messages with numbers under ``before``."""
        where = "first < ? ORDER BY first DESC"
        numbers = (NO_END if before is None else before,)
        runs = self._runs(log, where, numbers, lambda *row: reversed(runs_of(*row)))
        return last_page(filter(only, runs), before, size)

    def all_runs(self, *, without: LogName) -> Iterator[StoredRun]:
        """Return the runs of all logs but one in the order in which they were written: nearly that of time."""
        query = (
            f"SELECT kind, key, {', '.join(COLUMNS)} FROM messages JOIN logs ON logs.id = messages.log"
            " WHERE NOT (kind = ? AND key = ?) ORDER BY messages.id"
        )
        with faults(self.path), closing(self._connection.execute(query, without)) as rows:
            for kind, key, *row in rows:
                yield from runs_of(LogName(kind, key), tuple(row))

    def summaries(self, log: LogName, after: int, last: int, limit: int) -> list[RunSummary]:
        """Return the last ``limit`` runs with numbers over ``after`` and up to ``last``, oldest first."""
        where = "first > ? AND first <= ? ORDER BY first DESC LIMIT ?"
        with faults(self.path):
            rows = self._select(
                "first, runs", log, where, (after - MAX_ROW, last, limit)
            ).fetchall()
        found = []
        for first, column in reversed(rows):
            for run in facts_of(column):
                if after < first + run.messages - 1 and first <= last:
                    found.append(
                        RunSummary(
                            first,
                            run.messages,
                            run.sender,
                            bytes.fromhex(run.author),
                            bytes.fromhex(run.partner),
                            run.waiting,
                            run.size,
                        )
                    )
                first += run.messages
        return found[-limit:]

    def find_nonces(
        self, log: LogName, after: int, before: int, nonces: frozenset[bytes], author: bytes
    ) -> list[StoredRun]:
        """Return the messages of ``author`` between ``after`` and ``before`` that bear one of ``nonces``."""
        where = f"{_FROM_ROW_OF} AND first < ? AND nonces IS NOT NULL ORDER BY first"
        with faults(self.path):
            rows = self._select("first, nonces", log, where, (after + 1, before))
            with closing(rows):
                found = [
                    first for first, joined in rows if not nonces.isdisjoint(nonces_of(joined))
                ]
        return [
            message
            for first in found
            for run in self._runs(log, "first = ?", (first,))
            if run.author == author and not nonces.isdisjoint(run.nonces)
            for message in run.messages()
            if after < message.first < before and message.nonces[0] in nonces
        ]

    def number_at(self, log: LogName, timestamp: str) -> int:
        """Return the number of the first message of ``log`` that is not older than ``timestamp``.

        That is the number behind the head if all are older. The search relies on the order of the timestamps, and an
        index of them would make each message dearer.
        """
        with faults(self.path):
            state = read_state(self._connection, log)
            low, high = state.oldest, state.head + 1
            while low < high:
                middle = (low + high) // 2
                row = self._select(
                    "first, count, until", log, "first <= ? ORDER BY first DESC LIMIT 1", (middle,)
                ).fetchone()
                if row is None or row[2] < timestamp:
                    low = max(middle, row[0] + row[1] - 1 if row is not None else 0) + 1
                else:
                    high = min(middle, row[0])
            # The row that begins there is the first one that is not older as a whole.
            row = self._select("runs", log, "first = ?", (low,)).fetchone()
            for run in facts_of(row[0]) if row is not None else ():
                if run.timestamp >= timestamp:
                    break
                low += run.messages
            return low

    def attachments(self) -> Iterator[StoredRun]:
        """Return all attachments of all logs."""
        query = (
            f"SELECT kind, key, {', '.join(COLUMNS)} FROM messages JOIN logs ON logs.id = messages.log"
            f" WHERE count = 1 AND json_extract(runs, '$[0][{TYPE_FACT}]') <> ?"
        )
        with faults(self.path):
            for kind, key, *row in self._connection.execute(query, (int(MessageType.UTF8),)):
                yield from runs_of(LogName(kind, key), tuple(row))

    def messages(self, log: LogName, numbers: Iterable[int]) -> list[StoredRun]:
        """Return the messages with ``numbers`` that the file has, in this order, each as a run of one."""
        found = []
        for number in numbers:
            where = f"{_FROM_ROW_OF} AND first <= ? LIMIT 1"
            for run in self._runs(log, where, (number, number)):
                part = run.slice(number - 1, number + 1)
                if part is not None:
                    found.append(part)
        return found

    def row_at(self, log: LogName, number: int) -> tuple[Any, ...] | None:
        """Return the row, with the values of ``COLUMNS``, that has the message with ``number``, if there is one.

        Otherwise an earlier row, or None.
        """
        with faults(self.path):
            where = "first <= ? ORDER BY first DESC LIMIT 1"
            row: tuple[Any, ...] | None = self._select(
                ", ".join(COLUMNS), log, where, (number,)
            ).fetchone()
            return row

    def rows(
        self, log: LogName, after: int, before: int, *, newest_first: bool = False
    ) -> Generator[tuple[Any, ...], None, None]:
        """Yield the rows, with the values of ``COLUMNS``, that have messages over ``after`` and under ``before``."""
        where = f"{_FROM_ROW_OF} AND first + count > ? AND first < ? ORDER BY first"
        order = " DESC" if newest_first else ""
        with faults(self.path):
            values = (after + 1, after + 1, before)
            rows = self._select(", ".join(COLUMNS), log, where + order, values)
            with closing(rows):
                yield from rows

    def facts(self, log: LogName) -> Iterator[RunFacts]:
        """Yield what the file says of each run of ``log`` besides nonces and contents."""
        with faults(self.path):
            rows = self._select("runs", log, "first > ? ORDER BY first", (0,))
            with closing(rows):
                for (column,) in rows:
                    yield from facts_of(column)

    def _runs(
        self,
        log: LogName,
        where: str,
        numbers: tuple[object, ...],
        runs_of_row: Callable[[LogName, tuple[Any, ...]], Iterable[StoredRun]] = runs_of,
    ) -> Iterator[StoredRun]:
        with faults(self.path):
            rows = self._select(", ".join(COLUMNS), log, where, numbers)
            with closing(rows):
                for row in rows:
                    yield from runs_of_row(log, row)

    def _select(
        self, columns: str, log: LogName, where: str, numbers: tuple[object, ...]
    ) -> sqlite3.Cursor:
        query = (
            "WITH this (id) AS (SELECT id FROM logs WHERE kind = ? AND key = ?)"
            f" SELECT {columns} FROM messages WHERE log = (SELECT id FROM this) AND {where}"
        )
        return self._connection.execute(query, (log.kind, log.key, *numbers))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def read_state(connection: sqlite3.Connection, name: LogName) -> LogState:
    """Return the state of the log ``name``; that of an empty log if the file does not have it."""
    row = connection.execute(
        "SELECT id, head, head_time, oldest FROM logs WHERE kind = ? AND key = ?",
        (name.kind, name.key),
    ).fetchone()
    if row is None:
        return LogState()
    id, head, head_time, oldest = row
    lost = connection.execute("SELECT first, last FROM lost WHERE log = ? ORDER BY first", (id,))
    return LogState(head, head_time, oldest, tuple(Hole(*each) for each in lost))
