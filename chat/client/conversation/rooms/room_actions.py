"""Carry out requests about rooms: commands for the server, and questions whose answers are lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from typing import Any

from chat.client.attention.names import folded
from chat.client.connection.connection import Connection
from chat.client.connection.events import RoomChanged, TopicChanged
from chat.client.connection.session.known_rooms import KnownRoom
from chat.client.conversation.asking import Asking
from chat.client.conversation.requests import AskServer, RequestError, Who
from chat.client.conversation.room_requests import (
    ChangeRoom,
    InviteUser,
    JoinRoom,
    ListRooms,
    PartRoom,
    RemoveUser,
    SetTopic,
    ShowRoom,
    ShowTopic,
)
from chat.client.conversation.ui_events import (
    Frontend,
    RoomListing,
    Tag,
    Told,
    UiEvent,
    UserList,
    users_of,
)
from chat.protocol.commands import Command, Verb

# Users that are listed of a room with very many, and rooms in one list.
USUAL_USERS = 100
MOST_ROOMS = 10_000
_EVERYONE_IS_IN_IT = "Everyone is in this room; /quit leaves the server."
_EVENTS = (Verb.JOIN.value, Verb.PART.value)


class RoomActions:
    """Carry out requests about rooms. ``doing`` has the function for each kind of request.

    ``give`` gives the server a command, in the order of the messages. Raises RequestError without a connection.
    """

    def __init__(
        self,
        frontend: Frontend,
        asking: Asking,
        give: Callable[[AskServer, Tag], object],
    ) -> None:
        self.doing: dict[type, Callable[[Any, Tag], object]] = {
            JoinRoom: self._join,
            PartRoom: self._part,
            ListRooms: self._list,
            Who: self._who,
            ShowTopic: self._show_topic,
            SetTopic: self._set_topic,
            InviteUser: partial(self._give_about, Verb.INVITE),
            RemoveUser: partial(self._give_about, Verb.REMOVE),
            ShowRoom: self._show,
            ChangeRoom: self._change,
        }
        self._frontend = frontend
        self._asking = asking
        self._give = give

    def tell_accepted(self, command: Command, answer: str) -> bool:
        """Show what an accepted command has done, unless an event of the connection does; False: it is another one.

        The server tells changes to all in the room but the owner who has made them.
        """
        name, now = self._asking.connection().username, datetime.now(timezone.utc)
        if command.verb == Verb.TOPIC.value:
            topic = " ".join((command.topic or "").split())
            self._frontend.show(TopicChanged(topic or None, name, now, command.room))
        elif command.verb == Verb.ROOM.value:
            self._frontend.show(RoomChanged(name, answer, now, command.room))
        return command.verb in (*_EVENTS, Verb.TOPIC.value, Verb.ROOM.value)

    def _join(self, request: JoinRoom, tag: Tag) -> None:
        self._command(Verb.JOIN, request.room, tag)

    def _part(self, request: PartRoom, tag: Tag) -> None:
        if request.room is None:
            raise RequestError(_EVERYONE_IS_IN_IT)
        self._command(Verb.PART, request.room, tag)

    def _set_topic(self, request: SetTopic, tag: Tag) -> None:
        self._command(Verb.TOPIC, request.room, tag, topic=request.topic)

    def _give_about(self, verb: Verb, request: InviteUser | RemoveUser, tag: Tag) -> None:
        self._command(verb, request.room, tag, target=request.name)

    def _change(self, request: ChangeRoom, tag: Tag) -> None:
        self._command(Verb.ROOM, request.room, tag, change=request.change)

    def _command(self, verb: Verb, room: str | None, tag: Tag, **fields: Any) -> None:
        self._give(AskServer(Command(verb.value, room=room, **fields)), tag)

    # What is known of a room

    def _show_topic(self, request: ShowTopic, tag: Tag) -> None:
        topic = self._room(request.room).topic
        line = "this room has no topic" if topic is None else f"the topic is: {topic}"
        self._frontend.show(Told((line,)))

    def _show(self, request: ShowRoom, tag: Tag) -> None:
        room = self._room(request.room)
        name = "this is the room that everyone is in" if room.name is None else f"room {room.name}"
        kind = f", {room.kind}" if room.kind is not None else ""
        here = f", {room.here} here" if room.here is not None else ""
        lines = [f"{name}{kind}{here}{', you are an owner' if room.is_owner else ''}"]
        if room.topic:
            lines.append(f"topic: {room.topic}")
        self._frontend.show(Told(tuple(lines)))

    def _room(self, name: str | None) -> KnownRoom:
        """Return what is known of a room. Raises RequestError if the user is not in it."""
        connection = self._asking.connection()
        room = connection.known_room(name)
        if room is None:
            raise RequestError(f"You are not in {name}; /join {name} joins it.")
        return room

    # Lists

    def _list(self, request: ListRooms, tag: Tag) -> None:
        self._asking.ask(partial(self._read_rooms, request, tag), tag)

    def _read_rooms(self, request: ListRooms, tag: Tag, connection: Connection) -> UiEvent:
        most = MOST_ROOMS if request.limit is None else request.limit
        rooms = connection.list_rooms(request.prefix, after=request.after)
        found = list(islice(rooms, most + 1))
        return RoomListing(request, tuple(found[:most]), len(found) > most, tag)

    def _who(self, request: Who, tag: Tag) -> None:
        connection = self._asking.connection()
        if connection.original:
            self._frontend.show(users_of(connection, tag))
            return
        known = connection.known_room(request.room)
        if known is None or not known.is_listed or request.after is not None:
            self._asking.ask(partial(self._read_users, request, tag), tag)
            return
        begun = folded(request.prefix)
        users = tuple(user for user in known.users if folded(user).startswith(begun))
        limit = len(users) if request.limit is None else request.limit
        self._frontend.show(_listed(connection, request, users, limit, len(known.users), tag))

    def _read_users(self, request: Who, tag: Tag, connection: Connection) -> UiEvent:
        limit = USUAL_USERS if request.limit is None else request.limit
        names = connection.names(request.prefix, room=request.room, after=request.after)
        users = tuple(islice(names, limit + 1))
        known = connection.known_room(request.room)
        here = None if known is None else known.here
        return _listed(connection, request, users, limit, here, tag)


def _listed(
    connection: Connection,
    request: Who,
    users: tuple[str, ...],
    limit: int,
    here: int | None,
    tag: Tag,
) -> UserList:
    shown = users[:limit]
    return UserList(
        shown,
        True,
        tag,
        frozenset(connection.registered) & set(shown),
        frozenset(connection.moderators) & set(shown),
        request.room,
        request.prefix,
        here,
        len(users) > limit,
    )
