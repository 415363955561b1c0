"""Change the settings of a room as the operator wishes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chat.protocol.commands import RoomKind
from chat.server.rooms.room import RoomState

# The operation that changes rooms, and the command on the control socket, with its verbs.
OPERATOR_ROOM = "operator-room"
ADD, SET, REMOVE = "add", "set", "remove"


def wished(room: RoomState, wishes: Mapping[str, Any], head: int) -> RoomState:
    """Return ``room`` with what ``wishes`` has: ``kind``, ``shows_all``, ``keep`` (seconds, or None) and ``topic``.

    The values are those of RoomState as JSON can hold them. ``head`` is the last number of the log of the room.
    """
    if "kind" in wishes:
        new = RoomKind(wishes["kind"])
        if room.kind is RoomKind.CLOSED and new is not RoomKind.CLOSED:
            # Messages of the closed room stay with its members.
            room = room._replace(opened=head, shows_all=False)
        room = room._replace(kind=new)
    if "shows_all" in wishes:
        room = room._replace(shows_all=wishes["shows_all"])
    if "keep" in wishes:
        room = room._replace(keep=wishes["keep"])
    if "topic" in wishes:
        room = room._replace(topic=wishes["topic"])
    return room
