"""Turn runs of messages into rows of the history file, and back.

A row holds up to ``MAX_ROW`` consecutive messages of one log: most of what a row costs does not depend on its size.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import ujson

from chat.protocol.descriptor import MessageType
from chat.protocol.headers import encode_json
from chat.server.history.stored import LogName, StoredRun

# Messages of a row, and bytes of their contents. A single run may have more bytes. Readers read whole rows.
MAX_ROW, MAX_ROW_BYTES = 512, 64 * 1024
# ``time`` is that of the first message, ``until`` that of the last one. ``runs`` says what each run has besides nonces
# and contents, in JSON: see ``_facts_of``. The columns that a search needs come before the contents, which SQLite then
# does not read.
COLUMNS = ("first", "count", "time", "until", "runs", "nonces", "content")

_TEXT = MessageType.UTF8
# Stands between texts. UTF-8 never has this byte.
_BETWEEN_TEXTS = b"\xff"
# Stands between nonces, which are not empty and have no comma.
_BETWEEN_NONCES = b","
_contents, _nonces = attrgetter("contents"), attrgetter("nonces")


class _Gathered:
    """Runs that share a row."""

    __slots__ = ("bytes", "messages", "next", "runs")

    def __init__(self) -> None:
        self.runs: list[StoredRun] = []
        self.messages = self.bytes = self.next = 0

    def takes(self, run: StoredRun) -> bool:
        return (
            self.next == run.first
            and run.type is _TEXT
            and self.runs[-1].type is _TEXT
            and self.messages + len(run.contents) <= MAX_ROW
            and self.bytes + run.size <= MAX_ROW_BYTES
        )

    def append(self, run: StoredRun) -> None:
        self.runs.append(run)
        count = len(run.contents)
        self.messages += count
        self.bytes += run.size
        self.next = run.first + count


def rows_of(runs: Iterable[StoredRun]) -> list[tuple[LogName, tuple[object, ...]]]:
    """Return the rows for ``runs``, in the order of their first messages: of each the log, and the ``COLUMNS``."""
    rows: list[_Gathered] = []
    latest: dict[LogName, _Gathered] = {}
    for run in runs:
        row = latest.get(run.log)
        if row is None or not row.takes(run):
            row = latest[run.log] = _Gathered()
            rows.append(row)
        row.append(run)
    return [(row.runs[0].log, row_of(row.runs)) for row in rows]


def row_of(runs: list[StoredRun]) -> tuple[object, ...]:
    """Return the values of ``COLUMNS`` for ``runs``: consecutive texts of one log, or one attachment."""
    # In C as far as possible: this costs as much as SQLite does.
    contents = list(chain.from_iterable(map(_contents, runs)))
    nonces = list(chain.from_iterable(map(_nonces, runs)))
    joined = None
    if any(nonces):
        try:
            joined = _BETWEEN_NONCES.join(nonces)
        except TypeError:
            joined = _BETWEEN_NONCES.join([nonce or b"" for nonce in nonces])
    return (
        runs[0].first,
        len(contents),
        runs[0].timestamp,
        runs[-1].timestamp,
        encode_json(list(map(_facts_of, runs))).decode(),
        joined,
        _BETWEEN_TEXTS.join(contents),
    )


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
    purged: list[int]
    partner: str
    waiting: bool


def _facts_of(run: StoredRun) -> RunFacts:
    return RunFacts(
        len(run.contents),
        run.timestamp,
        run.sender,
        run.to,
        run.author.hex(),
        int(run.type),
        run.filename,
        run.size,
        sorted(run.purged) if run.purged else [],
        run.partner.hex(),
        run.waiting,
    )


def facts_of(column: str) -> list[RunFacts]:
    """Return what the column ``runs`` of a row says of each run."""
    return [RunFacts(*each) for each in ujson.loads(column)]


def runs_of(log: LogName, row: tuple[Any, ...]) -> list[StoredRun]:
    """Return the runs of ``log`` in the row whose values of ``COLUMNS`` are ``row``."""
    first, count, _, _, column, joined, content = row
    facts = facts_of(column)
    is_text = facts[0].type == _TEXT
    contents = content.split(_BETWEEN_TEXTS) if is_text else [content]
    nonces = nonces_of(joined) if joined is not None else [None] * count
    assert len(contents) == len(nonces) == count, "a row has as many contents as messages"
    runs = []
    start = 0
    for each in facts:
        stop = start + each.messages
        runs.append(
            StoredRun(
                log,
                first + start,
                each.timestamp,
                each.sender,
                each.to,
                bytes.fromhex(each.author),
                MessageType(each.type),
                nonces[start:stop],
                contents[start:stop],
                each.filename,
                each.size,
                frozenset(each.purged),
                bytes.fromhex(each.partner),
                each.waiting,
            )
        )
        start = stop
    return runs


def nonces_of(joined: bytes) -> list[bytes | None]:
    """Return the nonces in the column ``nonces`` of a row, in order; None for a message without."""
    return [nonce or None for nonce in joined.split(_BETWEEN_NONCES)]
