"""Remembered devices: how many, for how long, and on the disk."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest

from chat.protocol.names import parse_user_name
from chat.server.accounts import devices as devices_module
from chat.server.accounts.accounts import (
    Account,
    Accounts,
    add_account,
    change_password,
)
from chat.server.accounts.device_records import MAX_AGE, MAX_DEVICES, write_devices
from chat.server.accounts.devices import Devices
from chat.server.storage.database import Database, DatabaseFault, DatabaseThread
from tests.server.fakes import FakeClock, wait_until

ALICE = parse_user_name("alice")
DAY = 86400


class Machine:
    """A server's view of the devices, at a time that the test sets; ``start_again`` forgets what is not on the disk."""

    def __init__(self, thread: DatabaseThread) -> None:
        self.clock = FakeClock(1_000 * DAY)
        self.thread = thread
        self.start_again()

    def start_again(self) -> None:
        self.accounts = Accounts(self.thread)
        self.accounts.start()
        self.devices = Devices(self.accounts, self.thread, self.clock)

    @property
    def alice(self) -> Account:
        account = self.accounts.look().find("alice")
        assert account is not None
        return account

    def log_in(self, *names: str) -> None:
        for name in names:
            self.devices.seen(self.alice.id, hash_of(name))
            self.devices.remember(self.alice, hash_of(name))

    def remembers(self, name: str) -> bool:
        return self.devices.remembers(self.alice, hash_of(name))


def hash_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    thread = DatabaseThread(Database(tmp_path / "data", busy_timeout=0.05))
    add_account(thread.database, ALICE, "hash")
    yield Machine(thread)
    thread.close()


def test_a_device_is_forgotten_after_90_days_without_a_login(machine: Machine) -> None:
    machine.log_in("phone", "laptop")
    machine.devices.write()
    machine.clock.advance(MAX_AGE)
    machine.log_in("phone")
    machine.devices.write()
    machine.clock.advance(1)

    for _ in range(2):
        assert (machine.remembers("phone"), machine.remembers("laptop")) == (True, False)
        machine.start_again()
    machine.clock.advance(MAX_AGE)
    assert not machine.remembers("phone")
    machine.log_in("tablet")
    machine.devices.write()
    assert len(machine.accounts.look().devices_of(machine.alice.id)) == 1


def test_an_account_has_a_bounded_number_of_devices(machine: Machine) -> None:
    names = [f"device {number}" for number in range(MAX_DEVICES + 3)]
    for name in names:
        machine.log_in(name)
        machine.clock.advance(1)
        if name == names[4]:
            machine.log_in(names[0])  # so another one is the oldest
        machine.devices.write()
    machine.start_again()

    assert [name for name in names if not machine.remembers(name)] == names[1:4]
    assert len(machine.devices.of(machine.alice)) == MAX_DEVICES


def test_logins_of_many_known_devices_write_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"device {number}" for number in range(MAX_DEVICES)]
    machine.log_in(*names)
    machine.devices.write()
    machine.start_again()
    writes: list[int] = []

    def counted(*arguments: Any) -> None:
        writes.append(1)
        write_devices(*arguments)

    monkeypatch.setattr(devices_module, "write_devices", counted)
    monkeypatch.setattr(devices_module, "_NEW_INTERVAL", 0.001)
    writing = gevent.spawn(machine.devices.run)
    machine.clock.advance(5)
    machine.log_in(*names)
    gevent.sleep(0.02)
    assert not writes, "known devices can wait"
    machine.clock.advance(600)
    wait_until(lambda: writes, "the write")
    writing.kill()
    machine.start_again()

    assert len(writes) == 1
    assert {device.last_seen for device in machine.devices.of(machine.alice)} == {1_000 * DAY + 5}


def test_a_new_device_is_known_at_once_and_soon_on_the_disk(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices_module, "_NEW_INTERVAL", 0.001)
    writing = gevent.spawn(machine.devices.run)
    machine.log_in("phone")
    assert machine.remembers("phone")
    id = machine.alice.id

    wait_until(lambda: machine.accounts.look().devices_of(id), "the write")

    writing.kill()
    assert [device.hash for device in machine.devices.of(machine.alice)] == [hash_of("phone")]


def test_a_device_that_showed_an_old_password_is_not_remembered_late(machine: Machine) -> None:
    machine.log_in("phone")
    change_password(machine.thread.database, ALICE, "new hash", instead_of="hash", device=None)

    assert not machine.remembers("phone")
    machine.devices.write()
    assert not machine.remembers("phone")


def test_a_device_is_of_one_account_alone(machine: Machine) -> None:
    bob = add_account(machine.thread.database, parse_user_name("bob"), "hash")
    machine.log_in("phone")
    for _ in range(2):
        assert not machine.devices.remembers(bob, hash_of("phone"))
        machine.devices.write()


def test_a_disk_that_fails_is_reported_once_and_tried_again(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    machine.log_in("phone")
    other = sqlite3.connect(machine.thread.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        machine.devices.write()
    with pytest.raises(DatabaseFault):
        machine.devices.forget(machine.alice, hash_of("phone"))
    assert machine.remembers("phone")
    other.execute("COMMIT")
    other.close()

    machine.devices.write()
    machine.start_again()

    assert machine.remembers("phone")
    [record] = caplog.records
    assert "cannot save which devices are remembered" in record.getMessage()


def test_a_device_that_is_forgotten_while_it_is_written_stays_forgotten(machine: Machine) -> None:
    machine.log_in("phone")
    writing = gevent.spawn(machine.devices.write)
    gevent.sleep(0)  # the write is on its way
    machine.devices.forget(machine.alice, hash_of("phone"))
    writing.get(timeout=30)

    assert not machine.remembers("phone")
    machine.start_again()
    assert not machine.remembers("phone")


def test_without_a_data_directory_nothing_is_remembered() -> None:
    accounts = Accounts(None)
    devices, account = Devices(accounts, None), Account("alice", "alice", "hash", id=b"1")
    devices.remember(account, hash_of("phone"))
    devices.write()
    devices.forget(account, hash_of("phone"))

    assert not devices.remembers(account, hash_of("phone"))
