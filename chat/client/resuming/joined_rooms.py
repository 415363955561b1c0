"""Which rooms to join with the next login, and which ones the state file remembers. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chat.client.connection.events import EnteredRoom, Event, LeftRoom, Welcome
from chat.client.resuming.events import ResumedEvent
from chat.client.state.memory import Memory
from chat.client.state.places import LogKey, is_default_room, room_log

# Bytes of the names in a login, whose header has at most 16 KiB.
_MAX_NAMES = 8 * 1024


class JoinedRooms:
    """The rooms of one user, over all connections. ``memory()`` remembers them.

    ``wanted`` are to be joined with each login, until the user leaves them. None: the program knows no other room than
    the default one, until it joins one.
    """

    def __init__(self, memory: Callable[[], Memory], wanted: Iterable[str] | None) -> None:
        self._memory = memory
        self._wanted: dict[LogKey, str] | None = None
        if wanted is not None:
            self.want(wanted)
        # Joined since the last login: a server that crashes now may not have stored that.
        self._fresh: dict[LogKey, str] = {}
        self._is_account = False
        self._default: str | None = None  # the name of the default room

    def want(self, names: Iterable[str]) -> None:
        """Let each login join these rooms: the program knows rooms from now on."""
        self._wanted = {room_log(name): name for name in names}

    @property
    def wanted(self) -> tuple[str, ...]:
        """The rooms that each login is to join, and that the user has not left meanwhile."""
        return tuple((self._wanted or {}).values())

    @property
    def known(self) -> tuple[str, ...]:
        """The rooms that the user was in, with this run of the client or an earlier one."""
        return () if self._wanted is None else self._memory().rooms

    def to_join(self, memory: Memory | None = None) -> tuple[str, ...] | None:
        """Return what the next login is to join; None: the program knows no rooms.

        ``memory`` is that of the user who is to log in; None: the present user. The rooms of a registered user are
        known to the server: the user may have left one with another device.
        """
        if self._wanted is None:
            return None
        present = self._memory()
        memory = memory or present
        names = dict(self._wanted)
        if not memory.rooms_are_kept_by_server:
            names |= {room_log(name): name for name in memory.rooms}
        if memory is present:
            names |= self._fresh
        result, size = list[str](), 0
        for name in names.values():
            size += len(name.encode(errors="replace")) + 3  # with quotes and a comma
            if size <= _MAX_NAMES:
                result.append(name)
        return tuple(result)

    def name_of(self, room: str | None) -> str | None:
        """Return the name of a room; None for the default room, also if it was meant by its name."""
        if room is None or self._default is None:
            return room
        return None if is_default_room(room, self._default) else room

    def note(self, event: Event, shown: Iterable[ResumedEvent], rooms: Iterable[str]) -> list[str]:
        """Note what ``event`` and the events that it brings change; return the rooms that the user has left.

        ``rooms`` are those that the user is in now.
        """
        left = [each.room for each in shown if isinstance(each, LeftRoom)]
        if isinstance(event, Welcome):
            self._is_account = event.account
            self._default = event.default_room
            self._fresh.clear()
        elif isinstance(event, EnteredRoom):
            self._wanted = self._wanted or {}
            if event.facts.name is not None:
                self._fresh[room_log(event.facts.name)] = event.facts.name
        else:
            for log in map(room_log, left):
                self._fresh.pop(log, None)
                if self._wanted is not None:
                    self._wanted.pop(log, None)
        if self._wanted is not None:
            self._keep(rooms)
        return left

    def _keep(self, rooms: Iterable[str]) -> None:
        """Remember the rooms, in the order that the user has given them."""
        memory, names = self._memory(), {room_log(name): name for name in rooms}
        kept = [names.pop(log) for log in map(room_log, memory.rooms) if log in names]
        memory.keep_rooms([*kept, *names.values()], by_server=self._is_account)
