"""Store registered names in the database, and keep the server's copy of them in memory.

The command line and the server call the same functions. Each function is one transaction on a :class:`Database`.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gevent.lock import BoundedSemaphore

from chat.protocol.names import UserName, looks_of
from chat.server.accounts.device_records import Device, delete_devices_of, select_devices
from chat.server.storage.database import (
    Database,
    DatabaseFault,
    DatabaseThread,
    Stamp,
    settled,
    table_version,
)

log = logging.getLogger("chat.server")


class AccountExists(Exception):
    """The name is already registered, or looks like a registered name; the text is a sentence for the user."""


class NoSuchAccount(Exception):
    """The name is not registered; the text is a sentence for the operator."""


class Account(NamedTuple):
    """A registered name.

    ``key`` compares names without case, ``password`` is a hash in PHC format, ``created`` is in seconds since 1970.
    ``id`` has 128 random bits: a later account of the same name has another one.
    """

    name: str
    key: str
    password: str
    is_moderator: bool = False
    created: int = 0
    id: bytes = b""

    def __repr__(self) -> str:
        """Leave out the hash, which must not appear in a log."""
        return f"<Account {self.name!r}>"


class AccountTable:
    """All accounts as they were at one moment, and their devices.

    ``before`` is the table that this one replaces. The looks of a name are slow to compute, so they are taken over.
    """

    def __init__(
        self,
        accounts: Iterable[Account] = (),
        before: AccountTable | None = None,
        devices: Iterable[Device] = (),
    ) -> None:
        self._accounts = {account.key: account for account in accounts}
        self._looks: dict[str, frozenset[str]] = {}  # by name
        self._owners: dict[str, str] = {}  # a look -> the key of the account that has it
        known = before._looks if before is not None else {}
        for account in self:
            looks = known.get(account.name) or looks_of(account.name)
            self._looks[account.name] = looks
            self._owners.update(dict.fromkeys(looks, account.key))
        self._devices: dict[bytes, tuple[Device, ...]] = {}
        for device in devices:
            id = device.account_id
            self._devices[id] = (*self._devices.get(id, ()), device)

    def __len__(self) -> int:
        return len(self._accounts)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def find(self, key: str) -> Account | None:
        """Return the account with this key of a name, or None."""
        return self._accounts.get(key)

    def devices_of(self, account_id: bytes) -> tuple[Device, ...]:
        """Return the devices that are remembered for an account."""
        return self._devices.get(account_id, ())

    def lookalike(self, name: UserName) -> Account | None:
        """Return another account that a reader could take ``name`` for (UTS #39), or None."""
        # Without accounts, which is common, a login need not compute the looks of its name.
        if not self._owners:
            return None
        for look in looks_of(name.display):
            owner = self._owners.get(look)
            if owner is not None and owner != name.key:
                return self._accounts[owner]
        return None


def read_accounts(database: Database) -> list[Account]:
    """Return all accounts, sorted by key. Raises DatabaseFault, as all functions of this module do."""
    with database.reading() as connection:
        return _select(connection)


def add_account(
    database: Database, name: UserName, password: str, *, is_moderator: bool = False
) -> Account:
    """Register ``name``; ``password`` is a hash. Raises AccountExists."""
    id = secrets.token_bytes(16)
    account = Account(name.display, name.key, password, is_moderator, int(time.time()), id)
    with database.writing() as connection:
        # Inside the transaction: the command line may register a name that looks like this one at the same time.
        require_free(name, AccountTable(_select(connection)))
        connection.execute(
            "INSERT INTO users (name, key, password, moderator, created, id)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            account,
        )
    return account


def require_free(name: UserName, register: AccountTable) -> None:
    """Raise AccountExists if ``name``, or a name that looks like it, is registered."""
    if register.find(name.key) is not None:
        raise AccountExists(f"{name.display} is already registered.")
    other = register.lookalike(name)
    if other is not None:
        raise AccountExists(f"{name.display} looks like {other.name}, which is already registered.")


def remove_account(database: Database, name: UserName) -> None:
    """Delete the account and its devices, so that anyone can use the name. Raises NoSuchAccount."""
    with database.writing() as connection:
        delete_devices_of(connection, name.key)
        _change(connection, name, "DELETE FROM users WHERE key = ?")


def set_password(database: Database, name: UserName, password: str) -> None:
    """Change the password, which is given as a hash, and forget all devices. Raises NoSuchAccount."""
    with database.writing() as connection:
        _change(connection, name, "UPDATE users SET password = ? WHERE key = ?", password)
        delete_devices_of(connection, name.key)


def change_password(
    database: Database, name: UserName, password: str, *, instead_of: str, device: bytes | None
) -> bool:
    """Change the password, and forget all devices but ``device``; return whether that was done.

    Both passwords are hashes. Nothing is changed if the stored one is not ``instead_of`` any more.
    """
    with database.writing() as connection:
        is_changed = _replace_hash(connection, name, password, instead_of)
        if is_changed:
            delete_devices_of(connection, name.key, besides=device)
        return is_changed


def replace_hash(database: Database, name: UserName, hash: str, *, instead_of: str) -> bool:
    """Store another hash of the same password, if the stored one still is ``instead_of``; return whether it was."""
    with database.writing() as connection:
        return _replace_hash(connection, name, hash, instead_of)


def set_moderator(database: Database, name: UserName, is_moderator: bool) -> None:
    """Allow or forbid the account to moderate. Raises NoSuchAccount."""
    with database.writing() as connection:
        _change(connection, name, "UPDATE users SET moderator = ? WHERE key = ?", is_moderator)


def _select(connection: sqlite3.Connection) -> list[Account]:
    rows = connection.execute(
        "SELECT name, key, password, moderator, created, id FROM users ORDER BY key"
    )
    return [
        Account(name, key, password, bool(moderator), created, id)
        for name, key, password, moderator, created, id in rows
    ]


def _read_secret(connection: sqlite3.Connection) -> bytes:
    query = "SELECT value FROM secrets WHERE name = 'account ids'"
    return bytes(connection.execute(query).fetchone()[0])


def _change(
    connection: sqlite3.Connection, name: UserName, statement: str, *values: object
) -> None:
    if not connection.execute(statement, (*values, name.key)).rowcount:
        raise NoSuchAccount(f"{name.display} is not registered.")


def _replace_hash(
    connection: sqlite3.Connection, name: UserName, hash: str, instead_of: str
) -> bool:
    changed = connection.execute(
        "UPDATE users SET password = ? WHERE key = ? AND password = ?", (hash, name.key, instead_of)
    )
    return changed.rowcount > 0


class Accounts:
    """The server's copy of all accounts, read again after any process changed the file.

    ``thread`` is None for a server without a data directory. ``secret`` is the key of the ids by which users know each
    other's accounts; empty while there is no file.
    """

    def __init__(self, thread: DatabaseThread | None) -> None:
        self.secret = b""
        self._thread = thread
        self._version: tuple[int, int] | None = None
        self._register = AccountTable()
        self._stamp: Stamp | None = None
        self._reading = BoundedSemaphore(1)
        self._complaint = ""

    def start(self) -> None:
        """Read the accounts for the first time.

        Raises DatabaseFault: a server that started without its accounts would give their names to anyone.
        """
        if self._thread is not None and self._thread.database.stamp() is not None:
            self._thread.run(self._read)

    @property
    def known(self) -> AccountTable:
        """All accounts as they were read last: a caller that must not wait asks here."""
        return self._register

    def look(self) -> AccountTable:
        """Return all accounts as they are now; wait for the database thread if the file has changed.

        If the file can't be read any more, return the accounts as they were read last.
        """
        if self._thread is None:
            return self._register
        try:
            # Each login asks here, so the common case costs one look at the size and time of the file.
            if self._thread.database.stamp() != self._stamp:
                with self._reading:
                    # Look again: while this greenlet waited for the semaphore, another one may have read the file.
                    if self._thread.database.stamp() != self._stamp:
                        self._thread.run(self._read)
            self._complaint = ""
        except DatabaseFault as fault:
            self._complain(str(fault))
        return self._register

    def is_moderators(self, key: str) -> bool:
        """Return whether the account with this key of a name is a moderator's."""
        account = self.look().find(key)
        return account is not None and account.is_moderator

    def replace_hash(self, name: UserName, hash: str, *, instead_of: str) -> bool:
        """Store ``hash`` as the password of ``name``, if it still is ``instead_of``; return whether it was.

        Waits for the disk. Raises DatabaseFault.
        """
        thread = self._thread
        assert thread is not None, "accounts exist only in a database"
        return thread.run(
            lambda database: replace_hash(database, name, hash, instead_of=instead_of)
        )

    def _read(self, database: Database) -> None:
        # Each is taken before what it stands for: a change in between is noticed at the next look.
        stamp = database.stamp()
        accounts: list[Account] = []
        devices: list[Device] = []
        version = None
        if stamp is not None:
            with database.reading() as connection:
                version = (
                    table_version(connection, "users"),
                    table_version(connection, "devices"),
                )
                self.secret = _read_secret(connection)
                if version != self._version:
                    accounts, devices = _select(connection), select_devices(connection)
        if version is None or version != self._version:
            self._register = AccountTable(accounts, self._register, devices)
        self._stamp, self._version = settled(stamp), version

    def _complain(self, fault: str) -> None:
        """Log a fault once, not at every login."""
        if fault != self._complaint:
            self._complaint = fault
            log.error("cannot read the accounts again; the old ones stay in use: %s", fault)
