"""Remember devices alike on all servers of a cluster.

The log says when devices were here, by the logins and leaves of their users. So nothing is decided by what this server
alone knows: not by when its file was written, and not by the order of its rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from chat.server.accounts.accounts import Account, Accounts
from chat.server.accounts.device_records import Device, store_devices
from chat.server.accounts.device_table import is_too_old
from chat.server.accounts.devices import Devices, device_name
from chat.server.storage.database import DatabaseThread


class SharedDevices(Devices):
    """The remembered devices, in a server whose file is behind the log.

    ``write`` hands to the file what has changed; call it before the file says how far in the log it is.
    """

    def __init__(
        self, accounts: Accounts, thread: DatabaseThread, clock: Callable[[], float]
    ) -> None:
        super().__init__(accounts, thread, clock)
        self._behind = thread
        # What the file lacks; None: the device is forgotten.
        self._changes: dict[tuple[bytes, bytes], Device | None] = {}

    def of(self, account: Account) -> list[Device]:
        now = int(self._clock())
        devices = self._accounts.known.devices_of(account.id)
        remembered = [device for device in devices if not is_too_old(device, now)]
        return sorted(remembered, key=lambda device: (-device.last_seen, device.hash))

    def seen(self, account_id: bytes, hash: bytes) -> None:
        device, now = self._accounts.known.devices.find(account_id, hash), int(self._clock())
        if device is None:
            return
        if is_too_old(device, now):
            self._drop(device)
        else:
            self._put(device._replace(last_seen=now))

    def remember(self, account: Account, hash: bytes) -> None:
        if self.remembers(account, hash):
            return
        now = int(self._clock())
        self._put(Device(account.id, hash, device_name(account.id, hash, now), now, now))
        for device in self._accounts.known.devices.superfluous(account.id, now):
            self._drop(device)

    def forget(self, account: Account, hash: bytes) -> None:
        device = self._accounts.known.devices.find(account.id, hash)
        if device is not None:
            self._drop(device)

    def forget_others(self, account: Account, besides: bytes | None = None) -> None:
        for device in self._accounts.known.devices_of(account.id):
            if device.hash != besides:
                self._drop(device)

    def forget_banned(self, key: str) -> None:
        account = self._accounts.known.find(key)
        if account is not None:
            self.forget_others(account)

    def write(self) -> None:
        changes, self._changes = self._changes, {}
        if changes:
            self._behind.write(partial(store_devices, changes=changes))

    def _put(self, device: Device) -> None:
        self._accounts.known.devices.put(device)
        self._changes[device.account_id, device.hash] = device

    def _drop(self, device: Device) -> None:
        self._accounts.known.devices.drop(device)
        self._changes[device.account_id, device.hash] = None


def make_devices(
    accounts: Accounts, thread: DatabaseThread | None, clock: Callable[[], float]
) -> Devices:
    """Return the devices of a server with ``thread``, which is None without a data directory."""
    if thread is not None and thread.is_behind:
        return SharedDevices(accounts, thread, clock)
    return Devices(accounts, thread, clock)
