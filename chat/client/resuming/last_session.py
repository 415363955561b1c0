"""The facts of a session that a program can ask for while there is no connection: those of the last one."""

from __future__ import annotations

from chat.client.connection.connection import Connection
from chat.client.connection.events import Limits
from chat.client.connection.session.known_rooms import KnownRoom
from chat.net.address import Address


class LastSession:
    """The facts of the present session, else of the last one."""

    def __init__(self) -> None:
        self._last: Connection | None = None

    @property
    def _known(self) -> Connection:
        assert self._last is not None, "connect has made the first connection"
        return self._last

    @property
    def node(self) -> str | None:
        """The name of the server in its cluster; None if it is in none."""
        return self._known.node

    @property
    def address(self) -> Address | None:
        """The address of the server."""
        return self._known.address

    @property
    def username(self) -> str:
        """The name of this user, as the server writes it."""
        return self._known.username

    @property
    def users(self) -> list[str]:
        """The users in the default room, as of the last connection."""
        return self._known.users

    @property
    def room_names(self) -> list[str]:
        return self._known.room_names

    def known_room(self, name: str | None) -> KnownRoom | None:
        return self._known.known_room(name)

    @property
    def limits(self) -> Limits:
        """The sizes that the server accepts."""
        return self._known.limits
