"""Know the room that lines of input are for: the first one that the user has named, or the last one joined."""

from __future__ import annotations

from collections.abc import Callable

from chat.client.conversation.requests import Request, RequestError, in_room
from chat.client.conversation.room_requests import JoinRoom, PartRoom
from chat.client.state.places import room_log

# A name that no room has.
_ANY = "*"


class LineRoom:
    """The room of the lines. A line never goes to another room than the one that it was meant for.

    So the room changes as soon as a line asks to join one: if the server refuses that, it refuses the lines behind it,
    too. When a line has left the room of the lines, further lines are for no room, until one joins a room.
    ``default_room`` returns the name of the default room, which nobody can leave.
    """

    def __init__(
        self, room: str | None = None, default_room: Callable[[], str | None] = lambda: None
    ) -> None:
        self._room = room
        self._default_room = default_room
        self._has_left = False

    def place(self, request: Request) -> Request:
        """Return ``request`` for the room of the lines. Raises RequestError if they are for no room."""
        if isinstance(request, JoinRoom):
            self._room, self._has_left = request.room, False
            return request
        if self._has_left:
            if in_room(request, _ANY) != request:
                sentence = f"You have left {self._room}, so your lines are for no room: /join NAME chooses one."
                raise RequestError(sentence)
            return request
        placed = in_room(request, self._room)
        if isinstance(placed, PartRoom) and self._room is not None:
            left = room_log(placed.room)
            is_default = left == room_log(self._default_room())
            self._has_left = left == room_log(self._room) and not is_default
        return placed
