"""The first version: a row for each run of up to 64 messages, with columns for what is known of the run."""

from __future__ import annotations

import sqlite3
import struct
from itertools import accumulate
from typing import Any

from chat.protocol.descriptor import MessageType
from chat.server.history.rows import INSERT, MESSAGES_TABLE, pack, rows_of
from chat.server.history.stored import LogName, StoredRun

_FORMER_COLUMNS = (
    "log, first, count, time, sender, recipient, author, type, filename, size, nonces, sizes, "
    "content, purged"
)
# Runs in memory at a time: at most 64 KiB each.
_BATCH = 512


def convert(connection: sqlite3.Connection) -> None:
    """Turn the rows into those of the present version. Called in a transaction. Raises sqlite3.Error."""
    for statement in MESSAGES_TABLE:
        connection.execute(statement)
    names, ids = {}, {}
    for id, kind, key in connection.execute("SELECT id, kind, key FROM logs"):
        names[id] = LogName(kind, key)
        ids[names[id]] = id
    rows = connection.execute(f"SELECT {_FORMER_COLUMNS} FROM runs ORDER BY log, first")
    while batch := rows.fetchmany(_BATCH):
        packed = [pack(_run_of(names[row[0]], row[1:])) for row in batch]
        connection.executemany(INSERT, [(ids[name], *row) for name, row in rows_of(packed)])
    connection.execute("DROP TABLE runs")


def _run_of(log: LogName, row: tuple[Any, ...]) -> StoredRun:
    first, count, time, sender, to, author, type, filename, size, nonces, sizes, content, purged = (
        row
    )
    # ``sizes`` are 32 bits each, in little-endian order. A lone message has none.
    lengths = [len(content)] if sizes is None else struct.unpack(f"<{count}I", sizes)
    ends = list(accumulate(lengths))
    return StoredRun(
        log,
        first,
        time,
        sender,
        to,
        author,
        MessageType(type),
        [None] * count
        if nonces is None
        else [nonce.encode() or None for nonce in nonces.split(",")],
        [content[start:end] for start, end in zip([0, *ends], ends, strict=False)],
        filename,
        size,
        frozenset(map(int, purged.split(","))) if purged else frozenset(),
    )
