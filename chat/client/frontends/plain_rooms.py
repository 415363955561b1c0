"""The lines of plain mode about rooms, and the sign of a room before all other lines once there are several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chat.client.connection.events import (
    EnteredRoom,
    HereCount,
    Invited,
    LeftRoom,
    RoomChanged,
    RoomFacts,
    TopicChanged,
    Welcome,
)
from chat.client.connection.session.known_rooms import LOBBY
from chat.client.conversation.ui_events import RoomListing, Told, UserList
from chat.client.frontends.plain_lines import line_at, now, told_lines
from chat.client.frontends.room_lines import (
    elsewhere_words,
    entered_lines,
    invited_line,
    left_line,
    room_list_lines,
    room_sign,
    topic_changed_line,
    topic_lines,
)
from chat.client.frontends.wording import people
from chat.client.state.places import LogKey, room_log
from chat.sanitize import sanitize


class PlainRooms:
    """The rooms of the user. ``formats`` has the function for each kind of event that is about rooms.

    ``always``: lines have the sign of their room also while the user is in no other room than the default one.
    """

    def __init__(self, *, always: bool = False) -> None:
        self._always = always
        self._inside: dict[LogKey, str] = {}
        self._default = LOBBY
        self._username = ""
        self.formats: dict[type, Callable[[Any], list[str]]] = {
            EnteredRoom: self._entered,
            LeftRoom: self._left,
            TopicChanged: lambda event: [
                line_at(event.timestamp, topic_changed_line(event), self.sign(event.room))
            ],
            RoomChanged: lambda event: [
                line_at(event.timestamp, sanitize(event.sentence), self.sign(event.room))
            ],
            Invited: lambda event: [line_at(event.timestamp, invited_line(event))],
            # Once a second in a room with very many users: /who tells the number to those who ask.
            HereCount: lambda event: [],
            RoomListing: lambda event: told_lines(Told(tuple(room_list_lines(event)))),
            UserList: lambda event: [line_at(now(), people(event), self.sign(event.room))],
        }

    def sign(self, room: str | None, to: str | None = None) -> str:
        """Return what stands before a line of ``room``: its sign and a blank, or nothing.

        Nothing stands before a message to one user, nor before any line while there is one room.
        """
        if to is not None or (room is None and not self._always and not self._inside):
            return ""
        return f"{room_sign(self._default if room is None else room)} "

    def welcome(self, event: Welcome) -> list[str]:
        """Return the lines about the rooms that the user is in after a login."""
        self._username = event.username
        self._default = event.default_room or LOBBY
        self._inside = {room_log(each.name): each.name or "" for each in event.rooms}
        lines = [
            line_at(event.timestamp, line, self.sign(None)) for line in topic_lines(event.topic)
        ]
        for facts in event.rooms:
            lines += self._about(event, facts)
        lines += (
            line_at(
                event.timestamp, f"you are invited to the room {sanitize(name)}: /join enters it"
            )
            for name in event.invited
        )
        return lines

    def _entered(self, event: EnteredRoom) -> list[str]:
        name = event.facts.name
        if name is not None:
            self._inside[room_log(name)] = name
        return self._about(event, event.facts, elsewhere_words(event))

    def _left(self, event: LeftRoom) -> list[str]:
        sign = self.sign(event.room)
        self._inside.pop(room_log(event.room), None)
        return [line_at(event.timestamp, left_line(event), sign)]

    def _about(self, event: Welcome | EnteredRoom, facts: RoomFacts, how: str = "") -> list[str]:
        first, *further = entered_lines(facts, self._username)
        sign = self.sign(facts.name)
        return [line_at(event.timestamp, line, sign) for line in (f"{first}{how}", *further)]


def failed_in(room: str | None) -> str:
    """Return what stands before the reason why a request about ``room`` failed; nothing for the default room."""
    return "" if room is None else f"{room_sign(room)}: "
