"""Accounts and devices in a cluster: alike on all servers, in memory first and on the disk behind."""

from __future__ import annotations

import dataclasses
import hashlib
import random
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
from chat.server.accounts.device_records import MAX_AGE, MAX_DEVICES, Device, select_devices
from chat.server.accounts.passwords import matches
from chat.server.storage.database import Database
from tests.cheap_hashes import hash_cheaply
from tests.server.fakes import wait_until
from tests.server.server_in_test import TestServer
from tests.server.sessions.test_devices import LAPTOP, OTHER, PHONE, come, devices_of, give, refused
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


# Devices


def test_a_user_forgets_a_device_that_is_at_another_server(twins: Twins) -> None:
    laptop = come(twins.adam, "bob", LAPTOP, password=FIRST)
    phone = come(twins.berta, "bob", PHONE, password=FIRST)
    [other] = [device for device in devices_of(laptop) if not device["current"]]
    assert other["here"]

    assert give(laptop, "forget", target=other["name"]).header["notice"] == "done"

    phone.expect_notice("replaced", nonce=None)
    for server in twins.both:
        assert refused(server, "bob", device=PHONE) == "password-needed"
    assert [device["current"] for device in devices_of(laptop)] == [True]


def test_a_device_has_one_name_and_one_time_on_all_servers(twins: Twins) -> None:
    come(twins.adam, "bob", LAPTOP, password=FIRST).leave()
    wait_until(lambda: twins.berta.here() == [], "bob to leave")
    twins.engine.offset = 100
    laptop = come(twins.berta, "bob", LAPTOP)
    before = [devices_of(laptop), devices_of(come(twins.adam, "bob", PHONE, password=FIRST))]
    [first, *_] = before[0]

    assert first["name"] in [device["name"] for device in before[1]]
    assert first["first"] < first["last"]
    twins.engine.offset = 200
    laptop.leave()
    wait_until(lambda: len(twins.adam.parts.directory) == 1, "the laptop to leave")
    for server in twins.both:
        [left] = [device for device in known(server)[1] if device.name == first["name"]]
        assert left.last_seen - left.first_seen >= 200, "a leave counts, and the time of the log"


def test_old_and_superfluous_devices_go_alike(twins: Twins) -> None:
    """A server that has started again knows devices in another order than one that has not."""
    rng = random.Random(17)
    names = [f"device {number}" for number in range(MAX_DEVICES + 5)]
    for number, server in enumerate(twins.both):
        devices, id = server.parts.devices, account(server, "bob")
        order = names[:MAX_DEVICES]
        if number:
            rng.shuffle(order)
        server.parts._clock._entry = ("", 1000.0)
        for name in order:
            devices.remember(id, hash_of(name))
        # All of them have come in the same second.
        for name in names[MAX_DEVICES:]:
            devices.remember(id, hash_of(name))
        server.parts._clock._entry = ("", 1000.0 + MAX_AGE + 1)
        devices.seen(id.id, hash_of(names[3]))
        assert devices.of(id) == [], "too old: it needs the password, and is not taken up again"
        server.parts._clock._entry = ("", 2000.0)
        devices.remember(id, hash_of("new"))
        server.parts._clock._entry = None
    assert len(known(twins.adam)[1]) == MAX_DEVICES


def hash_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def test_changes_reach_the_disk_together_with_the_place_in_the_log(twins: Twins) -> None:
    give(come(twins.adam, "alice", LAPTOP), "register", password=FIRST)
    for server in twins.both:
        assert [each.name for each in stored(twins, server)[0]] == ["bob"], "memory comes first"

    twins.write()

    for server in twins.both:
        assert stored(twins, server) == known(server)


def test_a_server_that_begins_with_a_copy_comes_to_know_the_same(twins: Twins) -> None:
    laptop = come(twins.adam, "bob", LAPTOP, password=FIRST)
    give(come(twins.adam, "alice", LAPTOP), "register", password=FIRST)
    twins.write()
    twins.copy("adam", "cesar")
    # The copy is behind this, and follows the log from its place on.
    come(twins.berta, "bob", PHONE, password=FIRST)
    give(come(twins.berta, "carol", OTHER), "register", password=FIRST)
    give(laptop, "passwd", password=FIRST, new_password=SECOND)
    operations = twins.berta.parts.account_parts.operations
    operations.remove(parse_user_name("alice"))
    before = known(twins.adam)

    cesar = twins.start("cesar")

    assert known(cesar) == before
    assert matches(SECOND, account(cesar, "bob").password)
    for name in ("alice", "bob", "carol"):
        [ours, theirs] = [
            [(each.account_id, each.moderator) for each in directory.sessions_of(name)]
            for directory in (cesar.parts.directory, twins.adam.parts.directory)
        ]
        assert ours == theirs
    give(laptop, "passwd", password=SECOND, new_password=FIRST)
    assert known(cesar) == known(twins.adam) != before
