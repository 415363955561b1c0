"""Turn runs of messages into rows of the history file, and back.

A row holds up to ``MAX_ROW`` consecutive messages of one log: most of what a row costs does not depend on its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import ujson

from chat.protocol.descriptor import MessageType
from chat.protocol.headers import encode_json
from chat.server.history.stored import LogName, StoredRun

# Messages of a row, and bytes of their contents. A single run may have more bytes. Readers read whole rows.
MAX_ROW, MAX_ROW_BYTES = 512, 64 * 1024
# ``time`` is that of the first message, ``until`` that of the last one. ``runs`` says what each run has besides nonces
# and contents, in JSON: see ``RunFacts``. The columns that a search needs come before the contents, which SQLite then
# does not read.
COLUMNS = ("first", "count", "time", "until", "runs", "nonces", "content")
MESSAGES_TABLE = (
    """
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        log INTEGER NOT NULL REFERENCES logs (id),
        first INTEGER NOT NULL,
        count INTEGER NOT NULL,
        time TEXT NOT NULL,
        until TEXT NOT NULL,
        runs TEXT NOT NULL,
        nonces BLOB,
        content BLOB NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX messages_by_number ON messages (log, first)",
)
# Its values are the id of a log and the ``COLUMNS``.
INSERT = f"INSERT INTO messages (log, {', '.join(COLUMNS)}) VALUES ({', '.join('?' * (len(COLUMNS) + 1))})"

_TEXT = MessageType.UTF8
# Stands between texts. UTF-8 never has this byte.
BETWEEN_TEXTS = b"\xff"
# Stands between nonces, which are not empty and have no comma.
_BETWEEN_NONCES = b","


class RunFacts(NamedTuple):
    """Hold what a row says of one run in its column ``runs``."""

    messages: int
    timestamp: str
    sender: str
    to: str | None
    author: str
    type: int
    filename: str | None
    size: int
    purged: Sequence[int]
    partner: str
    waiting: bool


# Where the type of a message is among its facts.
TYPE_FACT = RunFacts._fields.index("type")


class PackedRun(NamedTuple):
    """Hold a run as it is written: few objects in place of some for each message.

    Packed while its messages are in the caches of the processor, and their memory is free again a moment later. To pack
    thousands of messages later costs several times as much. ``nonces`` is None if no message has one.
    """

    log: LogName
    first: int
    last: int
    facts: RunFacts
    nonces: bytes | None
    content: bytes


def pack(run: StoredRun) -> PackedRun:
    """Return ``run`` as it is written."""
    nonces = run.nonces
    joined = None
    if any(nonces):
        joined = _BETWEEN_NONCES.join([nonce or b"" for nonce in nonces])
    count = len(nonces)
    facts = RunFacts(
        count,
        run.timestamp,
        run.sender,
        run.to,
        run.author.hex(),
        int(run.type),
        run.filename,
        run.size,
        sorted(run.purged) if run.purged else (),
        run.partner.hex(),
        run.waiting,
    )
    content = run.contents[0] if count == 1 else BETWEEN_TEXTS.join(run.contents)
    return PackedRun(run.log, run.first, run.first + count - 1, facts, joined, content)


def unpack(packed: PackedRun) -> StoredRun:
    """Return the run that was packed."""
    log, first, last, facts, nonces, content = packed
    return _unpack(log, first, last - first + 1, [facts], nonces, content)[0]


class _Gathered:
    """Runs that share a row."""

    __slots__ = ("bytes", "runs")

    def __init__(self, run: PackedRun) -> None:
        self.runs = [run]
        self.bytes = len(run.content)

    def append(self, run: PackedRun) -> bool:
        """Add ``run`` if it fits; return whether it does."""
        runs = self.runs
        self.bytes += len(run.content)
        if (
            runs[-1].last + 1 == run.first
            and run.last - runs[0].first < MAX_ROW
            and self.bytes <= MAX_ROW_BYTES
            and run.facts.type == runs[0].facts.type == _TEXT
        ):
            runs.append(run)
            return True
        return False


def rows_of(runs: Iterable[PackedRun]) -> list[tuple[LogName, tuple[object, ...]]]:
    """Return the rows for ``runs``, in the order of their first messages: of each the log, and the ``COLUMNS``."""
    rows: list[_Gathered] = []
    latest: dict[LogName, _Gathered] = {}
    for run in runs:
        row = latest.get(run.log)
        if row is None or not row.append(run):
            row = latest[run.log] = _Gathered(run)
            rows.append(row)
    return [(row.runs[0].log, row_of(row.runs)) for row in rows]


