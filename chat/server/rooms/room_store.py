"""Write changes of rooms: at once, or with all others of the same second.

Joins and leaves are written behind, since thousands of users may join at once; a crash loses those of the last second.
Invitations, removals and settings decide which users may read a room: they are on the disk before they take effect.
"""

from __future__ import annotations

from functools import partial

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from chat.server.process.lasting_fault import LastingFault
from chat.server.rooms.room import RoomAccess, RoomState
from chat.server.rooms.room_records import (
    Place,
    RoomChanges,
    StoredRooms,
    read_rooms,
    read_version,
    write_rooms,
)
from chat.server.storage.database import (
    UNREAD,
    Database,
    DatabaseFault,
    DatabaseThread,
    Stamp,
    settled,
)

PERIOD = 1.0  # seconds between two transactions for changes that can wait


class RoomStore:
    """The stored rooms. ``thread`` is None if they are kept in memory only."""

    def __init__(self, thread: DatabaseThread | None) -> None:
        self._thread = thread
        self._numbers: dict[str, RoomState] = {}
        self._access: dict[Place, RoomAccess | None] = {}
        self._changed = Event()
        self._writing = BoundedSemaphore(1)
        self._version = 0
        self._stamp: Stamp | None = UNREAD
        self._fault = LastingFault("cannot save who is in which room")

    def read(self) -> StoredRooms:
        """Read all rooms. Raises DatabaseFault."""
        if self._thread is None:
            return StoredRooms()
        self._stamp = settled(self._thread.database.stamp())
        stored = self._thread.run(read_rooms)
        self._version = stored.version
        return stored

    def read_if_changed(self) -> StoredRooms | None:
        """Read all rooms if another program has changed one; None if not. Raises DatabaseFault."""
        if self._thread is None or self._thread.is_behind:
            return None
        stamp = self._thread.database.stamp()
        if stamp is None or stamp == self._stamp:
            return None
        self._stamp = settled(stamp)
        # The file changes all the time, for example when users read on. All rooms and members are not read for that.
        if self._thread.run(read_version) == self._version:
            return None
        stored = self._thread.run(read_rooms)
        self._version = stored.version
        return stored

    def note_numbers(self, state: RoomState) -> None:
        """Write soon what only the server knows of a room: numbers of its log, and since when it is empty."""
        if self._thread is not None:
            self._numbers[state.name.key] = state
            self._changed.set()

    def note_access(self, key: str, account: bytes, access: RoomAccess | None) -> None:
        """Write soon what a user is in the room with ``key``; None: nothing."""
        if self._thread is not None:
            self._access[key, account] = access
            self._changed.set()

    def write(
        self,
        rooms: dict[str, RoomState | None] | None = None,
        access: dict[Place, RoomAccess | None] | None = None,
    ) -> None:
        """Write changes now, with all that wait. Raises DatabaseFault; then what waited goes on to wait.

        A database that is behind has them only after a while.
        """
        if self._thread is None:
            return
        with self._writing:
            numbers, waiting = self._numbers, self._access
            self._numbers, self._access = {}, {}
            changes = RoomChanges(rooms or {}, {**waiting, **(access or {})}, numbers)
            try:
                self._thread.write(partial(self._write, changes))
            except BaseException:
                # What has changed since is newer.
                self._numbers = {**numbers, **self._numbers}
                self._access = {**waiting, **self._access}
                raise

    def _write(self, changes: RoomChanges, database: Database) -> None:
        self._version = write_rooms(database, changes, self._version)

    def write_waiting(self) -> None:
        """Write what waits. If that fails, log it once; the next call tries again."""
        self._changed.clear()
        if not self._numbers and not self._access:
            return
        try:
            self.write()
            self._fault.clear()
        except DatabaseFault as fault:
            self._changed.set()
            self._fault.note(fault)

    def run(self) -> None:
        """Write what waits, for ever. Runs in a greenlet."""
        while True:
            self._changed.wait()
            gevent.sleep(PERIOD)
            self.write_waiting()
