"""Keep in the database where in the log a server is, and what of the shared state no other table has.

All of it is written in one transaction with the changes of the other tables: the database has the state at the place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import ujson

from chat.server.cluster.log_entry import ORIGIN, EntryId
from chat.server.history.stored import LogName
from chat.server.storage.database import Database

# ``cluster_place`` has one row. ``cluster_heads`` has the last number of each log of messages, ``cluster_sessions`` the
# sessions that are connected, in the order of ``serial``. ``cluster_facts`` has other shared state, as JSON.
_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS cluster_place (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        epoch TEXT NOT NULL,
        n INTEGER NOT NULL,
        writer TEXT NOT NULL,
        counter INTEGER NOT NULL,
        fenced TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS cluster_heads (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        head INTEGER NOT NULL,
        PRIMARY KEY (kind, key)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS cluster_sessions (
        home TEXT NOT NULL,
        number INTEGER NOT NULL,
        serial INTEGER NOT NULL,
        session TEXT NOT NULL,
        PRIMARY KEY (home, number)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE IF NOT EXISTS cluster_facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)
_ALL = ("cluster_place", "cluster_heads", "cluster_sessions", "cluster_facts")


class AppliedPlace(NamedTuple):
    """The last entry that a server has applied, in the log with ``epoch``, and the writers that had ended there."""

    epoch: str
    applied: EntryId = ORIGIN
    fenced: tuple[str, ...] = ()


class SessionRow(NamedTuple):
    """A connected session: see ``SessionId``. ``values`` are what JSON can hold."""

    home: str
    number: int
    serial: int
    values: dict[str, Any]


class SharedState(NamedTuple):
    """Hold what ``read_state`` finds: the sessions in the order in which they came."""

    place: AppliedPlace
    heads: dict[LogName, int]
    sessions: list[SessionRow]
    facts: dict[str, Any]


class StateChanges(NamedTuple):
    """Hold what has changed since the last write. A head or a session of None is gone."""

    heads: Mapping[LogName, int | None]
    sessions: Mapping[tuple[str, int], SessionRow | None]
    facts: Mapping[str, Any]


def make_tables(connection: sqlite3.Connection) -> None:
    """Make the tables that only the database of a cluster's server has, unless they are there."""
    for statement in _TABLES:
        connection.execute(statement)


def drop_tables(connection: sqlite3.Connection) -> None:
    """Let the database be that of a single server again."""
    for table in _ALL:
        connection.execute(f"DROP TABLE IF EXISTS {table}")


def load_state(database: Database) -> SharedState | None:
    """Return what ``read_state`` finds in a database that may not exist. Raises DatabaseFault."""
    if database.stamp() is None:
        return None
    with database.reading() as connection:
        return read_state(connection)


def read_state(connection: sqlite3.Connection) -> SharedState | None:
    """Return what the database has of the cluster; None if it is that of a single server."""
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'cluster_place'"
    if connection.execute(query).fetchone() is None:
        return None
    row = connection.execute(
        "SELECT epoch, n, writer, counter, fenced FROM cluster_place"
    ).fetchone()
    if row is None:
        return None
    epoch, n, writer, counter, fenced = row
    heads = {
        LogName(kind, key): head
        for kind, key, head in connection.execute("SELECT kind, key, head FROM cluster_heads")
    }
    sessions = [
        SessionRow(home, number, serial, ujson.loads(values))
        for home, number, serial, values in connection.execute(
            "SELECT home, number, serial, session FROM cluster_sessions ORDER BY serial"
        )
    ]
    facts = {
        name: ujson.loads(value)
        for name, value in connection.execute("SELECT name, value FROM cluster_facts")
    }
    place = AppliedPlace(epoch, EntryId(n, writer, counter), tuple(ujson.loads(fenced)))
    return SharedState(place, heads, sessions, facts)


def write_state(connection: sqlite3.Connection, place: AppliedPlace, changes: StateChanges) -> None:
    """Write ``changes``, and that the database has the state at ``place``."""
    _write_heads(connection, changes.heads)
    gone = [id for id, row in changes.sessions.items() if row is None]
    connection.executemany("DELETE FROM cluster_sessions WHERE home = ? AND number = ?", gone)
    connection.executemany(
        "REPLACE INTO cluster_sessions VALUES (?, ?, ?, ?)",
        [
            (row.home, row.number, row.serial, ujson.dumps(row.values))
            for row in changes.sessions.values()
            if row is not None
        ],
    )
    connection.executemany(
        "REPLACE INTO cluster_facts VALUES (?, ?)",
        [(name, ujson.dumps(value)) for name, value in changes.facts.items()],
    )
    connection.execute(
        "REPLACE INTO cluster_place VALUES (1, ?, ?, ?, ?, ?)",
        (place.epoch, *place.applied, ujson.dumps(list(place.fenced))),
    )


def _write_heads(connection: sqlite3.Connection, heads: Mapping[LogName, int | None]) -> None:
    gone: Iterable[LogName] = [name for name, head in heads.items() if head is None]
    connection.executemany("DELETE FROM cluster_heads WHERE kind = ? AND key = ?", gone)
    connection.executemany(
        "REPLACE INTO cluster_heads VALUES (?, ?, ?)",
        [(*name, head) for name, head in heads.items() if head is not None],
    )
