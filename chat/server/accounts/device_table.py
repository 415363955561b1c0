"""Hold the remembered devices of all accounts in memory, without I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from chat.server.accounts.device_records import MAX_AGE, MAX_DEVICES, Device


class DeviceTable:
    """The devices of each account, by the account's id.

    Servers that share a log make the same changes in the same order, so each of them decides alike which devices go.
    """

    def __init__(self, devices: Iterable[Device] = ()) -> None:
        self._devices: dict[bytes, dict[bytes, Device]] = {}
        for device in devices:
            self.put(device)

    def __iter__(self) -> Iterator[Device]:
        for devices in self._devices.values():
            yield from devices.values()

    def of(self, account_id: bytes) -> tuple[Device, ...]:
        """Return the devices of an account."""
        return tuple(self._devices.get(account_id, {}).values())

    def find(self, account_id: bytes, hash: bytes) -> Device | None:
        """Return the device of an account with this hash; None if there is none."""
        return self._devices.get(account_id, {}).get(hash)

    def put(self, device: Device) -> None:
        """Add ``device``, or replace what is known of it."""
        self._devices.setdefault(device.account_id, {})[device.hash] = device

    def drop(self, device: Device) -> None:
        """Forget ``device``, if it is there."""
        devices = self._devices.get(device.account_id, {})
        devices.pop(device.hash, None)
        if not devices:
            self._devices.pop(device.account_id, None)

    def superfluous(self, account_id: bytes, now: int) -> list[Device]:
        """Return the devices of an account that are too old or too many. ``now`` is in seconds since 1970."""
        # Never by the order in which they came, which a server that has started again does not know.
        by_age = sorted(
            self.of(account_id), key=lambda each: (-each.last_seen, -each.first_seen, each.hash)
        )
        kept = [each for each in by_age if not is_too_old(each, now)][:MAX_DEVICES]
        return [each for each in by_age if each not in kept]


def is_too_old(device: Device, now: int) -> bool:
    """Return whether a device has not been seen for so long that it needs the password again."""
    return device.last_seen < now - MAX_AGE
