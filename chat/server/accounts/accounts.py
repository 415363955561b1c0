"""Store registered names in the database, and keep the server's copy of them in memory.

The command line and the server call the same functions. Each function is one transaction on a :class:`Database`.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from gevent.lock import BoundedSemaphore

from chat.protocol.names import UserName, looks_of
from chat.server.accounts.account_problems import (
    AccountChanged,
    AccountExists,
    AccountProblem,
    NoSuchAccount,
)
from chat.server.accounts.device_records import Device, delete_devices_of, select_devices
from chat.server.accounts.device_table import DeviceTable
from chat.server.storage.database import (
    Database,
    DatabaseFault,
    DatabaseThread,
    Stamp,
    settled,
    table_version,
)

log = logging.getLogger("chat.server")


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

    @property
    def proof(self) -> bytes:
        """The digest of ``password``: stands for the hash where others may read."""
        return hashlib.sha256(self.password.encode()).digest()

    def __repr__(self) -> str:
        """Leave out the hash, which must not appear in a log."""
        return f"<Account {self.name!r}>"


class AccountTable:
    """All accounts as they were at one moment, and their devices.

    ``before`` is the table that this one replaces. The looks of a name are slow to compute, so they are taken over.
    Only a server in a cluster changes a table.
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
            self._note_looks(account, known)
        self.devices = DeviceTable(devices)

    def __len__(self) -> int:
        return len(self._accounts)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def find(self, key: str) -> Account | None:
        """Return the account with this key of a name, or None."""
        return self._accounts.get(key)

    def devices_of(self, account_id: bytes) -> tuple[Device, ...]:
        """Return the devices that are remembered for an account."""
        return self.devices.of(account_id)

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

    def put(self, account: Account) -> None:
        """Add ``account``, or replace the account with its key."""
        self._accounts[account.key] = account
        self._note_looks(account, self._looks)

    def without(self, account: Account) -> AccountTable:
        """Return a table that lacks ``account``, but not its devices."""
        table, looks = AccountTable(), self._looks[account.name]
        table._accounts = {key: each for key, each in self._accounts.items() if key != account.key}
        table._looks, table.devices = self._looks, self.devices
        table._owners = {look: key for look, key in self._owners.items() if look not in looks}
        # Accounts from before this rule may share a look: the last one by its key has it, as when all are read.
        alike = [each for each in table if not looks.isdisjoint(self._looks[each.name])]
        for each in sorted(alike, key=lambda each: each.key):
            table._owners.update(dict.fromkeys(looks & self._looks[each.name], each.key))
        return table

    def _note_looks(self, account: Account, known: Mapping[str, frozenset[str]]) -> None:
        looks = known.get(account.name) or looks_of(account.name)
        self._looks[account.name] = looks
        self._owners.update(dict.fromkeys(looks, account.key))


def read_accounts(database: Database) -> list[Account]:
    """Return all accounts, sorted by key. Raises DatabaseFault, as all functions of this module do."""
    with database.reading() as connection:
        return _select(connection)


def add_account(
    database: Database, name: UserName, password: str, *, is_moderator: bool = False
) -> Account:
    """Register ``name``; ``password`` is a hash. Raises AccountExists."""
    id = new_id()
    account = Account(name.display, name.key, password, is_moderator, int(time.time()), id)
    store_account(database, account)
    return account


def new_id() -> bytes:
    """Return the id of a new account."""
    return secrets.token_bytes(16)


def store_account(database: Database, account: Account, *, is_free: bool = False) -> None:
    """Add a new account; ``is_free``: the caller knows that its name is free. Raises AccountExists."""
    with database.writing() as connection:
        if not is_free:
            # Inside the transaction: the command line may register a name that looks like this one at the same time.
            require_free(UserName(account.name, account.key), AccountTable(_select(connection)))
        connection.execute(
            "INSERT OR REPLACE INTO users (name, key, password, moderator, created, id)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            account,
        )


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
) -> None:
    """Change the password, and forget all devices but ``device``. Both passwords are hashes.

    Raises AccountChanged if the stored one is not ``instead_of`` any more.
    """
    with database.writing() as connection:
        _replace_hash(connection, name, password, instead_of)
        delete_devices_of(connection, name.key, besides=device)


