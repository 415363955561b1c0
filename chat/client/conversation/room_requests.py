"""The requests about rooms. The ``room`` of a request is the name of a room; None: the default room."""

from __future__ import annotations

from chat.protocol.commands import RoomChange
from chat.structs import Struct


class JoinRoom(Struct):
    """Join the room ``room``, or make it."""

    room: str


class PartRoom(Struct):
    """Leave a room."""

    room: str | None = None


class ListRooms(Struct):
    """List the rooms that the user may know, whose names begin with ``prefix``.

    At most ``limit``, behind the name ``after``; without a limit, all.
    """

    prefix: str = ""
    after: str | None = None
    limit: int | None = None


class ShowTopic(Struct):
    """Show what a room is about."""

    room: str | None = None


class SetTopic(Struct):
    """Set what a room is about. None removes the topic."""

    topic: str | None
    room: str | None = None


class _OfRoom(Struct):
    """A request of an owner of a room about the user ``name``."""

    name: str
    room: str | None = None


class InviteUser(_OfRoom):
    """Invite a user to a room."""


class RemoveUser(_OfRoom):
    """Take a user out of a room, or take an invitation back."""


class ShowRoom(Struct):
    """Show what is known of a room: its kind, its topic, how many users are in it."""

    room: str | None = None


class ChangeRoom(Struct):
    """Change settings of a room."""

    change: RoomChange
    room: str | None = None


class SetNotify(Struct):
    """Choose which messages of a room ring: ``all``, ``mentions`` or ``none``. None shows the choice."""

    mode: str | None = None
    room: str | None = None


RoomRequest = (
    JoinRoom
    | PartRoom
    | ListRooms
    | ShowTopic
    | SetTopic
    | InviteUser
    | RemoveUser
    | ShowRoom
    | ChangeRoom
)
