"""The rooms of a connection, or of one that comes back, as objects."""

from __future__ import annotations

from weakref import WeakValueDictionary

from chat.client.connection.events import EnteredRoom
from chat.client.connection.rooms.room import Room
from chat.client.connection.rooms.room_methods import RoomMethods
from chat.protocol.commands import Command, Verb


class RoomHost(RoomMethods):
    """Makes ``Room`` objects: one for each room."""

    def __init__(self) -> None:
        self._handles: WeakValueDictionary[str, Room] = WeakValueDictionary()

    @property
    def room_names(self) -> list[str]:
        """The rooms that this user is in beside the default room, as the server writes them."""
        raise NotImplementedError

    @property
    def rooms(self) -> dict[str, Room]:
        """The rooms that this user is in beside the default room, by their names as the server writes them."""
        return {name: self._handle(name) for name in self.room_names}

    def room(self, name: str) -> Room | None:
        """Return the room ``name``, in any spelling, if this user is in it; otherwise None."""
        known = self.known_room(name)
        return None if known is None or known.name is None else self._handle(known.name)

    def join(self, name: str) -> Room:
        """Join the room ``name``; the server makes it if there is none, and if the user may make rooms.

        Of a room that the user is in already, the answer brings the names of all users, which a login does not.
        Raises QueryRefused with a code such as ``not-invited`` or ``no-such-room``, ConnectionLost, NotSupported.
        """
        entered = self.do(Command(Verb.JOIN.value, room=name))
        shown = entered.facts.name if isinstance(entered, EnteredRoom) else None
        if shown is None:
            raise ValueError(f"{name!r} is the default room: everyone is in it")
        return self._handle(shown)

    def _handle(self, name: str) -> Room:
        room = self._handles.get(name)
        if room is None:
            room = self._handles[name] = Room(self, name)
        return room
