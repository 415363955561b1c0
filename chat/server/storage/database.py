"""Keep accounts, bans and mutes in one SQLite file.

The file is opened for each piece of work and closed afterwards. So the command line can change the file while the
server runs, and both may be killed at any moment: SQLite's rollback journal makes each transaction complete or undone.
The server uses the file through ``DatabaseThread``.
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

from chat.files.private_files import (
    FILE_MODE,
    give_to_owner_of_directory,
    make_private_directory,
    restrict_mode,
)
from chat.process.offload import run_in

Result = TypeVar("Result")

FILE_NAME = "chat.db"
# The table that says how far a server of a cluster has followed the log. Other databases have no such table.
PLACE_TABLE = "cluster_place"
BUSY_TIMEOUT = 5.0  # seconds to wait for another program that is writing

# Times are whole seconds since 1970; NULL is no end. A key is the form in which names are compared (RFC 8265).
# ``name`` of a banned network is the name of the user who was banned with it.
_FIRST_SCHEMA = (
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
# An account has a random id. A name can be given up and registered again by somebody else; an id cannot.
_WITH_IDS = (
    "ALTER TABLE users ADD COLUMN id BLOB",
    "UPDATE users SET id = randomblob(16)",
)
# The devices that stand for the password of an account: the SHA-256 of the secret of each.
_WITH_DEVICES = (
    """
    CREATE TABLE devices (
        account BLOB NOT NULL,
        hash BLOB NOT NULL,
        name TEXT NOT NULL,
        first_seen INTEGER NOT NULL,
        last_seen INTEGER NOT NULL,
        PRIMARY KEY (account, hash)
    )
    """,
)
# Parts of the server that hold a table in memory compare its version, a random number, before they read it again: read
# marks change each second, and thousands of accounts must not be read for that.
_VERSIONED = ("users", "bans", "mutes", "devices")
_WITH_VERSIONS = (
    "CREATE TABLE versions (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    *(f"INSERT INTO versions VALUES ('{table}', random())" for table in _VERSIONED),
    *(
        f"CREATE TRIGGER {table}_after_{change} AFTER {change} ON {table} BEGIN"
        f" UPDATE versions SET value = random() WHERE name = '{table}'; END"
        for table in _VERSIONED
        for change in ("insert", "update", "delete")
    ),
)
# ``secrets`` has the key of the ids by which users know each other's accounts. A mark says how far a user has read, or
# has seen; a block names an account by its id in hexadecimal digits, or a name without an account by its key.
_WITH_MAILBOXES = (
    "CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    "INSERT INTO secrets VALUES ('account ids', randomblob(32))",
    """
    CREATE TABLE marks (
        account BLOB NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('room', 'partner', 'all', 'here')),
        name TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (account, kind, name)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE blocks (
        account BLOB NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('account', 'name')),
        target TEXT NOT NULL,
        name TEXT NOT NULL,
        key TEXT NOT NULL,
        created INTEGER NOT NULL,
        PRIMARY KEY (account, kind, target)
    ) WITHOUT ROWID
    """,
    """
    CREATE TRIGGER users_leave_nothing AFTER DELETE ON users BEGIN
        DELETE FROM marks WHERE account = OLD.id;
        DELETE FROM blocks WHERE account = OLD.id;
    END
    """,
)
# A room is shown as ``name``. ``start`` and ``opened`` are numbers of its log: see RoomState. Members have the id of
# their account; ``since`` is the number of the last message that they may not read.
_WITH_ROOMS = (
    """
    CREATE TABLE rooms (
        key TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('open', 'closed', 'announcements')),
        topic TEXT NOT NULL,
        keep INTEGER,
        shows_all INTEGER NOT NULL,
        is_operators INTEGER NOT NULL,
        start INTEGER NOT NULL,
        opened INTEGER NOT NULL,
        created INTEGER NOT NULL,
        empty_since INTEGER
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE room_members (
        room TEXT NOT NULL,
        account BLOB NOT NULL,
        since INTEGER,
        is_member INTEGER NOT NULL,
        is_owner INTEGER NOT NULL,
        PRIMARY KEY (room, account)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX rooms_of_account ON room_members (account)",
    "INSERT INTO versions VALUES ('rooms', random())",
    *(
        f"CREATE TRIGGER rooms_after_{change} AFTER {change} ON rooms BEGIN"
        " UPDATE versions SET value = random() WHERE name = 'rooms'; END"
        for change in ("insert", "update", "delete")
    ),
    """
    CREATE TRIGGER users_leave_rooms AFTER DELETE ON users BEGIN
        DELETE FROM room_members WHERE account = OLD.id;
    END
    """,
)
# What brings a file from each version to the next one.
_STEPS = (
    _FIRST_SCHEMA,
    _WITH_IDS,
    _WITH_DEVICES,
    (*_WITH_VERSIONS, *_WITH_MAILBOXES),
    _WITH_ROOMS,
)
VERSION = len(_STEPS)

