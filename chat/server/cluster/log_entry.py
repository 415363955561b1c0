"""Entries of the replicated log, as the engine keeps them and as a server applies them.

``log.lua`` writes packed entries and describes their form.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

_SIZE = struct.Struct(">I")
_FENCE, _RECORDS = b"f", b"e"


class EntryId(NamedTuple):
    """Identify an entry: its number, the incarnation of its writer, and the number among the writer's entries.

    Two logs that have the same entry by this have the same entries up to there.
    """

    n: int
    writer: str
    counter: int


# Before the first entry of a log.
ORIGIN = EntryId(0, "-", 0)


class LogEntry(NamedTuple):
    """Hold an entry: some records of one writer, or a fence, which is the end of a writer.

    ``before`` identifies the entry before. ``micros`` are microseconds since 1970, by the engine's clock; they never
    run back. ``id.writer`` of a fence is the writer that it ends; a fence has no records.
    """

    id: EntryId
    before: EntryId
    micros: int
    is_fence: bool
    records: tuple[bytes, ...]


def pack_records(records: Iterable[bytes]) -> bytes:
    """Return the payload of an entry: each record behind its size (4 bytes, big-endian)."""
    return b"".join([part for record in records for part in (_SIZE.pack(len(record)), record)])


def parse_entry(packed: bytes) -> LogEntry:
    """Parse a packed entry. Raises ValueError if this version cannot read it."""
    line, newline, payload = packed.partition(b"\n")
    fields = line.split(b" ")
    if not newline or len(fields) != 7 or fields[4] not in (_FENCE, _RECORDS):
        raise ValueError(f"an entry of the log cannot be read; it begins with {packed[:100]!r}")
    n, writer, counter, micros, kind, before, before_counter = fields
    number = int(n)
    return LogEntry(
        EntryId(number, writer.decode("ascii"), int(counter)),
        EntryId(number - 1, before.decode("ascii"), int(before_counter)),
        int(micros),
        kind == _FENCE,
        _unpack(payload),
    )


def _unpack(payload: bytes) -> tuple[bytes, ...]:
    records = []
    place, end = 0, len(payload)
    while place < end:
        first = place + _SIZE.size
        if first > end:
            raise ValueError("an entry of the log ends within a record")
        [size] = _SIZE.unpack_from(payload, place)
        place = first + size
        if place > end:
            raise ValueError("an entry of the log ends within a record")
        records.append(payload[first:place])
    return tuple(records)
