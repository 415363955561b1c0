"""Remember the devices of registered users: a device that has shown the password once needs none later.

The server knows only the SHA-256 of a device's secret. Logins are answered from memory. Their changes reach the disk
later, many in one transaction: ten thousand devices may come back at once.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TypeVar

import gevent

from chat.server.accounts.accounts import Account, Accounts
from chat.server.accounts.device_records import (
    MAX_AGE,
    Device,
    NewDevice,
    delete_device,
    write_devices,
)
from chat.server.process.lasting_fault import LastingFault
from chat.server.storage.database import DatabaseFault, DatabaseThread

# Seconds between two looks whether something is to be written.
_NEW_INTERVAL = 1.0
# Seconds for which the times of logins wait. Each write makes the server read all accounts again.
_SEEN_INTERVAL = 600.0

_Key = tuple[bytes, bytes]  # the id of the account, the hash of the device
_Change = TypeVar("_Change")


class Devices:
    """The remembered devices of all accounts. ``thread`` is None for a server without a data directory.

    A method with an ``account`` takes it as ``accounts`` has it now.
    """

    def __init__(
        self,
        accounts: Accounts,
        thread: DatabaseThread | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._accounts = accounts
        self._thread = thread
        self._clock = clock
        # What is not on the disk yet.
        self._new: dict[_Key, NewDevice] = {}
        self._seen: dict[_Key, int] = {}
        self._written = clock()
        self._fault = LastingFault("cannot save which devices are remembered; trying again")

    def remembers(self, account: Account, hash: bytes) -> bool:
        """Return whether the device stands for the password of ``account``. Does not wait."""
        return any(device.hash == hash for device in self.of(account))

    def of(self, account: Account) -> list[Device]:
        """Return the remembered devices of ``account``, the one that was seen last first. Does not wait."""
        stored = {device.hash: device for device in self._accounts.known.devices_of(account.id)}
        for (id, hash), new in self._new.items() if self._new else ():
            # With another password, the device would have to show that one.
            if id == account.id and new.password == account.password:
                stored.setdefault(hash, new.device)
        oldest = int(self._clock()) - MAX_AGE
        devices = []
        for device in stored.values():
            seen = self._seen.get((account.id, device.hash), device.last_seen)
            if seen >= oldest:
                devices.append(device._replace(last_seen=max(seen, device.last_seen)))
        return sorted(devices, key=lambda device: device.last_seen, reverse=True)

    def seen(self, account_id: bytes, hash: bytes) -> None:
        """Note that a device, which may be remembered, has logged in or leaves. Does not wait."""
        self._seen[account_id, hash] = int(self._clock())

    def remember(self, account: Account, hash: bytes) -> None:
        """Remember a device that has shown the password of ``account``. Does not wait."""
        if self._thread is not None and not self.remembers(account, hash):
            now = int(self._clock())
            device = Device(account.id, hash, device_name(account.id, hash, now), now, now)
            self._new[account.id, hash] = NewDevice(device, account.password)

    def forget(self, account: Account, hash: bytes) -> None:
        """Forget the device: its next login needs the password. Waits for the disk. Raises DatabaseFault."""
        key = (account.id, hash)
        # Before the wait: a write that begins meanwhile must not add the device again.
        new = self._new.pop(key, None)
        try:
            if self._thread is not None:
                # Behind a write that is on its way, which may add the device.
                self._thread.run(lambda database: delete_device(database, *key))
        except DatabaseFault:
            if new is not None:
                self._new.setdefault(key, new)
            raise
        self._seen.pop(key, None)
        self._accounts.look()

    def forget_others(self, account: Account, besides: bytes | None = None) -> None:
        """Forget all devices but the one with the hash ``besides``, as the file has done already. Does not wait."""
        # Nothing to do: the accounts were read again, and a new device that has shown another password does not count.

    def forget_banned(self, key: str) -> None:
        """Forget all devices of the name with ``key``, which is banned now, as the file has done already."""
        # Nothing to do: see ``forget_others``.

    def run(self) -> None:
        """Write changes for ever. Runs in a greenlet of its own."""
        while True:
            gevent.sleep(_NEW_INTERVAL)
            if self._new or (self._seen and self._clock() - self._written >= _SEEN_INTERVAL):
                self.write()

    def write(self) -> None:
        """Write all changes to the disk. If that fails, log it once, and keep the changes for the next time."""
        if self._thread is None or not (self._new or self._seen):
            return
        new, seen, now = dict(self._new), dict(self._seen), int(self._clock())
        self._written = now
        try:
            self._thread.run(lambda database: write_devices(database, new.values(), seen, now))
            # Read before the changes are dropped: until then they are known from here.
            self._accounts.look()
            self._fault.clear()
        except DatabaseFault as fault:
            self._fault.note(fault)
            return
        _drop(self._new, new)
        _drop(self._seen, seen)


def device_name(account_id: bytes, hash: bytes, first_seen: int) -> str:
    """Return the name of a device that is new at the time ``first_seen``: the same on all servers of a cluster.

    It says nothing about the hash, which stands for a password.
    """
    return hashlib.sha256(b"name\0%b%b%d" % (account_id, hash, first_seen)).hexdigest()[:8]


def _drop(changes: dict[_Key, _Change], written: dict[_Key, _Change]) -> None:
    """Remove what was written, unless it has changed since."""
    for key, value in written.items():
        if changes.get(key) is value:
            del changes[key]
