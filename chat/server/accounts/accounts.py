"""Names that belong to people: what the database says of them, and the server's copy of it in memory.

The functions are for the command line and the server alike: each is one transaction on a :class:`Database`.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gevent.lock import BoundedSemaphore

from chat.protocol.names import UserName, looks_of
from chat.server.storage.database import Database, DatabaseFault, DatabaseThread, Stamp, settled

log = logging.getLogger("chat.server")


class AccountExists(Exception):
    """The name is registered already, or looks like one that is; the text is a sentence for who wanted it."""


class NoSuchAccount(Exception):
    """Nobody has registered that name; the text is a sentence for who asked."""


class Account(NamedTuple):
    """A registered name. ``password`` is its hash; ``created`` is in seconds since 1970."""

    name: str
    key: str
    password: str
    is_moderator: bool = False
    created: int = 0

    def __repr__(self) -> str:
        """Without what must not stand in a log."""
        return f"<Account {self.name!r}>"


class AccountTable:
    """All accounts as they were at one moment."""

    def __init__(
        self, accounts: Iterable[Account] = (), before: AccountTable | None = None
    ) -> None:
        self._accounts = {account.key: account for account in accounts}
        self._looks: dict[str, frozenset[str]] = {}  # by name
        self._owners: dict[str, str] = {}  # a look -> the key of who has it
        known = before._looks if before is not None else {}
        for account in self:
            looks = known.get(account.name) or looks_of(account.name)
            self._looks[account.name] = looks
            self._owners.update(dict.fromkeys(looks, account.key))

    def __len__(self) -> int:
        return len(self._accounts)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def find(self, key: str) -> Account | None:
        """The account whose name is compared by ``key``."""
        return self._accounts.get(key)

    def lookalike(self, name: UserName) -> Account | None:
        """Another's account, whose name a reader could take ``name`` for."""
        if not self._owners:
            return None
        for look in looks_of(name.display):
            owner = self._owners.get(look)
            if owner is not None and owner != name.key:
                return self._accounts[owner]
        return None


def read_accounts(database: Database) -> list[Account]:
    """All, in the order of their names. Raises DatabaseFault, as everything here does."""
    with database.reading() as connection:
        return _select(connection)


def add_account(
    database: Database, name: UserName, password: str, *, is_moderator: bool = False
) -> Account:
    """Register ``name``; ``password`` is a hash. Raises AccountExists."""
    account = Account(name.display, name.key, password, is_moderator, int(time.time()))
    with database.writing() as connection:
        require_free(name, AccountTable(_select(connection)))
        connection.execute(
            "INSERT INTO users (name, key, password, moderator, created) VALUES (?, ?, ?, ?, ?)",
            account,
        )
    return account


def require_free(name: UserName, register: AccountTable) -> None:
    """Raises AccountExists if somebody has it, or one that looks like it."""
    if register.find(name.key) is not None:
        raise AccountExists(f"{name.display} is registered already.")
    other = register.lookalike(name)
    if other is not None:
        raise AccountExists(f"{name.display} looks like {other.name}, who is registered.")


def remove_account(database: Database, name: UserName) -> None:
    """The name is anyone's again. Raises NoSuchAccount."""
    _change(database, name, "DELETE FROM users WHERE key = ?")


def set_password(
    database: Database, name: UserName, password: str, *, instead_of: str | None = None
) -> bool:
    """``password`` is a hash; ``instead_of``: only if it is that now, and whether it was. Raises NoSuchAccount."""
    if instead_of is None:
        _change(database, name, "UPDATE users SET password = ? WHERE key = ?", password)
        return True
    with database.writing() as connection:
        changed = connection.execute(
            "UPDATE users SET password = ? WHERE key = ? AND password = ?",
            (password, name.key, instead_of),
        )
        return changed.rowcount > 0


def set_moderator(database: Database, name: UserName, is_moderator: bool) -> None:
    """Whether he may kick and ban, from his next login on. Raises NoSuchAccount."""
    _change(database, name, "UPDATE users SET moderator = ? WHERE key = ?", is_moderator)


def _select(connection: sqlite3.Connection) -> list[Account]:
    rows = connection.execute(
        "SELECT name, key, password, moderator, created FROM users ORDER BY key"
    )
    return [
        Account(name, key, password, bool(moderator), created)
        for name, key, password, moderator, created in rows
    ]


def _change(database: Database, name: UserName, statement: str, *values: object) -> None:
    with database.writing() as connection:
        if not connection.execute(statement, (*values, name.key)).rowcount:
            raise NoSuchAccount(f"{name.display} is not registered.")


class Accounts:
    """What the server knows of them: a copy that is read again when the file has changed, by whomever.

    ``thread`` is None for a server that keeps nothing.
    """

    def __init__(self, thread: DatabaseThread | None) -> None:
        self._thread = thread
        self._register = AccountTable()
        self._stamp: Stamp | None = None
        self._reading = BoundedSemaphore(1)
        self._complaint = ""

    def start(self) -> None:
        """Read them for the first time. Raises DatabaseFault: without them a server would give away their names."""
        if self._thread is not None and self._thread.database.stamp() is not None:
            self._thread.run(self._read)

    def look(self) -> AccountTable:
        """All of them, as they are now; waits for the thread if they have changed.

        If the file can't be read any more, they are what they were.
        """
        if self._thread is None:
            return self._register
        try:
            if self._thread.database.stamp() != self._stamp:
                with self._reading:
                    # Those who have waited for their turn find that it is done.
                    if self._thread.database.stamp() != self._stamp:
                        self._thread.run(self._read)
            self._complaint = ""
        except DatabaseFault as fault:
            self._complain(str(fault))
        return self._register

    def is_moderators(self, key: str) -> bool:
        """Whether the name that is compared by ``key`` is a moderator's."""
        account = self.look().find(key)
        return account is not None and account.is_moderator

    def replace_hash(self, name: UserName, hash: str, *, instead_of: str) -> None:
        """Keep ``hash`` as the password of ``name``, if it is ``instead_of`` now. Raises DatabaseFault."""
        thread = self._thread
        assert thread is not None, "who has an account has a database"
        thread.run(lambda database: set_password(database, name, hash, instead_of=instead_of))

    def _read(self, database: Database) -> None:
        stamp = database.stamp()
        accounts = read_accounts(database) if stamp is not None else []
        register = AccountTable(accounts, before=self._register)
        self._register = register
        self._stamp = settled(stamp)

    def _complain(self, fault: str) -> None:
        """Once, not at every login."""
        if fault != self._complaint:
            self._complaint = fault
            log.error("accounts stay as they were read last: %s", fault)