Stamp = tuple[int, int, int]
# Differs from the stamp of every file, so a reader that remembers it reads again.
UNREAD: Stamp = (0, 0, 0)
# Nanoseconds. Two changes within so short a time may leave the same stamp: the kernel's clock has coarse ticks.
_UNSETTLED = 50_000_000


class DatabaseFault(Exception):
    """The file cannot be used. The text is one line for the operator, and names the file."""


class Database:
    """The database file in ``directory``, created at its first use. All methods raise DatabaseFault."""

    def __init__(self, directory: Path, busy_timeout: float = BUSY_TIMEOUT) -> None:
        self.path = directory / FILE_NAME
        self._busy_timeout = busy_timeout

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Open the file for queries, which all see the same state."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Open the file for changes. All are on the disk when the block ends, and none if the block raises."""
        # IMMEDIATE takes the lock for writing now. A transaction that reads first and asks for the lock later could
        # fail at once, without waiting for ``busy_timeout``.
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def stamp(self) -> Stamp | None:
        """Return a value that differs after each change, or None if there is no file.

        Two changes within a tick of the kernel's clock may leave the same value: see ``settled``. The first item is the
        time of the last change in nanoseconds since 1970.
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
            # ``closing``, because a connection of sqlite3 as a context manager ends a transaction, but stays open.
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
            raise self._fault(
                "a newer version of this program has written it; use that version"
            ) from None

    def _connect(self) -> sqlite3.Connection:
        # isolation_level=None: this module begins and ends transactions itself.
        connection = sqlite3.connect(self.path, timeout=self._busy_timeout, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
            # EXTRA also syncs the directory after the journal is deleted. Otherwise a power cut could bring the journal
            # back, and SQLite would undo a committed transaction.
            connection.execute("PRAGMA synchronous = EXTRA")
            # Overwrite deleted rows: the hash of an old password must not stay in a free page.
            connection.execute("PRAGMA secure_delete = ON")
        except BaseException:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        """Create the file if there is none, and make it readable for its owner only."""
        directory = self.path.parent
        try:
            make_private_directory(directory)
            # Created here and not by SQLite, so that other users can never read the file, not even for a moment.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
            restrict_mode(self.path)  # a restored backup may have another mode
            give_to_owner_of_directory(self.path, directory)
        except OSError as problem:
            raise self._fault(problem.strerror or str(problem)) from None

    def _in_words(self, problem: sqlite3.Error) -> str:
        text = str(problem)
        if "locked" in text:
            seconds = f"{self._busy_timeout:g} seconds"
            return f"another program has kept it locked for {seconds}; try again"
        return text

    def _fault(self, reason: str) -> DatabaseFault:
        return DatabaseFault(f"cannot use {self.path}: {reason}")


def table_version(connection: sqlite3.Connection, table: str) -> int:
    """Return a random number that changes with each change of ``table``, such as "users" or "rooms"."""
    query = "SELECT value FROM versions WHERE name = ?"
    return int(connection.execute(query, (table,)).fetchone()[0])


def settled(stamp: Stamp | None) -> Stamp | None:
    """Return the stamp to remember after reading a file that had ``stamp``.

    That is UNREAD if the file changed a moment ago, since another change may leave the same stamp.
    """
    if stamp is None or abs(time.time_ns() - stamp[0]) > _UNSETTLED:
        return stamp
    return UNREAD


def belongs_to_cluster(database: Database) -> bool:
    """Return whether the file is that of a server in a cluster. Then only that server may change it, by its log.

    Does not create the file. Raises DatabaseFault.
    """
    if database.stamp() is None:
        return False
    with database.reading() as connection:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return connection.execute(query, (PLACE_TABLE,)).fetchone() is not None


class DatabaseThread:
    """Run work on a database in one thread, in the order of the calls, so that the event loop never waits.

    ``is_behind``: memory comes first, and the file follows. Then no other process changes the file, and nobody reads it
    again while the server runs.
    """

    is_behind = False

    def __init__(self, database: Database) -> None:
        self.database = database
        self._pool: ThreadPool | None = None

    def run(self, work: Callable[[Database], Result]) -> Result:
        """Call ``work`` in the thread and return its result, or raise its exception. Other greenlets run meanwhile."""
        if self._pool is None:
            self._pool = ThreadPool(1)
        return run_in(self._pool, work, self.database)

    def write(self, work: Callable[[Database], object]) -> None:
        """Have ``work`` change the database.

        Waits until the change is on the disk, and raises what ``work`` raises, unless the thread ``is_behind``: then
        this returns at once, and ``work`` must not fail for what the tables hold.
        """
        self.run(work)

    def close(self) -> None:
        """End the thread after its current work."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.kill()


class _NewerSchema(Exception):
    pass


def _prepare(connection: sqlite3.Connection) -> None:
    """Bring the tables to the newest version. A new file, or one that a crash left empty, has no tables."""
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    version = _version(
        connection
    )  # again, under the lock: another process may have created the tables meanwhile
    if version > VERSION:
        raise _NewerSchema
    if version < VERSION:
        for step in _STEPS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
