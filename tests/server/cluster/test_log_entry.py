"""Entries as bytes: this version reads what it knows, and does not guess."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.server.cluster.log_entry import EntryId, LogEntry, pack_records, parse_entry
from tests.tables import table


@given(st.lists(st.binary()))
def test_records_come_back(records: list[bytes]) -> None:
    packed = b"7 me 3 1700000000000000 e you 9\n" + pack_records(records)
    assert parse_entry(packed) == LogEntry(
        EntryId(7, "me", 3), EntryId(6, "you", 9), 1_700_000_000_000_000, False, tuple(records)
    )


@table(
    "packed",
    [
        b"",
        b"7 me 3 1700000000000000 e you 9",
        b"7 me 3 1700000000000000 z you 9\n",
        b"7 me 3 1700000000000000 e you\n",
        b"x me 3 1700000000000000 e you 9\n",
        b"7 me 3 1700000000000000 e you 9\n\0\0\0",
        b"7 me 3 1700000000000000 e you 9\n\0\0\0\2a",
        b"7 m\xff 3 1700000000000000 e you 9\n",
    ],
)
def test_another_entry_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError):
        parse_entry(packed)