def replace_hash(database: Database, name: UserName, hash: str, *, instead_of: str) -> None:
    """Store another hash of the same password. Raises AccountChanged if the stored one is not ``instead_of``."""
    with database.writing() as connection:
        _replace_hash(connection, name, hash, instead_of)


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
) -> None:
    changed = connection.execute(
        "UPDATE users SET password = ? WHERE key = ? AND password = ?", (hash, name.key, instead_of)
    )
    if not changed.rowcount:
        raise AccountChanged


class Accounts:
    """The server's copy of all accounts.

    A single server reads them again after any process changed the file, so a change is on the disk first. In a cluster
    a change takes effect when the log has it, and the file follows. ``thread`` is None without a data directory.
    ``secret`` is the key of the ids by which users know each other's accounts; empty while there is no file. All
    servers of a cluster have the same one: a new server begins with a copy of the file.
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
        if self._thread is None or self._thread.is_behind:
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

    @property
    def are_kept(self) -> bool:
        """Whether this server has a file for accounts."""
        return self._thread is not None

    # Changes that the log has committed. Each waits for the disk, and raises DatabaseFault, but not in a cluster.

    def require(self, name: UserName, proof: bytes | None = None) -> Account:
        """Return the account of ``name``. Raises NoSuchAccount, or AccountChanged if it has not the ``proof``."""
        account = self.look().find(name.key)
        if account is None:
            raise NoSuchAccount(f"{name.display} is not registered.")
        if proof is not None and account.proof != proof:
            raise AccountChanged
        return account

    def add(self, account: Account) -> None:
        """Register a name. Raises AccountExists."""
        require_free(UserName(account.name, account.key), self.look())
        # A cluster has one table of names, and that is in memory.
        is_free = self._thread is not None and self._thread.is_behind
        self._write(partial(store_account, account=account, is_free=is_free), put=account)

    def remove(self, account: Account) -> None:
        """Remove an account."""
        name = UserName(account.name, account.key)
        self._write(partial(remove_account, name=name), drop=account)

    def replace_password(self, account: Account, hash: str, device: bytes | None) -> Account:
        """Let ``hash`` be the password, and forget all devices but ``device``; return the account as it is now.

        Raises AccountChanged.
        """
        work = partial(change_password, password=hash, instead_of=account.password, device=device)
        return self._replace(account, account._replace(password=hash), work)

    def rehash(self, account: Account, hash: str) -> Account:
        """Store another ``hash`` of the same password; return the account as it is now. Raises AccountChanged."""
        work = partial(replace_hash, hash=hash, instead_of=account.password)
        return self._replace(account, account._replace(password=hash), work)

    def set_moderator(self, account: Account, is_moderator: bool) -> Account:
        """Allow or forbid the account to moderate; return it as it is now."""
        work = partial(set_moderator, is_moderator=is_moderator)
        return self._replace(account, account._replace(is_moderator=is_moderator), work)

    def _replace(self, account: Account, by: Account, work: Callable[..., object]) -> Account:
        name = UserName(account.name, account.key)
        self._write(lambda database: work(database, name=name), put=by)
        return by

    def _write(
        self,
        work: Callable[[Database], object],
        put: Account | None = None,
        drop: Account | None = None,
    ) -> None:
        thread = self._thread
        assert thread is not None, "accounts exist only in a database"
        thread.write(partial(_do_known, work) if thread.is_behind else work)
        if not thread.is_behind:
            # The command line may have changed more.
            self.look()
        elif drop is not None:
            self._register = self._register.without(drop)
        elif put is not None:
            self._register.put(put)

    def _read(self, database: Database) -> None:
        # Each is taken before what it stands for: a change in between is noticed at the next look.
        stamp, version = database.stamp(), None
        accounts: list[Account] = []
        devices: list[Device] = []
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


def _do_known(work: Callable[[Database], object], database: Database) -> None:
    """Write a change that is in effect already, behind the log."""
    try:
        work(database)
    except AccountProblem as problem:
        # A bug. Raised here, it would keep all later changes from the disk, too.
        log.error("the file of the accounts differs from the log: %s", problem)