def row_of(runs: Sequence[PackedRun]) -> tuple[object, ...]:
    """Return the values of ``COLUMNS`` for ``runs``: consecutive texts of one log, or one attachment."""
    first, last = runs[0], runs[-1]
    nonces = None
    if any(run.nonces is not None for run in runs):
        nonces = _BETWEEN_NONCES.join(
            [
                _BETWEEN_NONCES * (run.last - run.first) if run.nonces is None else run.nonces
                for run in runs
            ]
        )
    return (
        first.first,
        last.last - first.first + 1,
        first.facts.timestamp,
        last.facts.timestamp,
        encode_json([run.facts for run in runs]).decode(),
        nonces,
        BETWEEN_TEXTS.join([run.content for run in runs]),
    )


def facts_of(column: str) -> list[RunFacts]:
    """Return what the column ``runs`` of a row says of each run."""
    return [RunFacts(*each) for each in ujson.loads(column)]


def runs_of(log: LogName, row: tuple[Any, ...]) -> list[StoredRun]:
    """Return the runs of ``log`` in the row whose values of ``COLUMNS`` are ``row``."""
    first, count, _, _, column, joined, content = row
    return _unpack(log, first, count, facts_of(column), joined, content)


class RowMessages:
    """The messages of one row, each as a run of one. Only those that are asked for are unpacked.

    ``row`` has the values of ``COLUMNS``. Most of what a message costs is to read what the row says of all its runs.
    """

    def __init__(self, log: LogName, row: tuple[Any, ...]) -> None:
        self._log = log
        self._first, count, _, _, column, joined, content = row
        self._numbers = range(self._first, self._first + count)
        self._facts: list[Any] = ujson.loads(column)
        is_text = self._facts[0][TYPE_FACT] == _TEXT
        self._contents, self._nonces = _split(count, joined, content, is_text=is_text)

    def message(self, number: int) -> StoredRun | None:
        """Return the message with ``number``; None if the row does not have it."""
        if number not in self._numbers:
            return None
        first = self._first
        for facts in self._facts:
            if number < first + facts[0]:
                break
            first += facts[0]
        start = first - self._first
        run = _stored(self._log, first, RunFacts(*facts), start, self._nonces, self._contents)
        return run.slice(number - 1, number + 1)


def _unpack(
    log: LogName,
    first: int,
    count: int,
    facts: list[RunFacts],
    joined: bytes | None,
    content: bytes,
) -> list[StoredRun]:
    is_text = facts[0].type == _TEXT
    contents, nonces = _split(count, joined, content, is_text=is_text)
    runs = []
    start = 0
    for each in facts:
        runs.append(_stored(log, first + start, each, start, nonces, contents))
        start += each.messages
    return runs


def _split(
    count: int, joined: bytes | None, content: bytes, *, is_text: bool
) -> tuple[list[bytes], Sequence[bytes | None]]:
    """Return the contents and the nonces of the messages in a row."""
    contents = content.split(BETWEEN_TEXTS) if is_text else [content]
    nonces = nonces_of(joined) if joined is not None else [None] * count
    assert len(contents) == len(nonces) == count, "a row has as many contents as messages"
    return contents, nonces


def _stored(
    log: LogName,
    first: int,
    facts: RunFacts,
    start: int,
    nonces: Sequence[bytes | None],
    contents: list[bytes],
) -> StoredRun:
    """Return a run whose first message has the number ``first``, and the place ``start`` in the row."""
    stop = start + facts.messages
    return StoredRun(
        log,
        first,
        facts.timestamp,
        facts.sender,
        facts.to,
        bytes.fromhex(facts.author),
        MessageType(facts.type),
        nonces[start:stop],
        contents[start:stop],
        facts.filename,
        facts.size,
        frozenset(facts.purged),
        bytes.fromhex(facts.partner),
        facts.waiting,
    )


def nonces_of(joined: bytes) -> list[bytes | None]:
    """Return the nonces in the column ``nonces`` of a row, in order; None for a message without."""
    return [nonce or None for nonce in joined.split(_BETWEEN_NONCES)]
