"""Turn runs of messages into rows of the history file, and back."""

from __future__ import annotations

import struct
from itertools import accumulate
from typing import Any

from chat.protocol.descriptor import MessageType
from chat.protocol.runs import MAX_RUN
from chat.server.history.stored import LogName, StoredRun

# The sizes of the contents of a run, by the number of its messages: 32 bits each, in little-endian order.
_SIZES = [struct.Struct(f"<{count}I") for count in range(MAX_RUN + 1)]
COLUMNS = (
    "first",
    "count",
    "time",
    "sender",
    "recipient",
    "author",
    "type",
    "filename",
    "size",
    "nonces",
    "sizes",
    "content",
    "purged",
    "partner",
    "waiting",
)


def row_of(run: StoredRun) -> tuple[object, ...]:
    """Return the values of ``COLUMNS`` for ``run``."""
    count = len(run.contents)
    return (
        run.first,
        count,
        run.timestamp,
        run.sender,
        run.to,
        run.author,
        int(run.type),
        run.filename,
        run.size,
        # A nonce has no comma, and is not empty.
        b",".join([nonce or b"" for nonce in run.nonces]).decode() if any(run.nonces) else None,
        None if count == 1 else _SIZES[count].pack(*map(len, run.contents)),
        b"".join(run.contents),
        ",".join(map(str, sorted(run.purged))) or None,
        run.partner or None,
        run.waiting,
    )


def run_of(log: LogName, row: tuple[Any, ...]) -> StoredRun:
    """Return the run of ``log`` whose values of ``COLUMNS`` are ``row``."""
    first, count, time, sender, to, author, type, filename, size, nonces, sizes, content, *rest = (
        row
    )
    purged, partner, waiting = rest
    ends = [len(content)] if sizes is None else list(accumulate(_SIZES[count].unpack(sizes)))
    contents = [content[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert len(contents) == count, "a row has as many contents as messages"
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
        contents,
        filename,
        size,
        frozenset(map(int, purged.split(","))) if purged else frozenset(),
        partner or b"",
        bool(waiting),
    )
