"""Devices that the server remembers: they need no password, until something ends that."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from chat.protocol.names import parse_user_name
from chat.server.accounts.accounts import Account, add_account, remove_account, set_password
from chat.server.accounts.passwords import hash_password
from chat.server.moderation.ban_records import write_records
from chat.server.moderation.bans import NAME, OPERATOR, Ban
from chat.server.storage.database import Database, DatabaseFault
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_devices import (
    LAPTOP,
    LOGIN,
    OTHER,
    PHONE,
    RIGHT,
    Start,
    come,
    database,
    devices_of,
    give,
    refused,
    server,
    start,
)

__all__ = ["database", "server", "start"]

pytestmark = pytest.mark.usefixtures("cheap_hashes")


def test_a_device_that_gave_the_password_needs_none_later(start: Start) -> None:
    with start() as server:
        come(server, "alice", LAPTOP, password=RIGHT)
        hashed = server.parts.passwords.hashed
        come(server, "alice", LAPTOP)  # at once: nothing waits for the disk
        assert server.parts.passwords.hashed == hashed
    with start() as server:
        come(server, "alice", LAPTOP)
        assert server.parts.passwords.hashed == 0
        assert refused(server, "alice", device=PHONE) == "password-needed"
        assert refused(server, "bob", device=LAPTOP) == "password-needed", "another account"
        assert refused(server, "alice", device=PHONE, password="wrong") == "wrong-password"
        assert refused(server, "alice", device=PHONE) == "password-needed"


def test_a_remembered_device_is_no_stranger_to_the_limits_of_its_address(start: Start) -> None:
    with start(exempt=(), max_logins=3) as server:
        come(server, "alice", LAPTOP, password=RIGHT)
        for _ in range(3):
            refused(server, "alice", device=PHONE)
        assert refused(server, "eve") == "too-many-attempts"

        come(server, "alice", LAPTOP)


def test_a_stolen_session_token_makes_no_device_remembered(server: TestServer) -> None:
    alice = come(server, "alice", LAPTOP, password=RIGHT)
    thief = come(server, "alice", OTHER, session=alice.welcome["session"])
    thief.leave()
    thief.read_to_end()

    assert refused(server, "alice", device=OTHER) == "password-needed"


def test_passwd_ends_the_other_sessions_and_forgets_the_other_devices(start: Start) -> None:
    with start() as server:
        eve = come(server, "eve")
        laptop = come(server, "alice", LAPTOP, password=RIGHT)
        phone = come(server, "alice", PHONE, password=RIGHT)
        server.parts.devices.write()

        answer = give(laptop, "passwd", password=RIGHT, new_password="another one")

        assert answer.header["notice"] == "done", answer
        phone.expect_notice("replaced")
        phone.expect_closed()
        assert refused(server, "alice", device=PHONE) == "password-needed"
        come(server, "alice", LAPTOP).say("still me")
        eve.expect_joined("alice")
        eve.expect_text("still me", "alice")
    with start() as server:
        come(server, "alice", LAPTOP)
        assert refused(server, "alice", device=PHONE) == "password-needed"


def test_devices_lists_and_forget_removes(server: TestServer) -> None:
    phone = come(server, "alice", PHONE, password=RIGHT)
    laptop = come(server, "alice", LAPTOP, password=RIGHT)
    come(server, "bob", LAPTOP, password=RIGHT)

    found = devices_of(laptop)

    assert sorted((each["here"], each["current"]) for each in found) == [
        (True, False),
        (True, True),
    ]
    assert all(each["first"] <= each["last"] for each in found)
    [name] = [each["name"] for each in found if not each["current"]]
    answer = give(laptop, "forget", target=name)
    assert (answer.header["notice"], name in answer.text) == ("done", True)
    phone.read_until(LOGIN, b"")
    phone.expect_notice("replaced")
    phone.expect_closed()
    assert refused(server, "alice", device=PHONE) == "password-needed"
    assert [each["current"] for each in devices_of(laptop)] == [True]
    assert give(laptop, "forget", target=name).header["notice"] == "bad-command"
    assert give(laptop, "forget").header["notice"] == "bad-command"
    assert give(come(server, "eve"), "devices").header["notice"] == "not-allowed"


def test_a_device_is_not_forgotten_while_the_disk_fails(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(account: Account, hash: bytes) -> None:
        raise DatabaseFault("disk full")

    phone = come(server, "alice", PHONE, password=RIGHT)
    laptop = come(server, "alice", LAPTOP, password=RIGHT)
    monkeypatch.setattr(server.parts.devices, "forget", fail)
    [name] = [each["name"] for each in devices_of(laptop) if not each["current"]]

    assert give(laptop, "forget", target=name).header["notice"] == "no-space"
    phone.say("still here")
    phone.expect_text("still here", "alice")


def test_a_session_whose_own_device_is_forgotten_stays(server: TestServer) -> None:
    laptop = come(server, "alice", LAPTOP, password=RIGHT)
    server.parts.devices.write()
    [device] = devices_of(laptop)

    assert give(laptop, "forget", target=device["name"]).header["notice"] == "done"

    assert devices_of(laptop) == []
    assert refused(server, "alice", device=LAPTOP) == "password-needed"


def ban(database: Database) -> None:
    entry = Ban(NAME, "alice", None, OPERATOR, None, 0)
    write_records(database, add=[entry])
    write_records(database, remove=[entry])


def change(database: Database) -> None:
    set_password(database, parse_user_name("alice"), hash_password(RIGHT))


def begin_anew(database: Database) -> None:
    remove_account(database, parse_user_name("alice"))
    add_account(database, parse_user_name("alice"), hash_password(RIGHT))


@pytest.mark.parametrize("act", [ban, change, begin_anew])
@pytest.mark.parametrize("is_written", [True, False])
def test_what_the_operator_does_ends_what_devices_stand_for(
    server: TestServer, database: Database, act: Callable[[Database], None], is_written: bool
) -> None:
    alice = come(server, "alice", LAPTOP, password=RIGHT)
    if is_written or act is ban:
        server.parts.devices.write()
    alice.leave()
    alice.read_to_end()
    act(database)
    server.parts.watch.look()

    assert refused(server, "alice", device=LAPTOP) == "password-needed"
    server.parts.devices.write()
    assert refused(server, "alice", device=LAPTOP) == "password-needed"


def test_who_registers_is_remembered_with_the_device(server: TestServer) -> None:
    carol = come(server, "carol", LAPTOP)
    assert give(carol, "register", password=RIGHT).header["notice"] == "done"
    carol.leave()
    carol.read_to_end()

    come(server, "carol", LAPTOP)


def test_no_secret_is_written_or_shown(
    server: TestServer, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    alice = come(server, "alice", LAPTOP, password=RIGHT)
    server.parts.devices.write()
    devices_of(alice)
    refused(server, "bob", device=LAPTOP, password="wrong")

    assert "alice joined" in caplog.text
    assert LAPTOP not in caplog.text
    assert LAPTOP.encode() not in database.path.read_bytes()
    session = server.session("alice")
    assert session.account_id is not None
    [device] = server.parts.accounts.known.devices_of(session.account_id)
    assert device.hash == session.device
    assert repr(device.hash) not in repr(device)
