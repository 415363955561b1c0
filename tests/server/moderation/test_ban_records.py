"""Bans and mutes in the database."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from chat.server.moderation.ban_records import read_records, write_records
from chat.server.moderation.bans import NAME, NETWORK, Ban, Mute
from chat.server.storage.database import Database

LATER = int(time.time()) + 1000
ALICE = Ban(NAME, "alice", None, "bob", "spam", 1000, "Alice")
ADDRESS = Ban(NETWORK, "2001:db8::/64", LATER, "bob", None, 1000, "Alice")
EVE = Mute("eve", LATER, "bob", None, 1000)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "data")


def test_what_was_written_is_read(database: Database) -> None:
    assert read_records(database) == ([], [])

    write_records(database, add=[ALICE, ADDRESS, EVE])

    bans, mutes = read_records(database)
    assert sorted(bans) == [ALICE, ADDRESS]
    assert mutes == [EVE]


def test_the_same_target_is_there_once(database: Database) -> None:
    write_records(database, add=[ALICE, EVE])
    write_records(database, add=[ALICE._replace(until=LATER), EVE._replace(reason="noise")])
    [ban], [mute] = read_records(database)
    assert (ban.until, mute.reason) == (LATER, "noise")


def test_what_is_removed_is_gone_and_the_rest_is_not(database: Database) -> None:
    same = Ban(NETWORK, "alice", None, "bob", None, 1000)  # of another kind
    write_records(database, add=[ALICE, same, ADDRESS, EVE])
    write_records(database, remove=[ALICE, EVE])
    bans, mutes = read_records(database)
    assert sorted(bans) == sorted([same, ADDRESS])
    assert mutes == []


def test_what_is_over_goes_with_the_next_change(database: Database) -> None:
    write_records(database, add=[ALICE._replace(until=1), EVE._replace(until=1), ADDRESS])
    write_records(database)
    assert read_records(database) == ([ADDRESS], [])
