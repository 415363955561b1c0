"""Hold the rooms of the server by name, and know which rooms a user is in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from chat.protocol.names import UserName, looks_of, name_key
from chat.server.delivery.pending import RoomAudience
from chat.server.directory.member import Member
from chat.server.history.stored import DEFAULT_ROOM, ROOM, LogName
from chat.server.rooms.room import ChatRoom, RoomAccess, RoomState
from chat.server.rooms.roster import NameList

# The default room by the name of its log: the same on every server, whatever the room is called there.
LOBBY = UserName(DEFAULT_ROOM.key, DEFAULT_ROOM.key)
_NO_ROOMS: tuple[ChatRoom, ...] = ()


def lookalike_of(name: UserName, others: Iterable[UserName]) -> UserName | None:
    """Return another of the names that a reader could take ``name`` for (UTS #39), or None."""
    looks = looks_of(name.display)
    found = (other for other in others if other.key != name.key and looks & looks_of(other.display))
    return next(found, None)


def name_in_the_way(name: UserName, others: Iterable[UserName]) -> UserName | None:
    """Return another of the names that is ``name``, or that a reader could take ``name`` for, or None."""
    others = list(others)
    same = (other for other in others if other.key == name.key)
    return next(same, None) or lookalike_of(name, others)


def why_taken(name: UserName, other: UserName) -> str:
    """Return a line for the operator who wants to give the default room a ``name`` that an ``other`` room has."""
    looks = "exists" if other.key == name.key else f"looks like {name.display}"
    return (
        f"--default-room={name.display}: a room {other.display} {looks}; choose another name, or remove that room: "
        f"chat-server rooms remove {other.display}"
    )


def _ignore(member: Member) -> None:
    """Take the place of ``on_change`` while nobody wants to know."""


class RoomsStatus(NamedTuple):
    """Count the rooms beside the default one, the users who are here in them, and those in the largest one."""

    rooms: int
    members: int
    largest: int


class Rooms:
    """All rooms. ``default`` is the one that every user is in; ``names`` and ``audience`` are those of all users.

    ``default_name`` is how it is shown. By the name of its log, ``lobby``, it is found as well.
    """

    def __init__(
        self, names: NameList, audience: RoomAudience, default_name: UserName = LOBBY
    ) -> None:
        self.default = ChatRoom(
            RoomState(default_name), DEFAULT_ROOM, default_members=names, audience=audience
        )
        self._rooms: dict[str, ChatRoom] = {default_name.key: self.default}
        # By the name as it is shown, which is what nearly all clients send: to find the key of a name takes long, and
        # the rooms may be more than the names whose keys are remembered.
        self._shown = dict.fromkeys((LOBBY.display, default_name.display), self.default)
        self._looks: dict[str, str] = {}  # what a name looks like -> the key of the room
        for name in (LOBBY, default_name):
            self._looks.update(dict.fromkeys(looks_of(name.display), default_name.key))
        # The rooms of users who are here, by the key of the user's name, without the default room.
        self._of_user: dict[str, tuple[ChatRoom, ...]] = {}
        # The rooms that guests are invited to, by the keys of their names.
        self._inviting: dict[str, set[ChatRoom]] = {}
        # Called with a session whose user has joined a room or left one.
        self.on_change: Callable[[Member], object] = _ignore
        # The rooms that registered users are in, own, or are invited to.
        self._of_account: dict[bytes, tuple[ChatRoom, ...]] = {}

    def __len__(self) -> int:
        """Return the number of rooms, without the default room."""
        return len(self._rooms) - 1

    def __iter__(self) -> Iterator[ChatRoom]:
        """Yield all rooms, the default room first."""
        return iter(self._rooms.values())

    def status(self) -> RoomsStatus:
        """Return the state of now. A user in several rooms counts in each."""
        members = [room.here for room in self if not room.is_default]
        return RoomsStatus(len(members), sum(members), max(members, default=0))

    def find(self, name: str | None) -> ChatRoom | None:
        """Return the room with ``name`` in any case; None: the default room. None if there is no such room."""
        if name is None:
            return self.default
        room = self._shown.get(name)
        if room is not None:
            return room
        key = name_key(name)
        if key == LOBBY.key:
            return self.default
        return self._rooms.get(key) if key is not None else None

    def of_log(self, log: LogName) -> ChatRoom | None:
        """Return the room whose messages are in ``log``."""
        if log == DEFAULT_ROOM:
            return self.default
        room = self._rooms.get(log.key) if log.kind == ROOM else None
        return None if room is self.default else room

    def lookalike(self, name: UserName) -> ChatRoom | None:
        """Return another room that a reader could take ``name`` for (UTS #39), or None."""
        for look in looks_of(name.display):
            key = self._looks.get(look)
            if key is not None and key != name.key:
                return self._rooms[key]
        return None

    def add(self, room: ChatRoom) -> None:
        """Add a room whose name is free."""
        name = room.state.name
        self._rooms[name.key] = self._shown[name.display] = room
        self._looks.update(dict.fromkeys(looks_of(name.display), name.key))
        for account in room.access:
            self._note_access(account, room)

    def remove(self, room: ChatRoom) -> None:
        """Remove a room that nobody is in any more."""
        key = room.state.name.key
        del self._rooms[key], self._shown[room.name]
        for look in [look for look, of in self._looks.items() if of == key]:
            del self._looks[look]
        for account in room.access:
            self._forget_access(account, room)
        for guest in list(room.invited_guests):
            self.uninvite_guest(room, guest)

    def of_user(self, member: Member) -> tuple[ChatRoom, ...]:
        """Return the rooms that the user of ``member`` is in now, without the default room."""
        return self._of_user.get(member.name.key, _NO_ROOMS)

    def of_account(self, account: bytes) -> tuple[ChatRoom, ...]:
        """Return the rooms that a registered user is in, owns, or is invited to."""
        return self._of_account.get(account, _NO_ROOMS)

    def note_member(self, member: Member, room: ChatRoom) -> None:
        """Note that the user of ``member`` is in ``room``."""
        rooms = self.of_user(member)
        if room not in rooms:
            self._of_user[member.name.key] = (*rooms, room)
            self.on_change(member)

    def forget_member(self, member: Member, room: ChatRoom) -> None:
        """Note that the user of ``member`` is not in ``room`` any more."""
        rest = tuple(each for each in self.of_user(member) if each is not room)
        if rest:
            self._of_user[member.name.key] = rest
        else:
            self._of_user.pop(member.name.key, None)
        self.on_change(member)

    def set_access(self, room: ChatRoom, account: bytes, access: RoomAccess | None) -> None:
        """Note what a registered user is in ``room``; None: nothing."""
        if access is not None:
            room.access[account] = access
            self._note_access(account, room)
        else:
            room.access.pop(account, None)
            self._forget_access(account, room)

    def invite_guest(self, room: ChatRoom, key: str, since: int) -> None:
        """Note that the guest whose name has ``key`` may read ``room`` after the number ``since``."""
        room.invited_guests.setdefault(key, since)
        self._inviting.setdefault(key, set()).add(room)

    def uninvite_guest(self, room: ChatRoom, key: str) -> int | None:
        """Forget that a guest is invited to ``room``; return the number after which they might read it."""
        inviting = self._inviting.get(key)
        if inviting is not None:
            inviting.discard(room)
            if not inviting:
                del self._inviting[key]
        return room.invited_guests.pop(key, None)

    def inviting_guest(self, key: str) -> tuple[ChatRoom, ...]:
        """Return the rooms to which the guest whose name has ``key`` is invited."""
        inviting = self._inviting.get(key)
        return tuple(sorted(inviting, key=lambda room: room.state.name.key)) if inviting else ()

    def guest_invitations(self) -> list[tuple[str, str, int]]:
        """Return the invitations of guests, which no database has, as JSON can hold them.

        Each has the key of a room's name, the key of a guest's name, and the number after which the guest may read.
        """
        rooms = {
            room.state.name.key: room for inviting in self._inviting.values() for room in inviting
        }
        return [
            (key, guest, since)
            for key, room in sorted(rooms.items())
            for guest, since in sorted(room.invited_guests.items())
        ]

    def restore_guest_invitations(self, invitations: Iterable[tuple[str, str, int]]) -> None:
        """Invite guests as ``guest_invitations`` of an earlier run has it. Rooms that are gone are left out."""
        for key, guest, since in invitations:
            room = self._rooms.get(key)
            if room is not None:
                self.invite_guest(room, guest, since)

    def _note_access(self, account: bytes, room: ChatRoom) -> None:
        rooms = self.of_account(account)
        if room not in rooms:
            self._of_account[account] = (*rooms, room)

    def _forget_access(self, account: bytes, room: ChatRoom) -> None:
        rest = tuple(each for each in self.of_account(account) if each is not room)
        if rest:
            self._of_account[account] = rest
        else:
            self._of_account.pop(account, None)
