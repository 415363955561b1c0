"""Read the arguments of commands about rooms."""

from __future__ import annotations

from functools import partial

from chat.client.attention.notify import NotifyMode
from chat.client.conversation.requests import Request, RequestError, Who
from chat.client.conversation.room_requests import (
    ChangeRoom,
    JoinRoom,
    ListRooms,
    PartRoom,
    SetNotify,
    SetTopic,
    ShowRoom,
    ShowTopic,
)
from chat.client.conversation.typed.arguments import parse_span
from chat.protocol.commands import RoomChange, RoomKind, Visible

# Typed in place of a topic, it removes the topic.
NO_TOPIC = "-"
# Typed in place of a time: messages are kept as long as the server keeps them.
AS_SERVER = "server"
_CHOICES = {
    "kind": tuple(kind.value for kind in RoomKind),
    "history": tuple(visible.value for visible in Visible),
}
_NOTIFY_MODES = [mode.value for mode in NotifyMode]
_ROOM_USAGE = (
    "/room, /room kind open|closed|announcements, /room history invited|all, "
    "/room keep TIME|server, or /room owner NAME"
)
_SPANS = f"a time such as 12h or 30d, or {AS_SERVER!r}: as long as the server keeps messages"


def room_name(text: str) -> str:
    """Return the name of a room, as typed perhaps with the sign that other programs put before it."""
    return text.removeprefix("#")


def parse_join(rest: str) -> JoinRoom:
    """Parse the name of a room. Raises RequestError."""
    name = room_name(rest)
    if not name or len(name.split()) > 1:
        raise RequestError("Expected /join NAME, with the name of one room.")
    return JoinRoom(name)


def parse_part(rest: str) -> PartRoom:
    """Parse the name of a room, or none. Raises RequestError."""
    if len(rest.split()) > 1:
        raise RequestError("Expected /part or /part NAME.")
    return PartRoom(room_name(rest) or None)


def _parse_prefix(rest: str, *, make: type[ListRooms | Who], name: str) -> Request:
    if len(rest.split()) > 1:
        raise RequestError(f"Expected /{name}, or /{name} and how the names begin.")
    return make(prefix=rest)


parse_rooms = partial(_parse_prefix, make=ListRooms, name="rooms")
parse_who = partial(_parse_prefix, make=Who, name="who")


def parse_topic(rest: str) -> ShowTopic | SetTopic:
    """Parse a topic; nothing shows the topic, and ``NO_TOPIC`` removes it."""
    if not rest:
        return ShowTopic()
    return SetTopic(None if rest == NO_TOPIC else rest)


def parse_notify(rest: str) -> SetNotify:
    """Parse how loud the room is, or nothing. Raises RequestError."""
    mode = rest.lower()
    if mode and mode not in _NOTIFY_MODES:
        raise RequestError(f"Expected /notify {', '.join(_NOTIFY_MODES[:-1])} or none.")
    return SetNotify(mode or None)


def parse_room(rest: str) -> ShowRoom | ChangeRoom:
    """Parse a setting of the room and its value. Raises RequestError."""
    words = rest.split()
    if not words:
        return ShowRoom()
    setting = words[0].lower()
    if len(words) != 2 or setting not in ("kind", "history", "keep", "owner"):
        raise RequestError(f"Expected {_ROOM_USAGE}.")
    value = words[1]
    if setting == "owner":
        return ChangeRoom(RoomChange(owner=value))
    value = value.lower()
    if setting == "keep":
        return ChangeRoom(RoomChange(keep=0 if value == AS_SERVER else parse_span(value, _SPANS)))
    if value not in _CHOICES[setting]:
        *others, last = _CHOICES[setting]
        raise RequestError(f"Expected /room {setting} {', '.join(others)} or {last}.")
    return ChangeRoom(RoomChange(kind=value) if setting == "kind" else RoomChange(history=value))
