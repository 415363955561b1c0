"""Accounts and devices in a cluster: alike on all servers, in memory first and on the disk behind."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol.descriptor import MessageType
from chat.protocol.names import parse_user_name
from chat.server.accounts import passwords
from chat.server.accounts.accounts import (
    Account,
    AccountTable,
    add_account,
    read_accounts,
)
from chat.server.accounts.device_records import Device, select_devices
from chat.server.accounts.passwords import matches
from chat.server.rooms.room import ChatRoom
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_devices import LAPTOP, PHONE, come, devices_of, give, refused
from tests.server.twins import Twins, found, open_twins

LOGIN, UTF8 = MessageType.LOGIN, MessageType.UTF8
FIRST, SECOND = "correct horse", "battery staple"

State = tuple[list[Account], list[Device]]

pytestmark = pytest.mark.usefixtures("cheap_hashes")


@pytest.fixture
def twins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Twins]:
    """Return two servers where bob is registered. At the end they know the same, and their files, too."""
    (tmp_path / "adam").mkdir()
    add(Database(tmp_path / "adam"), "bob")
    found(tmp_path)
    with open_twins(tmp_path, monkeypatch) as twins:
        yield twins
        twins.engine.release()
        require_alike(twins)


def add(database: Database, name: str) -> None:
    add_account(database, parse_user_name(name), hash_cheaply(FIRST))


def known(server: TestServer) -> State:
    """Return the accounts and devices as a server knows them."""
    table = server.parts.accounts.known
    return sorted(table, key=lambda account: account.key), sorted(table.devices)


def stored(twins: Twins, server: TestServer) -> State:
    database = twins.database(server)
    with database.reading() as connection:
        return read_accounts(database), sorted(select_devices(connection))


def require_alike(twins: Twins) -> None:
    """Check that both servers know the same, and have it on their disks."""
    assert known(twins.adam) == known(twins.berta)
    twins.write()
    for server in twins.both:
        assert stored(twins, server) == known(server)
        # After a restart, names look alike as before.
        again = AccountTable(*stored(twins, server)[:1])
        assert again._owners == server.parts.accounts.known._owners


def account(server: TestServer, name: str) -> Account:
    found = server.parts.accounts.known.find(name)
    assert found is not None
    return found


def is_registered(twins: Twins, name: str) -> list[bool]:
    """Return whether the user's session is that of an account, as each server sees it."""
    return [server.parts.directory.find(name).registered for server in twins.both]


def waits(twins: Twins, count: int = 1) -> None:
    wait_until(lambda: twins.engine.waiting == count, f"{count} records to wait")


# Registration


def test_a_user_registers_on_all_servers(twins: Twins) -> None:
    alice = come(twins.adam, "Alice", LAPTOP)

    assert give(alice, "register", password=FIRST).header["notice"] == "done"

    for server in twins.both:
        assert matches(FIRST, account(server, "alice").password)
        assert refused(server, "alice") == "password-needed"
        assert "looks like Alice" not in refused(server, "alice", password=SECOND)
        assert refused(server, "a1ice") == "bad-username"
    assert is_registered(twins, "alice") == [True, True]
    come(twins.berta, "alice", LAPTOP)  # the device is remembered there, too
    come(twins.berta, "alice", PHONE, password=FIRST)


def test_users_know_an_account_by_one_id_on_all_servers(twins: Twins) -> None:
    give(come(twins.adam, "alice"), "register", password=FIRST)

    for name in ("alice", "bob"):
        [first, second] = [
            server.parts.mailboxes.opaque_id(account(server, name).id) for server in twins.both
        ]
        assert first is not None
        assert first == second


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_names_that_look_alike_one_is_registered(twins: Twins, is_first: bool) -> None:
    alice, other = come(twins.adam, "alice"), come(twins.berta, "a1ice")
    alice.expect_joined("a1ice")
    twins.engine.is_held = True
    asking = [alice, other] if is_first else [other, alice]
    for number, client in enumerate(asking, 1):
        client.send(UTF8, {"command": "register", "password": FIRST, "nonce": "r"})
        waits(twins, number)
    twins.engine.release()

    winner, loser = asking
    winner.expect_notice("done", nonce="r")
    refusal = loser.expect_notice("not-allowed", nonce="r")
    assert f"looks like {winner.name}" in refusal.text
    for server in twins.both:
        assert [each.name for each in read(server)] == sorted(("bob", winner.name))
    assert is_registered(twins, winner.name) == [True, True]
    assert is_registered(twins, loser.name) == [False, False]


