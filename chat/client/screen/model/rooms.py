"""Hold a room as the screen knows it: its users, its topic, and whether the user is in it."""

from __future__ import annotations

from enum import Enum, auto

from chat.client.attention.notify import NotifyMode
from chat.client.connection.events import RoomFacts
from chat.client.screen.model.people import People
from chat.protocol.commands import RoomKind

# Signs of rooms. No name begins with one of them, so no room can fake one.
OPEN, CLOSED, ANNOUNCEMENTS, NOT_INSIDE = "#", "=", "!", "-"


class Membership(Enum):
    """Say whether the user is in a room."""

    ENTERING = auto()  # the user has asked for it, and the server has not answered
    INSIDE = auto()
    OUTSIDE = auto()  # the user, an owner or the server has ended it


class ShownRoom:
    """Hold a room. ``name`` is as the server writes it; None for the default room.

    ``kind`` is None while it is not known. ``here`` is how many users the server counts; None: count the ``people``.
    ``wants_names``: the server has not told who is in the room, ``wants_kind``: an owner may have changed the kind.
    Of a room with very many users, ``found`` are users whom the server has found, for completion.
    ``notify`` says which new messages are counted, and which ring.
    """

    __slots__ = (
        "found",
        "here",
        "is_owner",
        "kind",
        "membership",
        "name",
        "notify",
        "people",
        "topic",
        "wants_kind",
        "wants_names",
    )

    def __init__(self, name: str | None = None, membership: Membership = Membership.INSIDE) -> None:
        self.name = name
        self.membership = membership
        self.kind: str | None = None
        self.topic: str | None = None
        self.here: int | None = None
        self.is_owner = False
        self.people = People()
        self.found: tuple[str, ...] = ()
        self.wants_kind = self.wants_names = False
        self.notify = NotifyMode.MENTIONS

    @property
    def is_inside(self) -> bool:
        """Return whether the user is in the room, as far as known."""
        return self.membership is Membership.INSIDE

    @property
    def is_closed(self) -> bool:
        """Return whether only invited users may join."""
        return self.kind == RoomKind.CLOSED.value

    @property
    def is_for_announcements(self) -> bool:
        """Return whether only owners may write."""
        return self.kind == RoomKind.ANNOUNCEMENTS.value

    @property
    def count(self) -> int | None:
        """Return how many users are in the room; None if nobody knows."""
        if self.people.are_complete:
            return len(self.people)
        return self.here

    def enter(self, facts: RoomFacts) -> None:
        """Take what the server tells to a user who is in the room from now on."""
        self.membership = Membership.INSIDE
        self.name, self.kind, self.topic = facts.name, facts.kind, facts.topic
        self.here, self.is_owner = facts.here, facts.is_owner
        self.people.reset(facts.users)
        self.wants_names = not facts.users

    def leave(self) -> None:
        """Note that the user is in the room no more."""
        self.membership = Membership.OUTSIDE
        self.here = None
        self.people.reset(())
        self.wants_names = False


def room_sign(room: ShownRoom) -> str:
    """Return the sign of a room: whether the user is in it, and whether it is closed or for announcements."""
    if not room.is_inside:
        return NOT_INSIDE
    if room.is_closed:
        return CLOSED
    return ANNOUNCEMENTS if room.is_for_announcements else OPEN
