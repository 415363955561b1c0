"""Devices in a cluster: remembered alike on all servers, also on one that has started again."""

from __future__ import annotations

import hashlib
import random

import pytest

from chat.protocol.names import parse_user_name
from chat.server.accounts.device_records import MAX_AGE, MAX_DEVICES
from chat.server.accounts.passwords import matches
from tests.server.accounts.test_accounts_of_twins import (
    FIRST,
    LOGIN,
    SECOND,
    UTF8,
    account,
    known,
    stored,
    twins,
)
from tests.server.fakes import wait_until
from tests.server.sessions.test_devices import LAPTOP, OTHER, PHONE, come, devices_of, give, refused
from tests.server.twins import Twins

__all__ = ["twins"]

pytestmark = pytest.mark.usefixtures("cheap_hashes")


def test_a_user_forgets_a_device_that_is_at_another_server(twins: Twins) -> None:
    laptop = come(twins.adam, "bob", LAPTOP, password=FIRST)
    phone = come(twins.berta, "bob", PHONE, password=FIRST)
    [other] = [device for device in devices_of(laptop) if not device["current"]]
    assert other["here"]
    twins.write()

    assert give(laptop, "forget", target=other["name"]).header["notice"] == "done"

    phone.expect_notice("replaced", nonce=None)
    for server in twins.both:
        assert refused(server, "bob", device=PHONE) == "password-needed"
    assert [device["current"] for device in devices_of(laptop)] == [True]


def test_a_device_that_logs_in_while_it_is_forgotten_needs_the_password(twins: Twins) -> None:
    laptop = come(twins.adam, "bob", LAPTOP, password=FIRST)
    come(twins.berta, "bob", PHONE, password=FIRST).leave()
    wait_until(lambda: len(twins.adam.parts.directory) == 1, "the phone to leave")
    [other] = [device["name"] for device in devices_of(laptop) if not device["current"]]
    twins.engine.is_held = True
    laptop.send(UTF8, {"command": "forget", "target": other})
    wait_until(lambda: twins.engine.waiting == 1, "the command to wait")
    phone = twins.berta.connect()
    phone.send(LOGIN, {"to": "bob", "device": PHONE})
    wait_until(lambda: twins.engine.waiting == 2, "the login to wait")
    twins.engine.release()

    assert phone.read_frame().header["error"] == "password-needed"
    for server in twins.both:
        assert len(server.parts.directory.sessions_of("bob")) == 1


def test_a_device_may_log_in_while_the_hash_of_the_password_is_renewed(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    come(twins.adam, "bob", PHONE, password=FIRST).leave()
    wait_until(lambda: not any(map(len, (s.parts.directory for s in twins.both))), "it to leave")
    before = account(twins.adam, "bob").password
    monkeypatch.setattr("chat.server.sessions.admission.is_outdated", lambda hash: hash == before)
    twins.engine.is_held = True
    laptop, phone = twins.adam.connect(), twins.berta.connect()
    laptop.send(LOGIN, {"to": "bob", "password": FIRST, "device": LAPTOP})
    wait_until(lambda: twins.engine.waiting == 1, "the hash to wait")
    phone.send(LOGIN, {"to": "bob", "device": PHONE})
    wait_until(lambda: twins.engine.waiting == 2, "the login to wait")
    twins.engine.release()

    assert phone.read_frame().type == LOGIN
    assert laptop.read_frame().type == LOGIN
    assert account(twins.adam, "bob").password != before


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
        order = names[:]
        if number:
            rng.shuffle(order)
        server.parts._clock._entry = ("", 1000.0)
        # All of them have come in the same second.
        for name in order:
            devices.remember(id, hash_of(name))
        left = min(server.parts.accounts.known.devices_of(id.id))
        server.parts._clock._entry = ("", 1000.0 + MAX_AGE + 1)
        devices.seen(id.id, left.hash)
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


def test_a_ban_ends_what_devices_stand_for_on_all_servers(twins: Twins) -> None:
    come(twins.adam, "bob", LAPTOP, password=FIRST).leave()
    give(come(twins.berta, "alice", PHONE), "register", password=FIRST)
    twins.adam.parts.account_parts.operations.set_moderator(parse_user_name("alice"), True)
    alice = come(twins.berta, "alice", PHONE)

    give(alice, "ban", target="bob")
    give(alice, "unban", target="bob")

    for server in twins.both:
        assert len(known(server)[1]) == 1
        assert refused(server, "bob", device=LAPTOP) == "password-needed"


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


def test_a_server_that_was_stopped_comes_to_know_the_same(twins: Twins) -> None:
    laptop = come(twins.adam, "bob", LAPTOP, password=FIRST)
    alice = come(twins.adam, "alice", OTHER)
    twins.engine.offset = 100
    # A user of the other server, who stays when this one stops.
    come(twins.berta, "bob", PHONE, password=FIRST)
    give(alice, "register", password=FIRST)
    alice.leave()
    laptop.leave()
    wait_until(lambda: twins.berta.here() == ["bob"], "the users of the first server to leave")
    twins.engine.offset = 200
    before = known(twins.berta)

    adam = twins.adam = twins.restart("adam")

    assert known(twins.berta) == before
    assert known(adam) == before
