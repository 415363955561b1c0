"""Store rooms, and who is in them, in the database.

The functions wait for the disk and raise DatabaseFault; the server calls them in the database thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from chat.protocol.commands import RoomKind
from chat.protocol.names import UserName
from chat.server.rooms.room import RoomAccess, RoomState
from chat.server.storage.database import Database, table_version

# What a user is in a room: the key of the room's name, and the id of the account.
Place = tuple[str, bytes]


# In place of a last number of a log, in a room that a program without the history has written: the server finds it out.
UNKNOWN_HEAD = -1


class StoredRooms(NamedTuple):
    """Hold all rooms, and what registered users are in them, as the database has them.

    ``version`` changes when another program changes a room.
    """

    rooms: Sequence[RoomState] = ()
    access: Mapping[Place, RoomAccess] = {}
    version: int = 0


class RoomChanges(NamedTuple):
    """Hold what is to be written, in one transaction. None means that the row goes.

    Of ``numbers``, only what the server alone knows is written: not the settings, which another program may change.
    """

    rooms: Mapping[str, RoomState | None] = {}
    access: Mapping[Place, RoomAccess | None] = {}
    numbers: Mapping[str, RoomState] = {}


def read_rooms(database: Database) -> StoredRooms:
    """Read all rooms; do not create the database if there is none yet."""
    if database.stamp() is None:
        return StoredRooms()
    with database.reading() as connection:
        rows = connection.execute(
            "SELECT name, key, kind, topic, keep, shows_all, is_operators, start, opened, created,"
            " empty_since FROM rooms ORDER BY created, key"
        )
        rooms = [
            RoomState(
                UserName(name, key),
                RoomKind(kind),
                topic,
                keep,
                bool(shows_all),
                bool(is_ops),
                *rest,
            )
            for name, key, kind, topic, keep, shows_all, is_ops, *rest in rows
        ]
        rows = connection.execute(
            "SELECT room, account, since, is_member, is_owner FROM room_members"
        )
        access = {
            (room, account): RoomAccess(since, bool(is_member), bool(is_owner))
            for room, account, since, is_member, is_owner in rows
        }
        return StoredRooms(rooms, access, table_version(connection, "rooms"))


def read_version(database: Database) -> int:
    """Return a number that changes with each change of a room, but not when users join or leave one."""
    with database.reading() as connection:
        return table_version(connection, "rooms")


def write_rooms(database: Database, changes: RoomChanges, known_version: int) -> int:
    """Write ``changes``; return the version to remember. If it stays, another program has changed a room before."""
    with database.writing() as connection:
        is_known = table_version(connection, "rooms") == known_version
        for key, room in changes.rooms.items():
            _write_room(connection, key, room)
        for key, state in changes.numbers.items():
            connection.execute(
                "UPDATE rooms SET start = ?, opened = ?, empty_since = ? WHERE key = ?",
                (state.start, state.opened, state.empty_since, key),
            )
        for (key, account), access in changes.access.items():
            _write_access(connection, key, account, access)
        return table_version(connection, "rooms") if is_known else known_version


def _write_room(connection: sqlite3.Connection, key: str, room: RoomState | None) -> None:
    if room is None:
        connection.execute("DELETE FROM rooms WHERE key = ?", (key,))
        connection.execute("DELETE FROM room_members WHERE room = ?", (key,))
        return
    name, kind, *rest = room
    connection.execute(
        "INSERT OR REPLACE INTO rooms"
        " (name, key, kind, topic, keep, shows_all, is_operators, start, opened, created, empty_since)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (name.display, key, kind.value, *rest),
    )


def _write_access(
    connection: sqlite3.Connection, key: str, account: bytes, access: RoomAccess | None
) -> None:
    if access is None:
        connection.execute(
            "DELETE FROM room_members WHERE room = ? AND account = ?", (key, account)
        )
        return
    # Not for a room or an account that another program has removed meanwhile.
    connection.execute(
        "INSERT OR REPLACE INTO room_members (room, account, since, is_member, is_owner)"
        " SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM rooms WHERE key = ?)"
        " AND EXISTS (SELECT 1 FROM users WHERE id = ?)",
        (key, account, *access, key, account),
    )
