"""Accounts and devices change when the log has committed it, and not before: the user may have left meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.accounts.accounts import add_account, read_accounts, remove_account, set_password
from chat.server.accounts.passwords import matches
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.peers.wire_client import WireClient
from tests.server.fakes import wait_until
from tests.server.late_log import LateLog
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_devices import LAPTOP, PHONE, come, devices_of, give, refused

LOGIN, UTF8 = MessageType.LOGIN, MessageType.UTF8
FIRST, SECOND = "correct horse", "battery staple"

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """Return the database of a server where bob is registered."""
    database = Database(tmp_path / "data")
    add_account(database, parse_user_name("bob"), hash_cheaply(FIRST))
    return database


@pytest.fixture
def server(
    open_a_chat_server: Callable[..., TestServer], database: Database
) -> Iterator[TestServer]:
    server = open_a_chat_server(make_log=LateLog, data_directory=database.path.parent)
    yield server
    log_of(server).holds_changes = False
    log_of(server).commit()


def log_of(server: TestServer) -> LateLog:
    log = server.parts.log
    assert isinstance(log, LateLog)
    return log


def send(server: TestServer, client: WireClient, command: str, **fields: Any) -> None:
    """Send a command, and wait until the log has it, not committed."""
    log = log_of(server)
    log.holds_changes = True
    before = len(log.waiting)
    client.send(UTF8, {"command": command, "nonce": "n", **fields})
    wait_until(lambda: len(log.waiting) > before, "the command to be appended")


def names(database: Database) -> list[str]:
    return [account.name for account in read_accounts(database)]


def throw_out(server: TestServer, name: str) -> None:
    server.session(name).eject(LeaveReason.KICKED, NoticeCode.MODERATED, "You were kicked.")


def test_a_name_is_registered_when_the_log_says_so(server: TestServer, database: Database) -> None:
    alice = come(server, "alice", LAPTOP)
    send(server, alice, "register", password=FIRST)
    assert names(database) == ["bob"]
    assert not server.session("alice").registered

    log_of(server).commit()

    alice.expect_notice("done", nonce="n", seq=0)
    assert names(database) == ["alice", "bob"]
    assert server.session("alice").registered
    assert [device["current"] for device in devices_of(alice)] == [True]


def test_a_user_who_is_thrown_out_meanwhile_registers_nothing(
    server: TestServer, database: Database
) -> None:
    alice = come(server, "alice")
    send(server, alice, "register", password=FIRST)
    throw_out(server, "alice")

    log_of(server).commit()

    assert names(database) == ["bob"]
    assert server.parts.accounts.look().find("alice") is None


def test_somebody_who_takes_the_name_meanwhile_gets_no_account(
    server: TestServer, database: Database
) -> None:
    alice = come(server, "alice")
    send(server, alice, "register", password=FIRST)
    throw_out(server, "alice")
    log_of(server).holds_changes = False
    come(server, "alice")

    log_of(server).commit()

    assert names(database) == ["bob"]
    assert not server.session("alice").registered


def test_of_two_names_that_look_alike_the_first_one_in_the_log_is_registered(
    server: TestServer, database: Database
) -> None:
    alice, other = come(server, "alice"), come(server, "a1ice")
    alice.expect_joined("a1ice")
    send(server, other, "register", password=FIRST)
    send(server, alice, "register", password=FIRST)

    log_of(server).commit()

    other.expect_notice("done", nonce="n")
    assert "looks like a1ice" in alice.expect_notice("not-allowed", nonce="n").text
    assert names(database) == ["a1ice", "bob"]
    assert not server.session("alice").registered


def test_another_limit_counts_when_the_log_says_so(
    server: TestServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.server.accounts.account_operations.MAX_ACCOUNTS", 2)
    alice, carol = come(server, "alice"), come(server, "carol")
    alice.expect_joined("carol")
    for client in (alice, carol):
        send(server, client, "register", password=FIRST)

    log_of(server).commit()

    alice.expect_notice("done", nonce="n")
    assert "too many accounts" in carol.expect_notice("not-allowed", nonce="n").text
    assert names(database) == ["alice", "bob"]


def test_a_password_changes_when_the_log_says_so(server: TestServer, database: Database) -> None:
    laptop = come(server, "bob", LAPTOP, password=FIRST)
    phone = come(server, "bob", PHONE, password=FIRST)
    server.parts.devices.write()
    send(server, laptop, "passwd", password=FIRST, new_password=SECOND)
    assert matches(FIRST, read_accounts(database)[0].password)

    log_of(server).commit()

    answer = laptop.expect_notice("done", nonce="n")
    assert answer.text.endswith("Your other sessions have ended: 1.")
    phone.expect_notice("replaced", nonce=None)
    assert matches(SECOND, read_accounts(database)[0].password)
    log_of(server).holds_changes = False
    assert refused(server, "bob", device=PHONE) == "password-needed"
    come(server, "bob", LAPTOP)


@pytest.mark.parametrize("change", [set_password, remove_account])
def test_what_the_operator_changes_before_the_log_says_so_stays(
    server: TestServer, database: Database, change: Callable[..., None]
) -> None:
    laptop = come(server, "bob", LAPTOP, password=FIRST)
    send(server, laptop, "passwd", password=FIRST, new_password=SECOND)
    hash = (hash_cheaply("of the operator"),) if change is set_password else ()
    change(database, parse_user_name("bob"), *hash)

    log_of(server).commit()

    laptop.expect_notice("not-allowed", nonce="n")
    assert not any(matches(SECOND, each.password) for each in read_accounts(database))


def test_a_user_who_is_thrown_out_meanwhile_changes_no_password(
    server: TestServer, database: Database
) -> None:
    laptop = come(server, "bob", LAPTOP, password=FIRST)
    phone = come(server, "bob", PHONE, password=FIRST)
    send(server, laptop, "passwd", password=FIRST, new_password=SECOND)
    server.parts.directory.sessions_of("bob")[0].eject(
        LeaveReason.KICKED, NoticeCode.MODERATED, "You were kicked."
    )

    log_of(server).commit()

    assert matches(FIRST, read_accounts(database)[0].password)
    log_of(server).holds_changes = False
    assert len(devices_of(phone)) == 2


def test_a_device_is_forgotten_when_the_log_says_so(server: TestServer) -> None:
    laptop = come(server, "bob", LAPTOP, password=FIRST)
    phone = come(server, "bob", PHONE, password=FIRST)
    [other] = [device["name"] for device in devices_of(laptop) if not device["current"]]
    send(server, laptop, "forget", target=other)
    log_of(server).holds_changes = False
    assert len(devices_of(phone)) == 2

    log_of(server).commit()

    laptop.expect_notice("done", nonce="n")
    phone.expect_notice("replaced", nonce=None)
    assert refused(server, "bob", device=PHONE) == "password-needed"
    assert len(devices_of(laptop)) == 1


def test_a_user_who_is_thrown_out_meanwhile_forgets_no_device(server: TestServer) -> None:
    laptop = come(server, "bob", LAPTOP, password=FIRST)
    phone = come(server, "bob", PHONE, password=FIRST)
    [other] = [device["name"] for device in devices_of(laptop) if not device["current"]]
    send(server, laptop, "forget", target=other)
    server.parts.directory.sessions_of("bob")[0].eject(
        LeaveReason.KICKED, NoticeCode.MODERATED, "You were kicked."
    )

    log_of(server).commit()

    log_of(server).holds_changes = False
    assert len(devices_of(phone)) == 2


def test_the_operator_removes_an_account_when_the_log_says_so(
    server: TestServer, database: Database
) -> None:
    bob = come(server, "bob", LAPTOP, password=FIRST)
    log = log_of(server)
    log.holds_changes = True
    operations = server.parts.account_parts.operations
    removing = gevent.spawn(operations.remove, parse_user_name("bob"))
    wait_until(lambda: log.waiting, "the removal to be appended")
    assert names(database) == ["bob"]
    assert server.session("bob").registered

    log.commit()

    removing.get(timeout=30)
    assert "a guest" in bob.expect_notice("account", nonce=None).text
    assert names(database) == []
    assert not server.session("bob").registered


def test_a_log_that_takes_no_more_changes_no_account(
    server: TestServer, database: Database
) -> None:
    bob = come(server, "bob", LAPTOP, password=FIRST)
    alice = come(server, "alice")
    bob.expect_joined("alice")
    [device] = [each["name"] for each in devices_of(bob)]
    log_of(server).holds_changes = log_of(server).is_full = True

    assert give(alice, "register", password=FIRST).header["notice"] == "no-space"
    answer = give(bob, "passwd", password=FIRST, new_password=SECOND)
    assert answer.header["notice"] == "no-space"
    assert give(bob, "forget", target=device).header["notice"] == "no-space"

    log_of(server).is_full = log_of(server).holds_changes = False
    assert names(database) == ["bob"]
    assert matches(FIRST, read_accounts(database)[0].password)
    assert devices_of(bob)
