"""Remove messages from the history file: those that are too old or too many, and those that somebody wants gone.

The functions take the writer and wait for the disk, so the server calls them by ``HistoryStore.call``. All raise
HistoryFault.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import takewhile

from chat.protocol.names import name_key
from chat.server.history.faults import HistoryFault
from chat.server.history.rows import COLUMNS, row_of, run_of
from chat.server.history.stored import LogName, LogState, StoredRun
from chat.server.history.writer import Writer

# Rows of one transaction. Other transactions, with what is said meanwhile, come between.
_ROWS = 500
# Rows that go at a time while the file is too large, so that little more goes than must.
_FEW_ROWS = 50
# Pages that are given back to the file system at a time.
_PAGES = 2000
# How often to try to empty the write-ahead log, while others read the file, and seconds between two tries.
_TRIES, _BETWEEN_TRIES = 50, 0.1


def expire(writer: Writer, before: str | None, max_bytes: int | None) -> dict[LogName, LogState]:
    """Remove some of the messages older than ``before`` (RFC 3339, UTC), or too many for ``max_bytes``.

    Returns the new states of all logs if something was removed, else an empty dict: then nothing is left to remove.
    """
    is_too_large = max_bytes is not None and used_bytes(writer) > max_bytes
    with writer.changing() as run:
        rows = run("SELECT id, time FROM runs ORDER BY id LIMIT ?", (_ROWS,)).fetchall()
        # Rows are in the order of time, unless the clock was set back: up to the first row that is young enough.
        old = takewhile(lambda row: row[1] < (before or ""), rows)
        gone = rows[:_FEW_ROWS] if is_too_large else list(old)
        if not gone:
            return {}
        last = gone[-1][0]
        run("DELETE FROM runs WHERE id <= ?", (last,))
        run(
            "UPDATE logs SET oldest ="
            " coalesce((SELECT min(first) FROM runs WHERE log = logs.id), head + 1)"
        )
        run("DELETE FROM lost WHERE last < (SELECT oldest FROM logs WHERE id = lost.log)")
    writer.give_back(_PAGES)
    return writer.states()


def used_bytes(writer: Writer) -> int:
    """Return the size of the messages in the file, without free pages."""
    with writer.changing() as run:
        [pages], [free] = (
            run("PRAGMA page_count").fetchone(),
            run("PRAGMA freelist_count").fetchone(),
        )
        [size] = run("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def purge_message(writer: Writer, log: LogName, number: int) -> bool:
    """Remove the content of one message; return whether it is there. Its number, sender, nonce and time stay."""
    where = "log = ? AND first <= ? ORDER BY first DESC LIMIT 1"
    return _purge(writer, where, lambda id: (id, number), log, lambda run: [number]) > 0


def purge_before(writer: Writer, log: LogName, timestamp: str) -> int:
    """Remove the contents of all messages of ``log`` older than ``timestamp``; return how many there were."""
    return _purge(writer, "log = ? AND time < ?", lambda id: (id, timestamp), log, _all_numbers)


def purge_sender(writer: Writer, name: str) -> int:
    """Remove the contents of all messages of the user ``name``, in all logs; return how many there were."""
    key = name_key(name)
    with writer.changing() as run:
        senders = [sender for [sender] in run("SELECT DISTINCT sender FROM runs")]
    count = 0
    for sender in senders:
        if name_key(sender) == key:
            for log in writer.states():
                count += _purge_sender(writer, sender, log)
    return count


def _purge_sender(writer: Writer, sender: str, log: LogName) -> int:
    return _purge(writer, "log = ? AND sender = ?", lambda id: (id, sender), log, _all_numbers)


def erase_traces(writer: Writer) -> None:
    """Overwrite what is left of purged messages outside the tables: in the write-ahead log."""
    for _ in range(_TRIES):
        if writer.checkpoint():
            return
        time.sleep(_BETWEEN_TRIES)
    raise HistoryFault(
        f"{writer.path} is being read for too long; purge again to remove the last traces"
    )


def _all_numbers(run: StoredRun) -> Iterable[int]:
    return range(run.first, run.last + 1)


def _purge(
    writer: Writer,
    where: str,
    values: Callable[[int], tuple[object, ...]],
    log: LogName,
    numbers: Callable[[StoredRun], Iterable[int]],
) -> int:
    """Remove the contents of the messages with ``numbers`` in the rows ``where``; return how many were removed."""
    id = writer.id_of(log)
    if id is None:
        return 0
    count, last = 0, -1
    while True:
        with writer.changing() as run:
            query = f"SELECT id, {', '.join(COLUMNS)} FROM runs WHERE id > {last} AND {where}"
            if "LIMIT" not in where:
                query += f" ORDER BY id LIMIT {_ROWS}"
            rows = run(query, values(id)).fetchall()
            changed = []
            for row_id, *row in rows:
                last = max(last, row_id)
                stored = run_of(log, tuple(row))
                purged = _without(stored, numbers(stored))
                if purged is not stored:
                    count += len(purged.purged) - len(stored.purged)
                    changed.append((*row_of(purged), row_id))
            places = ", ".join(f"{name} = ?" for name in COLUMNS)
            for change in changed:
                run(f"UPDATE runs SET {places} WHERE id = ?", change)
        if len(rows) < _ROWS or "LIMIT" in where:
            return count


def _without(run: StoredRun, numbers: Iterable[int]) -> StoredRun:
    """Return ``run`` without the contents of the messages with ``numbers``."""
    gone = {number for number in numbers if run.first <= number <= run.last} - run.purged
    if not gone:
        return run
    contents = [
        b"" if number in gone else content for number, content in enumerate(run.contents, run.first)
    ]
    return run._replace(contents=contents, filename=None, purged=run.purged | gone)
