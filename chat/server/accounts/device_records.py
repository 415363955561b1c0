"""Read and write remembered devices in the database.

The command line and the server call the same functions. Those that take a connection are part of a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chat.server.storage.database import Database

MAX_AGE = 90 * 86400  # seconds without a login; then the device is forgotten
MAX_DEVICES = 32  # of an account; the one that was not seen for longest goes


class Device(NamedTuple):
    """A device that stands for the password of an account.

    ``hash`` is the SHA-256 of the device's secret. ``name`` is short, random, and shown to the user. Times are in
    seconds since 1970.
    """

    account_id: bytes
    hash: bytes
    name: str
    first_seen: int
    last_seen: int

    def __repr__(self) -> str:
        """Leave out the hash, which must not appear in a log."""
        return f"<Device {self.name}>"


class NewDevice(NamedTuple):
    """A device that is not on the disk yet. ``password`` is the hash of the password that it has shown."""

    device: Device
    password: str

    def __repr__(self) -> str:
        """Leave out the hashes, which must not appear in a log."""
        return f"<NewDevice {self.device.name}>"


def select_devices(connection: sqlite3.Connection) -> list[Device]:
    """Return all devices of all accounts."""
    rows = connection.execute("SELECT account, hash, name, first_seen, last_seen FROM devices")
    return [Device(*row) for row in rows]


def write_devices(
    database: Database,
    new: Iterable[NewDevice],
    seen: Mapping[tuple[bytes, bytes], int],
    now: int,
) -> None:
    """Add ``new`` devices, note when devices were ``seen``, and forget those that are too old or too many.

    ``seen`` has the time by account and hash; ``now`` is in seconds since 1970. Raises DatabaseFault.
    """
    with database.writing() as connection:
        for device, password in new:
            # Not if the account has another password now, is gone, or is banned: since then the device would have to
            # show the password.
            added = connection.execute(
                "INSERT OR IGNORE INTO devices (account, hash, name, first_seen, last_seen)"
                " SELECT ?, ?, ?, ?, ? FROM users WHERE id = ? AND password = ? AND NOT EXISTS"
                " (SELECT 1 FROM bans WHERE kind = 'name' AND target = users.key)",
                (*device, device.account_id, password),
            )
            if added.rowcount:
                _forget_oldest(connection, device.account_id)
        connection.executemany(
            "UPDATE devices SET last_seen = ? WHERE account = ? AND hash = ?",
            ((time, *key) for key, time in seen.items()),
        )
        connection.execute("DELETE FROM devices WHERE last_seen < ?", (now - MAX_AGE,))


def store_devices(database: Database, changes: Mapping[tuple[bytes, bytes], Device | None]) -> None:
    """Write devices as memory has them, by account and hash; None: the device is forgotten. Raises DatabaseFault."""
    with database.writing() as connection:
        connection.executemany(
            "DELETE FROM devices WHERE account = ? AND hash = ?",
            [key for key, device in changes.items() if device is None],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO devices (account, hash, name, first_seen, last_seen)"
            " VALUES (?, ?, ?, ?, ?)",
            [device for device in changes.values() if device is not None],
        )


def delete_device(database: Database, account_id: bytes, hash: bytes) -> None:
    """Forget one device. Raises DatabaseFault."""
    with database.writing() as connection:
        connection.execute("DELETE FROM devices WHERE account = ? AND hash = ?", (account_id, hash))


def delete_devices_of(
    connection: sqlite3.Connection, name_key: str, besides: bytes | None = None
) -> None:
    """Forget the devices of the account with this key of a name, ``besides`` the one with that hash."""
    connection.execute(
        "DELETE FROM devices WHERE account = (SELECT id FROM users WHERE key = ?) AND hash IS NOT ?",
        (name_key, besides),
    )


def _forget_oldest(connection: sqlite3.Connection, account_id: bytes) -> None:
    connection.execute(
        "DELETE FROM devices WHERE account = ? AND hash NOT IN (SELECT hash FROM devices"
        " WHERE account = ? ORDER BY last_seen DESC, first_seen DESC, rowid DESC LIMIT ?)",
        (account_id, account_id, MAX_DEVICES),
    )
