"""Describe one room: its log, its members and its audience, and who may join, read and write.

A room knows no socket, no byte order and no disk. ``RoomMembership`` changes who is in it; ``ChatService`` delivers
what is said.
"""

from __future__ import annotations

from typing import NamedTuple

from chat.protocol.commands import RoomKind
from chat.protocol.names import UserName
from chat.protocol.runs import encode_room_key
from chat.server.delivery.pending import RoomAudience
from chat.server.directory.member import Member
from chat.server.history.stored import LogName
from chat.server.rooms.roster import NameList


class RoomAccess(NamedTuple):
    """Say what a registered user is in a room.

    ``since`` is the number of the last message that they may not read; None: that of everyone. ``is_member`` is False
    for a user who is invited only, and for an owner who has left the room.
    """

    since: int | None = None
    is_member: bool = False
    is_owner: bool = False


class RoomState(NamedTuple):
    """Hold the settings of a room, as they are stored.

    ``start`` is the last number of the log when the room was made: messages of an earlier room of the same name are for
    nobody. ``opened`` is the last number when it became a room that everyone may join. ``keep`` is for how many seconds
    messages are kept; None: as long as the server keeps them. ``shows_all``: members of a closed room may read what was
    said before their invitation. ``is_operators``: the operator made the room, so it stays. ``created`` and
    ``empty_since`` are in seconds since 1970; None: somebody is a member, or the room has an owner.
    """

    name: UserName
    kind: RoomKind = RoomKind.OPEN
    topic: str = ""
    keep: int | None = None
    shows_all: bool = False
    is_operators: bool = False
    start: int = 0
    opened: int = 0
    created: int = 0
    empty_since: int | None = None


class ChatRoom:
    """A room. ``access`` has its registered members, owners and invited users, by the id of the account.

    ``members`` has the sessions that are here. ``invited_guests`` has what guests may read, by the key of
    the guest's name: a guest is invited as long as they are here. ``header_key`` names the room in a header, as bytes;
    ``header_name`` is the same as text, and None for the default room, which is not named.
    """

    # There may be thousands of rooms.
    __slots__ = (
        "access",
        "audience",
        "header_key",
        "header_name",
        "invited_guests",
        "is_crowded",
        "log",
        "members",
        "state",
    )

    def __init__(
        self,
        state: RoomState,
        log: LogName,
        *,
        default_members: NameList | None = None,
        audience: RoomAudience | None = None,
    ) -> None:
        self.state = state
        self.log = log
        self.members = NameList() if default_members is None else default_members
        self.audience = RoomAudience() if audience is None else audience
        self.header_name = state.name.display if default_members is None else None
        self.header_key = encode_room_key(self.header_name)
        self.access: dict[bytes, RoomAccess] = {}
        self.invited_guests: dict[str, int] = {}
        # So many members are here that joins and leaves are not announced one by one.
        self.is_crowded = False

    @property
    def name(self) -> str:
        return self.state.name.display

    @property
    def here(self) -> int:
        """The number of users who are here; a user with several sessions counts once."""
        return len(self.members)

    @property
    def is_default(self) -> bool:
        return self.header_name is None

    @property
    def is_registered(self) -> bool:
        """Whether the room has an owner, or is the operator's. Others go when they have been empty for a day."""
        return self.state.is_operators or any(each.is_owner for each in self.access.values())

    @property
    def is_empty(self) -> bool:
        """Whether nobody is a member, here or not."""
        return not self.members.encoded and not any(
            access.is_member for access in self.access.values()
        )

    def has(self, member: Member) -> bool:
        """Return whether ``member`` is in the room and here."""
        return member in self.members.encoded

    def is_owner(self, member: Member) -> bool:
        access = self._access_of(member)
        return access is not None and access.is_owner

    def is_invited(self, member: Member) -> bool:
        """Return whether ``member`` may come in, although the room may be closed."""
        if member.account_id is not None:
            return member.account_id in self.access
        return member.name.key in self.invited_guests

    def may_join(self, member: Member) -> bool:
        return self.state.kind is not RoomKind.CLOSED or self.is_invited(member)

    def may_know(self, member: Member) -> bool:
        """Return whether ``member`` finds the room in a list."""
        return self.has(member) or self.may_join(member)

    def may_write(self, member: Member) -> bool:
        """Return whether ``member``, who is in the room, may send messages to it."""
        return self.state.kind is not RoomKind.ANNOUNCEMENTS or self.is_owner(member)

    def since(self, member: Member) -> int:
        """Return the number of the last message that ``member``, who is in the room, may not read."""
        state = self.state
        if state.shows_all:
            return state.start
        access = self._access_of(member)
        since = access.since if access is not None else None
        if member.account_id is None:
            since = self.invited_guests.get(member.name.key)
        return max(state.start, state.opened if since is None else since)

    def _access_of(self, member: Member) -> RoomAccess | None:
        return self.access.get(member.account_id) if member.account_id is not None else None
