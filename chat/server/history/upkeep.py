"""Remove messages from the history file: those that are too old or too many, and those that somebody wants gone.

Each function makes one short transaction, so that new messages can be written between two. The functions take the
writer and wait for the disk, so the server calls them by ``HistoryStore.call``. All raise HistoryFault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import takewhile
from typing import Any

from chat.server.history.rows import COLUMNS, RunFacts, facts_of, pack, row_of, runs_of
from chat.server.history.stored import LogName, LogState
from chat.server.history.writer import Writer

# Rows of one transaction, and bytes in them.
_ROWS, _BYTES = 500, 4 << 20
# Pages that are given back to the file system at a time.
_PAGES = 2000

# Tells whether the messages of a run are purged, by what the file says of the run.
Choice = Callable[[RunFacts], bool]


def expire(writer: Writer, before: str | None, max_bytes: int | None) -> dict[LogName, LogState]:
    """Remove some of the messages older than ``before`` (RFC 3339, UTC), or too many for ``max_bytes``.

    Returns the new states of all logs if something was removed, else an empty dict: then nothing is left to remove.
    """
    excess = used_bytes(writer) - max_bytes if max_bytes is not None else 0
    with writer.changing() as run:
        size = "length(runs) + coalesce(length(nonces), 0) + length(content)"
        query = f"SELECT id, until, {size} FROM messages ORDER BY id LIMIT ?"
        rows = run(query, (_ROWS,)).fetchall()
        if excess <= 0:
            # Rows are in the order of time, unless the clock was set back: up to the first row that is young enough.
            rows = list(takewhile(lambda row: row[1] < (before or ""), rows))
        last = _last_within(rows, min(excess, _BYTES) if excess > 0 else _BYTES)
        if last is None:
            return {}
        run("DELETE FROM messages WHERE id <= ?", (last,))
        run(
            "UPDATE logs SET oldest ="
            " coalesce((SELECT min(first) FROM messages WHERE log = logs.id), head + 1)"
        )
        run("DELETE FROM lost WHERE last < (SELECT oldest FROM logs WHERE id = lost.log)")
    writer.give_back(_PAGES)
    return writer.states()


def expire_log(writer: Writer, name: LogName, before: str) -> dict[LogName, LogState]:
    """Remove some of the messages of one log that are older than ``before`` (RFC 3339, UTC).

    Returns the new states of all logs if something was removed, else an empty dict: then nothing is left to remove.
    """
    log = writer.id_of(name)
    with writer.changing() as run:
        query = "SELECT id, until FROM messages WHERE log = ? ORDER BY first LIMIT ?"
        rows = run(query, (log, _ROWS)).fetchall()
        old = [(id,) for id, until in takewhile(lambda row: row[1] < before, rows)]
        if not old:
            return {}
        for row in old:
            run("DELETE FROM messages WHERE id = ?", row)
        run(
            "UPDATE logs SET oldest ="
            " coalesce((SELECT min(first) FROM messages WHERE log = logs.id), head + 1)"
            " WHERE id = ?",
            (log,),
        )
        run(
            "DELETE FROM lost WHERE log = ? AND last < (SELECT oldest FROM logs WHERE id = ?)",
            (log, log),
        )
    writer.give_back(_PAGES)
    return writer.states()


def _last_within(rows: list[tuple[int, str, int]], size: int) -> int | None:
    """Return the id of the row with which the first ``rows`` have ``size`` bytes, or of the last row; None for none."""
    last = None
    for id, _, length in rows:
        last = id
        size -= length
        if size <= 0:
            break
    return last


def used_bytes(writer: Writer) -> int:
    """Return the size of the messages in the file, without free pages."""
    with writer.changing() as run:
        [pages], [free] = (
            run("PRAGMA page_count").fetchone(),
            run("PRAGMA freelist_count").fetchone(),
        )
        [size] = run("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def purge_some(
    writer: Writer, log: LogName, choice: Choice, numbers: range, place: int
) -> tuple[list[int], int | None]:
    """Remove the contents of messages of ``log`` by ``choice``, in some of the rows after the row ``place``.

    The numbers, senders, nonces and times stay. Only rows with messages in ``numbers`` are looked at. Returns the
    numbers of the messages whose contents were removed, and the place where to go on: None if that was all.
    """
    purged: list[int] = []
    size = 0
    with writer.changing() as run:
        query = (
            "SELECT id, first, runs, length(content) FROM messages WHERE log = ? AND id > ?"
            " AND first < ? AND first + count > ? ORDER BY id LIMIT ?"
        )
        values = (writer.id_of(log), place, numbers.stop, numbers.start, _ROWS)
        rows = run(query, values).fetchall()
        for id, first, column, length in rows:
            place = id
            gone = frozenset(_chosen(first, facts_of(column), choice, numbers))
            if gone:
                _purge_row(run, log, id, gone)
                purged += sorted(gone)
                size += length
                if size >= _BYTES:
                    return purged, place
    return purged, place if len(rows) == _ROWS else None


def _chosen(first: int, runs: list[RunFacts], choice: Choice, numbers: range) -> Iterator[int]:
    """Yield the numbers of the messages in a row that are purged now."""
    for facts in runs:
        stop = first + facts.messages
        if choice(facts):
            chosen = range(max(first, numbers.start), min(stop, numbers.stop))
            yield from (number for number in chosen if number not in facts.purged)
        first = stop


def _purge_row(run: Callable[..., Any], log: LogName, id: int, gone: frozenset[int]) -> None:
    """Remove the contents of the messages with the numbers ``gone`` from a row."""
    columns = ", ".join(COLUMNS)
    row = run(f"SELECT {columns} FROM messages WHERE id = ?", (id,)).fetchone()
    left = row_of([pack(each.without(gone)) for each in runs_of(log, row)])
    places = ", ".join("?" * len(COLUMNS))
    run(f"UPDATE messages SET ({columns}) = ({places}) WHERE id = ?", (*left, id))
