"""Registered names: in the file, in the server's copy of it, and what looks like them."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from chat.protocol.names import UserName, parse_user_name
from chat.server.accounts.account_problems import AccountChanged, AccountExists, NoSuchAccount
from chat.server.accounts.accounts import (
    Account,
    Accounts,
    AccountTable,
    add_account,
    read_accounts,
    remove_account,
    replace_hash,
    set_moderator,
    set_password,
)
from chat.server.accounts.device_records import Device, select_devices
from chat.server.storage.database import Database, DatabaseFault, DatabaseThread

ALICE = parse_user_name("Alice")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "data")


@pytest.fixture
def accounts(database: Database) -> Iterator[Accounts]:
    """The copy of a server that has just started."""
    thread = DatabaseThread(database)
    accounts = Accounts(thread)
    accounts.start()
    yield accounts
    thread.close()


def account(name: str) -> Account:
    parsed = parse_user_name(name)
    return Account(parsed.display, parsed.key, "hash")


def in_file(database: Database) -> list[tuple[str, str, bool]]:
    return [(each.name, each.password, each.is_moderator) for each in read_accounts(database)]


# In the file


def test_an_account_is_its_name_a_hash_and_a_time(database: Database) -> None:
    before = int(time.time())
    added = add_account(database, ALICE, "hash", is_moderator=True)

    assert read_accounts(database) == [added]
    assert added[:4] == ("Alice", "alice", "hash", True)
    assert before <= added.created <= time.time()


def test_accounts_are_listed_by_name(database: Database) -> None:
    for name in ("bob", "Carol", "Alice"):
        add_account(database, parse_user_name(name), "hash")

    assert [each.name for each in read_accounts(database)] == ["Alice", "bob", "Carol"]


@pytest.mark.parametrize("name", ["Alice", "alice", "ALICE", "Ａlice"])
def test_a_name_is_registered_once_in_any_case(database: Database, name: str) -> None:
    add_account(database, ALICE, "first")

    with pytest.raises(AccountExists, match="already registered"):
        add_account(database, parse_user_name(name), "second")
    assert in_file(database) == [("Alice", "first", False)]


def test_what_looks_like_a_registered_name_is_not_registered(database: Database) -> None:
    add_account(database, ALICE, "first")

    with pytest.raises(AccountExists, match="looks like Alice"):
        add_account(database, parse_user_name("аlice"), "second")  # with a Cyrillic first letter


def test_what_can_be_changed(database: Database) -> None:
    add_account(database, ALICE, "first")

    set_password(database, ALICE, "second")
    set_moderator(database, ALICE, True)
    assert in_file(database) == [("Alice", "second", True)]

    set_moderator(database, ALICE, False)
    assert in_file(database) == [("Alice", "second", False)]

    remove_account(database, ALICE)
    assert in_file(database) == []


def test_a_hash_can_be_renewed_unless_it_is_another_by_now(database: Database) -> None:
    add_account(database, ALICE, "first")

    replace_hash(database, ALICE, "renewed", instead_of="first")
    with pytest.raises(AccountChanged):
        replace_hash(database, ALICE, "late", instead_of="first")

    assert in_file(database) == [("Alice", "renewed", False)]


def test_a_missing_account_is_not_changed(database: Database) -> None:
    with pytest.raises(NoSuchAccount, match="Alice is not registered"):
        remove_account(database, ALICE)
    with pytest.raises(NoSuchAccount):
        set_password(database, ALICE, "hash")
    with pytest.raises(NoSuchAccount):
        set_moderator(database, ALICE, True)


def test_a_hash_stands_in_no_log() -> None:
    assert "hash" not in repr(account("alice"))


# Names that look like them


def without_alice(table: AccountTable) -> AccountTable:
    return AccountTable(each for each in table if each.name != "alice")


def test_a_table_that_was_changed_knows_what_a_new_one_knows() -> None:
    """Accounts from before the rule may share a look. A server that starts again reads them in the order of keys."""
    table = AccountTable([account("bob"), account("carol")])
    for name in ("a1ice", "alice", "dave"):
        table.put(account(name))

    left = table.without(account("dave"))

    again = AccountTable([account(name) for name in ("a1ice", "alice", "bob", "carol")])
    for name in ("aIice", "alice", "a1ice", "b0b", "dave"):
        for one, other in ((left, again), (left.without(account("alice")), without_alice(again))):
            found = one.lookalike(parse_user_name(name))
            assert found == other.lookalike(parse_user_name(name)), name
    assert len(left) == 4


@pytest.mark.parametrize("name", ["аlice", "AIice", "a1ice", "Аlice"])
def test_a_lookalike_is_seen(name: str) -> None:
    register = AccountTable([account("Alice"), account("bob")])

    owner = register.lookalike(parse_user_name(name))

    assert owner is not None
    assert owner.name == "Alice"


@pytest.mark.parametrize("name", ["Alice", "alice", "carol", "alicia", "bobby", "Élice"])
def test_the_owner_and_others_are_no_lookalikes(name: str) -> None:
    assert AccountTable([account("Alice"), account("bob")]).lookalike(parse_user_name(name)) is None


# The server's copy


def test_a_server_that_keeps_nothing_has_no_accounts() -> None:
    accounts = Accounts(None)
    accounts.start()

    assert len(accounts.look()) == 0


def test_where_nobody_is_registered_no_file_is_made(accounts: Accounts, database: Database) -> None:
    assert len(accounts.look()) == 0
    assert not database.path.parent.exists()


def test_a_change_by_anyone_is_seen_at_the_next_look(
    accounts: Accounts, database: Database
) -> None:
    for number in range(30):  # also when they follow within a tick of the clock
        name = parse_user_name(f"user{number}")
        add_account(database, name, "hash")
        assert accounts.look().find(name.key) is not None
        set_password(database, name, "other")
        found = accounts.look().find(name.key)
        assert found is not None
        assert found.password == "other"
    remove_account(database, parse_user_name("user7"))
    assert accounts.look().find("user7") is None
    assert len(accounts.look()) == 29


def test_what_has_not_changed_is_not_read_again(accounts: Accounts, database: Database) -> None:
    add_account(database, ALICE, "hash")
    os.utime(database.path, ns=(1, 1))  # long ago

    first = accounts.look()

    assert accounts.look() is first
    assert first.find("alice") is not None


def test_a_change_of_something_else_in_the_file_costs_no_reading_of_accounts(
    accounts: Accounts, database: Database
) -> None:
    add_account(database, ALICE, "hash")
    first = accounts.look()
    with database.writing() as connection:
        connection.execute("INSERT INTO marks VALUES (x'01', 'room', 'lobby', 5)")

    assert accounts.look() is first


def test_many_who_look_at_once_have_it_read_once(
    accounts: Accounts, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_account(database, ALICE, "hash")
    os.utime(database.path, ns=(1, 1))
    readings: list[int] = []

    def read(connection: sqlite3.Connection) -> list[Device]:
        readings.append(1)
        return select_devices(connection)

    monkeypatch.setattr("chat.server.accounts.accounts.select_devices", read)
    looks = [gevent.spawn(accounts.look) for _ in range(20)]
    gevent.joinall(looks, raise_error=True)

    assert len(readings) == 1
    assert all(look.get().find("alice") for look in looks)


def test_a_file_that_is_gone_has_no_accounts(accounts: Accounts, database: Database) -> None:
    add_account(database, ALICE, "hash")
    assert len(accounts.look()) == 1

    database.path.unlink()

    assert len(accounts.look()) == 0


def test_a_file_that_cannot_be_read_any_more_gives_no_name_away(
    accounts: Accounts, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    add_account(database, ALICE, "hash")
    accounts.look()
    database.path.write_bytes(b"no database" * 1000)

    with caplog.at_level(logging.ERROR, "chat.server"):
        for _ in range(3):
            assert accounts.look().find("alice") is not None

    [complaint] = caplog.messages
    assert "stay in use: cannot use" in complaint


def test_a_server_does_not_start_without_its_accounts(database: Database) -> None:
    database.path.parent.mkdir()
    database.path.write_bytes(b"no database" * 1000)
    thread = DatabaseThread(database)

    with pytest.raises(DatabaseFault):
        Accounts(thread).start()
    thread.close()


def test_what_a_name_looks_like_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def looks(name: str) -> frozenset[str]:
        asked.append(name)
        return frozenset((name,))

    monkeypatch.setattr("chat.server.accounts.accounts.looks_of", looks)
    first = AccountTable([account("alice")])
    second = AccountTable([account("alice"), account("bob")], before=first)

    assert asked == ["alice", "bob"]
    assert second.lookalike(UserName("bob", "somebody else's")) is not None
