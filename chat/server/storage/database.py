"""What outlives the server: accounts, bans and mutes, in one SQLite file.

It is opened for each piece of work and closed after it, so the command line can change it while the server runs, and
either may be killed at any moment: a transaction is in the file whole or not at all, by SQLite's rollback journal.
``DatabaseThread`` is how the server gets at it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from gevent.threadpool import ThreadPool

from chat.files.private_files import FILE_MODE, make_private_directory, restrict_mode
from chat.process.offload import run_in

Result = TypeVar("Result")

FILE_NAME = "chat.db"
BUSY_TIMEOUT = 5.0  # seconds to wait for another program that is writing

# Times are whole seconds since 1970, NULL where there is no end; a key is how names are compared (RFC 8265).
# The name of a banned network is that of whom it was banned with.
_SCHEMA = (
    """
    CREATE TABLE users (
        key TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        password TEXT NOT NULL,
        moderator INTEGER NOT NULL DEFAULT 0,
        created INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE bans (
        kind TEXT NOT NULL CHECK (kind IN ('name', 'network')),
        target TEXT NOT NULL,
        until_unix INTEGER,
        "by" TEXT NOT NULL,
        reason TEXT,
        created INTEGER NOT NULL,
        name TEXT,
        PRIMARY KEY (kind, target)
    )
    """,
    """
    CREATE TABLE mutes (
        name_key TEXT PRIMARY KEY,
        until INTEGER,
        "by" TEXT NOT NULL,
        reason TEXT,
        created INTEGER NOT NULL
    )
    """,
)
_VERSION = 1

Stamp = tuple[int, int, int]
UNREAD: Stamp = (0, 0, 0)  # of no file: who has read by it reads again
# A change so soon after another may leave a file with the same stamp: the kernel's clock has ticks.
_UNSETTLED = 50_000_000  # nanoseconds


class DatabaseFault(Exception):
    """The file cannot be used; the text is one line for the operator, and names the file."""


class Database:
    """The file in ``directory``, which is made when it is first needed. Everything raises DatabaseFault."""

    def __init__(self, directory: Path, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self.path = directory / FILE_NAME
        self._busy_timeout = busy_timeout

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For queries: all of them see the same state."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """For changes: all of them are on the disk when the block has ended, or none if it raises."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def stamp(self) -> Stamp | None:
        """Another one after each change (but for two within a tick of the kernel's clock); None: there is no file.

        Its first item is the time of the last change in nanoseconds since 1970.
        """
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise self._fault(problem.strerror or str(problem)) from None
        return status.st_mtime_ns, status.st_size, status.st_ino

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            self._create()
            with closing(self._connect()) as connection:
                _prepare(connection)
                connection.execute(begin)
                try:
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        except sqlite3.Error as problem:
            raise self._fault(self._in_words(problem)) from None
        except _NewerSchema:
            raise self._fault("it was written by a newer version of this program") from None

    def _connect(self) -> sqlite3.Connection:
        # Transactions are ours to begin and to end.
        connection = sqlite3.connect(self.path, timeout=self._busy_timeout, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
            # FULL, and the directory too: what has been committed is not undone by a journal that comes back.
            connection.execute("PRAGMA synchronous = EXTRA")
            # The hash of a password that was changed must not stay in a page that is free.
            connection.execute("PRAGMA secure_delete = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        """See to a file that nobody else can read."""
        directory = self.path.parent
        try:
            make_private_directory(directory)
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
            restrict_mode(self.path)  # a restored backup may have another mode
            if os.geteuid() == 0:
                # An operator's root must not lock out the user that the server runs as, whose the directory is.
                owner = directory.stat()
                if owner.st_uid and not self.path.lstat().st_uid:
                    os.chown(self.path, owner.st_uid, owner.st_gid, follow_symlinks=False)
        except OSError as problem:
            raise self._fault(problem.strerror or str(problem)) from None

    def _in_words(self, problem: sqlite3.Error) -> str:
        text = str(problem)
        if "locked" in text:
            seconds = f"{self._busy_timeout:g} seconds"
            return f"another program has kept it busy for {seconds}; try again"
        return text

    def _fault(self, reason: str) -> DatabaseFault:
        return DatabaseFault(f"cannot use {self.path}: {reason}")


def settled(stamp: Stamp | None) -> Stamp | None:
    """What to remember after reading a file that had ``stamp``: UNREAD while it might not show another change."""
    if stamp is None or abs(time.time_ns() - stamp[0]) > _UNSETTLED:
        return stamp
    return UNREAD


class DatabaseThread:
    """Works on a database without holding up the event loop: one thing at a time, in the order of asking."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._pool: ThreadPool | None = None

    def run(self, work: Callable[[Database], Result]) -> Result:
        """What ``work`` returns or raises, for the greenlet that asks; others run meanwhile."""
        if self._pool is None:
            self._pool = ThreadPool(1)
        return run_in(self._pool, work, self.database)

    def close(self) -> None:
        """Give the thread back, when what it is doing is done."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.kill()


class _NewerSchema(Exception):
    pass


def _prepare(connection: sqlite3.Connection) -> None:
    """See to the tables. A file that a crash left without them is one that is new."""
    if _version(connection) == _VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)  # by now somebody else may have made them
    if version > _VERSION:
        raise _NewerSchema
    if version < _VERSION:
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