def read(server: TestServer) -> list[Account]:
    return known(server)[0]


def test_a_user_whose_session_has_ended_meanwhile_registers_nothing(twins: Twins) -> None:
    alice = come(twins.adam, "alice", LAPTOP)
    twins.engine.is_held = True
    # The device comes back, at the other server: its login is the first to be committed.
    again = twins.berta.connect()
    again.send(LOGIN, {"to": "alice", "device": LAPTOP})
    waits(twins)
    alice.send(UTF8, {"command": "register", "password": FIRST})
    waits(twins, 2)
    twins.engine.release()

    wait_until(
        lambda: all(server.here() == ["alice"] for server in twins.both), "the former session to go"
    )
    for server in twins.both:
        assert [each.name for each in read(server)] == ["bob"]
    assert is_registered(twins, "alice") == [False, False]


@pytest.mark.parametrize(
    "command",
    [
        {"command": "register", "password": FIRST},
        {"command": "passwd", "password": FIRST, "new_password": SECOND},
        {"command": "forget"},
    ],
)
def test_a_user_whose_command_waits_for_the_log_is_told(
    twins: Twins, monkeypatch: pytest.MonkeyPatch, command: dict[str, str]
) -> None:
    monkeypatch.setattr("chat.server.room.commands.REMINDER", 0.02)
    fields = {"password": FIRST} if command["command"] != "register" else {}
    user = come(twins.adam, "bob" if fields else "alice", LAPTOP, **fields)
    if command["command"] == "forget":
        command = {**command, "target": devices_of(user)[0]["name"]}
    twins.engine.is_held = True
    user.send(UTF8, {**command, "nonce": "n"})

    user.expect_notice("waiting", nonce=None)
    user.expect_notice("waiting", nonce=None)
    twins.engine.release()

    while (frame := user.read_frame()).header.get("nonce") != "n":
        assert frame.header["notice"] == "waiting"
    assert frame.header["notice"] == "done"


def test_what_a_user_has_asked_for_counts_though_the_connection_breaks(twins: Twins) -> None:
    alice = come(twins.adam, "alice")
    twins.engine.is_held = True
    alice.send(UTF8, {"command": "register", "password": FIRST})
    waits(twins)
    alice.close()
    twins.engine.release()

    wait_until(lambda: not any(server.here() for server in twins.both), "alice to leave")
    for server in twins.both:
        assert [each.name for each in read(server)] == ["alice", "bob"]


# Passwords


def test_another_password_ends_the_other_sessions_on_all_servers(twins: Twins) -> None:
    laptop = come(twins.adam, "bob", LAPTOP, password=FIRST)
    phone = come(twins.berta, "bob", PHONE, password=FIRST)

    answer = give(laptop, "passwd", password=FIRST, new_password=SECOND)

    assert answer.text == "Your password was changed. Your other sessions have ended: 1."
    phone.expect_notice("replaced", nonce=None)
    phone.expect_closed()
    for server in twins.both:
        assert refused(server, "bob", device=PHONE) == "password-needed"
        assert refused(server, "bob", password=FIRST) == "wrong-password"
        assert len(server.parts.directory.sessions_of("bob")) == 1
    come(twins.berta, "bob", LAPTOP)
    come(twins.berta, "bob", PHONE, password=SECOND)


def test_of_two_changes_of_a_password_one_counts(twins: Twins) -> None:
    laptop = come(twins.adam, "bob", LAPTOP, password=FIRST)
    phone = come(twins.berta, "bob", PHONE, password=FIRST)
    twins.engine.is_held = True
    for number, (client, new) in enumerate(((phone, SECOND), (laptop, "a third one")), 1):
        client.send(
            UTF8, {"command": "passwd", "password": FIRST, "new_password": new, "nonce": "p"}
        )
        waits(twins, number)
    twins.engine.release()

    phone.expect_notice("done", nonce="p")
    laptop.expect_notice("replaced", nonce=None)
    for server in twins.both:
        assert matches(SECOND, account(server, "bob").password)


def test_a_login_that_has_shown_the_former_password_is_too_late(twins: Twins) -> None:
    laptop = come(twins.adam, "bob", LAPTOP, password=FIRST)
    twins.engine.is_held = True
    laptop.send(UTF8, {"command": "passwd", "password": FIRST, "new_password": SECOND})
    waits(twins)
    late = twins.berta.connect()
    late.send(LOGIN, {"to": "bob", "password": FIRST, "device": PHONE})
    waits(twins, 2)
    twins.engine.release()

    assert late.read_frame().header["error"] == "password-needed"
    for server in twins.both:
        assert len(server.parts.directory.sessions_of("bob")) == 1


