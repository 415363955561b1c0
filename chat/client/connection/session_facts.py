"""The facts of a session that a program can ask for."""

from __future__ import annotations

from chat.client.connection.events import Limits
from chat.client.connection.incoming import MAX_IN_MEMORY
from chat.client.connection.session.known_rooms import KnownRoom
from chat.client.connection.session_state import SessionState
from chat.net.address import Address


class SessionFacts:
    """The facts of a session that a program can ask for. ``original``: the server is, or counts as, an original one."""

    def __init__(self, room: SessionState, *, original: bool) -> None:
        self._room = room
        self._original = original

    @property
    def username(self) -> str:
        """The name of this user, as the server writes it."""
        return self._room.username

    @property
    def users(self) -> list[str]:
        """The users in the default room, this user too. With an original server: the users seen so far.

        Empty if the server tells only how many they are: see ``here``.
        """
        return list(self._room.users)

    @property
    def here(self) -> int | None:
        """How many users are in the default room."""
        return self._room.rooms.default.here

    @property
    def topic(self) -> str | None:
        """The topic of the default room."""
        return self._room.rooms.default.topic

    @property
    def room_names(self) -> list[str]:
        """The rooms that this user is in beside the default room, as the server writes them."""
        return list(self._room.rooms.others)

    def known_room(self, name: str | None) -> KnownRoom | None:
        """Return what is known of a room, by its name in any spelling; None if this user is not in it.

        The default room is found by its name, and by None.
        """
        return self._room.rooms.default if name is None else self._room.rooms.find(name)

    @property
    def registered(self) -> list[str]:
        """The users in the room whose name is their account. Empty if the server does not tell."""
        return [name for name in self.users if name in self._room.registered]

    @property
    def moderators(self) -> list[str]:
        """The users in the room who may moderate. Empty if the server does not tell."""
        return [name for name in self.users if name in self._room.moderators]

    @property
    def server(self) -> str | None:
        """Name and version of the server; None if unknown."""
        return self._room.server

    @property
    def node(self) -> str | None:
        """The name of the server in its cluster; None if it is in none."""
        return self._room.node

    @property
    def servers(self) -> tuple[Address, ...]:
        """The addresses of other servers of the cluster, as this server has told them."""
        return self._room.servers

    @property
    def limits(self) -> Limits:
        """The sizes that the server accepts."""
        return self._room.limits

    @property
    def most_inline(self) -> int:
        """Bytes of the largest file that goes over this connection. Larger files go over transfer connections."""
        return min(self.limits.inline, MAX_IN_MEMORY)

    @property
    def motd(self) -> str | None:
        """The server's message of the day, if it has one."""
        return self._room.motd

    @property
    def original(self) -> bool:
        """Whether the server counts as an original one: no private messages, and at most 16 KiB a message."""
        return self._original

    @property
    def can_search(self) -> bool:
        """Whether the server finds earlier messages."""
        return self._room.can_search

    @property
    def session(self) -> str | None:
        """The secret token with which a new connection replaces this one. None with an original server."""
        return self._room.session
