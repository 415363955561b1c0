"""Read and write bans and mutes in the database.

The command line and the server call the same functions. Each call is one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from chat.server.accounts.device_records import delete_devices_of
from chat.server.moderation.bans import NAME, Ban, Mute
from chat.server.storage.database import Database, Stamp, settled, table_version


def read_records(database: Database) -> tuple[list[Ban], list[Mute]]:
    """Return all bans and mutes, expired ones included. Raises DatabaseFault."""
    with database.reading() as connection:
        # BY is a keyword of SQL, so the column needs quotes.
        bans = connection.execute(
            'SELECT kind, target, until_unix, "by", reason, created, name FROM bans'
        )
        mutes = connection.execute('SELECT name_key, until, "by", reason, created FROM mutes')
        return [Ban(*row) for row in bans], [Mute(*row) for row in mutes]


class Records(NamedTuple):
    """Hold what the file has, its stamp, and the versions of its tables.

    ``entries`` is None if the reader knows these versions already.
    """

    entries: list[Ban | Mute] | None
    stamp: Stamp | None
    version: tuple[int, int] | None


def read_if_changed(database: Database, known: tuple[int, int] | None) -> Records:
    """Return all bans and mutes, unless the file still has the version ``known``. Raises DatabaseFault."""
    # Each before what it stands for: a change in between is noticed at the next look.
    stamp = database.stamp()
    if stamp is None:
        return Records([], None, None)
    with database.reading() as connection:
        version = (table_version(connection, "bans"), table_version(connection, "mutes"))
    if version == known:
        return Records(None, settled(stamp), version)
    bans, mutes = read_records(database)
    return Records([*bans, *mutes], settled(stamp), version)


def write_records(
    database: Database,
    add: Sequence[Ban | Mute] = (),
    remove: Sequence[Ban | Mute] = (),
    now: float | None = None,
) -> None:
    """Remove entries, then add entries; an added entry replaces one with the same target. Raises DatabaseFault.

    The devices of a banned name are forgotten: after the ban, the user shows the password again. Entries that have
    expired ``now`` are removed too, so that the file does not grow with bans that have ended. ``now`` is in seconds
    since 1970; None: the time of this machine.
    """
    now = int(time.time() if now is None else now)
    with database.writing() as connection:
        connection.execute("DELETE FROM bans WHERE until_unix <= ?", (now,))
        connection.execute("DELETE FROM mutes WHERE until <= ?", (now,))
        for entry in remove:
            if isinstance(entry, Ban):
                key = (entry.kind, entry.target)
                connection.execute("DELETE FROM bans WHERE kind = ? AND target = ?", key)
            else:
                connection.execute("DELETE FROM mutes WHERE name_key = ?", (entry.name_key,))
        for entry in add:
            if isinstance(entry, Ban):
                connection.execute(
                    'INSERT OR REPLACE INTO bans (kind, target, until_unix, "by", reason, created,'
                    " name) VALUES (?, ?, ?, ?, ?, ?, ?)",
                    entry,
                )
                if entry.kind == NAME:
                    delete_devices_of(connection, entry.target)
            else:
                connection.execute(
                    'INSERT OR REPLACE INTO mutes (name_key, until, "by", reason, created)'
                    " VALUES (?, ?, ?, ?, ?)",
                    entry,
                )