def test_a_hash_is_renewed_on_all_servers(twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    before = account(twins.adam, "bob").password
    monkeypatch.setattr("chat.server.sessions.admission.is_outdated", lambda hash: hash == before)

    come(twins.berta, "bob", LAPTOP, password=FIRST)

    for server in twins.both:
        assert account(server, "bob").password != before
        assert matches(FIRST, account(server, "bob").password)
    come(twins.adam, "bob", LAPTOP)


def test_a_login_does_not_wait_for_ever_for_a_better_hash(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = account(twins.adam, "bob").password
    monkeypatch.setattr("chat.server.sessions.admission.is_outdated", lambda hash: hash == before)
    monkeypatch.setattr("chat.server.accounts.account_operations.REHASH_PATIENCE", 0.01)
    twins.engine.is_held = True
    bob = twins.berta.connect()
    login = {"to": "bob", "password": FIRST}
    bob.send(LOGIN, login)
    waits(twins, 2)  # the hash, and the login behind it
    twins.engine.release()

    # It has proved to know what the hash was.
    assert bob.read_frame().header["error"] == "password-needed"
    assert bob.try_login(login).type == LOGIN


# The operator


def test_a_removed_account_makes_guests_on_all_servers(twins: Twins) -> None:
    bob = come(twins.adam, "bob", LAPTOP, password=FIRST)
    name = parse_user_name("bob")
    operations = twins.berta.parts.account_parts.operations
    operations.set_moderator(name, True)
    assert bob.expect_notice("account", nonce=None).text.startswith("You are a moderator")

    operations.remove(name)

    assert "You are a guest" in bob.expect_notice("account", nonce=None).text
    assert is_registered(twins, "bob") == [False, False]
    for server in twins.both:
        assert known(server) == ([], [])
        assert not server.parts.directory.find("bob").moderator
    bob.say("still here")
    bob.expect_text("still here", "bob")


def test_all_that_belonged_to_a_removed_account_goes_on_all_servers(twins: Twins) -> None:
    bob = come(twins.adam, "bob", LAPTOP, password=FIRST, join=[])
    eve = come(twins.berta, "eve")
    give(bob, "join", room="Hall")
    give(bob, "block", target="eve")
    id = account(twins.adam, "bob").id
    for server in twins.both:
        assert server.parts.mailboxes.blocks.names(id) == ["eve"]
        assert id in room(server, "hall").access

    twins.adam.parts.account_parts.operations.remove(parse_user_name("bob"))

    for server in twins.both:
        assert server.parts.mailboxes.blocks.names(id) == []
        assert id not in server.parts.mailboxes._mailboxes
        assert id not in room(server, "hall").access
    eve.say("hello", to="bob", nonce="h")
    eve.expect_text("hello", "eve", nonce="h")


def room(server: TestServer, name: str) -> ChatRoom:
    found = server.parts.service.rooms.find(name)
    assert found is not None
    return found


def test_a_user_without_an_account_must_leave_where_guests_may_not_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adam").mkdir()
    add(Database(tmp_path / "adam"), "bob")
    found(tmp_path)
    # The password for guests is no shared setting: the server that the operator asks decides.
    with open_twins(tmp_path, monkeypatch) as twins:
        bob = come(twins.adam, "bob", LAPTOP, password=FIRST)
        settings = twins.berta.parts.settings
        settings.take_over(dataclasses.replace(settings, password="of the room"))
        twins.berta.parts.account_parts.operations.remove(parse_user_name("bob"))

        bob.expect_notice("moderated", nonce=None)
        for server in twins.both:
            assert server.here() == []
        require_alike(twins)


def test_the_operators_password_counts_at_the_next_login(twins: Twins) -> None:
    bob = come(twins.adam, "bob", LAPTOP, password=FIRST)
    operations = twins.berta.parts.account_parts.operations

    operations.replace_password(parse_user_name("bob"), passwords.hash_password(SECOND))

    for server in twins.both:
        assert refused(server, "bob", device=LAPTOP) == "password-needed"
    bob.say("still here")
    bob.expect_text("still here", "bob")
    come(twins.berta, "bob", LAPTOP, password=SECOND)
