"""Let users come to the server and leave it, in all their rooms, and tell the others.

A user has come with the first session, and has left with the last. Every user is in the default room;
``RoomMembership`` knows about the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from chat.protocol.descriptor import MessageType
from chat.protocol.frames import Frame
from chat.protocol.names import UserName
from chat.protocol.notices import SERVER_NAME, LeaveReason, NoticeCode
from chat.server.delivery.broadcast import Broadcast, Encodable
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member
from chat.server.log.log import Sequences
from chat.server.room.kept import KeptMessages
from chat.server.room.late_welcome import LateWelcome
from chat.server.room.private_messages import PrivateMessages
from chat.server.room.server_notices import ServerNotices
from chat.server.rooms.rooms import LOBBY
from chat.server.rooms.roster import status_sentence

# Makes the content of a user's welcome from the names of all members, in JSON, and from further facts.
Welcome = Callable[[bytes, Mapping[str, object]], bytes]


class Memberships(Protocol):
    """List what a login and a leave need of the rooms beside the default one."""

    def announce(self, frame: Frame) -> None:
        """Tell everyone by ``frame`` who has come or gone, or how many are here."""

    def came(self, member: Member, wanted: Sequence[str], *, quietly: bool) -> dict[str, object]:
        """Put a session into the rooms of its user, and into those that it ``wanted``; return facts of the welcome."""

    def put_back(self, member: Member, rooms: Sequence[str]) -> None:
        """Put a session into the rooms of its user and into ``rooms`` again, as it was before a restart."""

    def listen(self, member: Member) -> None:
        """Let a session hear its rooms from now on: its user has got the welcome."""

    def left(self, member: Member, reason: LeaveReason, *, quietly: bool) -> None:
        """Take a session out of all rooms."""

    def changed_account(self, member: Member) -> None:
        """Note that the user has registered the name, or has lost the account."""


class SeenDevices(Protocol):
    """List what is told to the part that remembers devices."""

    def seen(self, account_id: bytes, hash: bytes) -> None:
        """Note that a device, which may be remembered, has been here."""


class UserPresence(ServerNotices):
    """Know which users are here.

    ``memberships`` is None in a server without other rooms than the default one, ``devices`` in one without accounts.
    ``about_node`` returns what the welcome says of this server in its cluster; None for a server alone.
    """

    memberships: Memberships | None = None
    devices: SeenDevices | None = None
    about_node: Callable[[], Mapping[str, object]] | None = None

    def __init__(
        self,
        directory: ConnectedUsers,
        broadcast: Broadcast,
        timestamp: Callable[[], str],
        kept: KeptMessages | None,
        sequences: Sequences,
        private: Callable[[ServerNotices], PrivateMessages],
        default_room: UserName = LOBBY,
    ) -> None:
        super().__init__(directory, broadcast, timestamp, default_room)
        self._kept = kept
        self._sequences = sequences
        self._private = private(self)

    def join(
        self,
        member: Member,
        welcome: Welcome | None = None,
        replay: int = 0,
        wanted: Sequence[str] | None = None,
        *,
        quietly: bool = False,
    ) -> None:
        """Add ``member``: answer their login, and announce them to everyone, unless the user is here already.

        ``quietly``: the user was here until now, and nobody else has heard that they left.

        ``welcome`` makes the content of the new member's own copy of the announcement, from the JSON of the roster and
        facts about history and rooms. None: the copy has no content. ``replay``: so many of the last messages follow
        it. ``wanted`` are the names of rooms to be in; None: the client may know no rooms.
        """
        others = self.other_sessions(member)
        self._roster.add(member, others)
        header = self._header(
            member.name.display,
            registered=member.registered or None,
            moderator=member.moderator or None,
            again=bool(others) or None,
        )
        announcement = Frame(MessageType.LOGIN, header)
        own: Encodable = announcement
        facts: dict[str, object] = {}
        # In this order: the announcement joins the frames that are pending for everyone else, and the new member gets
        # only frames after it. So the list of names in the welcome is exact at that point of the stream.
        if not others and not quietly:
            self._announce(announcement)
        if self.memberships is not None and wanted is not None:
            facts = self.memberships.came(member, wanted, quietly=quietly)
        if welcome is not None:
            names, here = self._names_for(member), self._counts(member)
            own = LateWelcome(header, welcome, names, partial(self._facts, member, here, facts))
        first: list[Encodable] = [Frame(MessageType.LOGIN), own]
        if self._kept is not None:
            if not others:
                last = self._kept.last_number(member.mailbox)
                self._sequences.go_on_after(member.mailbox, last)
            if not member.is_elsewhere:
                first.append(self._kept.last_messages(member, replay))
        self._private.came(member)
        if not member.is_elsewhere:
            self._broadcast.add(member.send_queue, first)
        if self.memberships is not None:
            self.memberships.listen(member)

    def put_back(self, member: Member, rooms: Sequence[str] | None) -> None:
        """Add a session of another server again, as it was before this server's restart. Nothing else changes.

        ``rooms`` are those that nothing else tells; None: the client may know no rooms.
        """
        self._roster.add(member, self.other_sessions(member))
        if self.memberships is not None and rooms is not None:
            self.memberships.put_back(member, rooms)

    def leave(self, member: Member, reason: LeaveReason, *, quietly: bool = False) -> None:
        """Remove ``member``, if they are still here, and tell everyone else the ``reason``.

        Others hear nothing while the user has another session here, or if the user comes back ``quietly`` at once.
        """
        if member not in self.names:
            return
        if self.memberships is not None:
            self.memberships.left(member, reason, quietly=quietly)
        self._dismiss(member)
        if not quietly and not self.other_sessions(member):
            header = self._header(member.name.display, reason=reason.value)
            self._announce(Frame(MessageType.LOGOUT, header))

    def close(self) -> None:
        """Tell every member that the server is shutting down, and remove all members.

        All at once, without a wait in between. If members left one by one, a user could get the echo of a message that
        members who left earlier never got.
        """
        for member in list(self.names):
            self.notify(member, NoticeCode.SHUTTING_DOWN, "The server is shutting down.")
            if self.memberships is not None:
                self.memberships.left(member, LeaveReason.SERVER_STOPPING, quietly=True)
            self._dismiss(member)

    def tell_status(self, member: Member) -> None:
        """Tell members who want to know it that ``member`` is now registered or a moderator, or no longer so.

        Call it after each change of ``member.registered`` or ``member.moderator``, for each session of the user.
        """
        if member not in self.names:
            return
        self._directory.on_change(member)
        if self.memberships is not None:
            self.memberships.changed_account(member)
        self._private.came(member)  # the account may be new
        others = self.other_sessions(member)
        self._roster.update(member, others)
        if any(other.moderator != member.moderator for other in others):
            return  # told once, with the last of the user's sessions
        header = self._header(
            SERVER_NAME,
            notice=NoticeCode.STATUS.value,
            user=member.name.display,
            registered=member.registered,
            moderator=member.moderator,
        )
        frame = Frame(MessageType.UTF8, header, status_sentence(member).encode())
        # One by one: such changes are rare, and clients that do not know this notice must not take it for an answer.
        for each in self.names:
            if each.wants_status:
                self._broadcast.put(each.send_queue, frame)

    def room_facts(self, member: Member, name: str | None) -> dict[str, object]:
        """Return what a welcome would tell ``member`` about a room that they are in."""
        room = self.rooms.find(name)
        assert room is not None, "the user is in the room"
        return self._facts_of_room(member, room.header_name, room.here)

    def _announce(self, frame: Frame) -> None:
        if self.memberships is not None:
            self.memberships.announce(frame)
        else:
            self._broadcast.announce(frame)

    def _names_for(self, member: Member) -> bytes:
        """Return who is here as a JSON object: the names, or the number of very many users for who takes that."""
        room = self.rooms.default
        if room.is_crowded and member.send_queue.dialect.counts:
            return b'{"here":%d}' % room.here
        return self._roster.json()

    def _counts(self, member: Member) -> dict[str | None, int]:
        """Return how many users are in each room of ``member``: at the login, not when the welcome is sent."""
        rooms = (self.rooms.default, *self.rooms.of_user(member))
        return {room.header_name: room.here for room in rooms if room.has(member)}

    def _facts(
        self, member: Member, counts: Mapping[str | None, int], facts: Mapping[str, object]
    ) -> Mapping[str, object]:
        about: dict[str, object] = {"history": False}
        if self._kept is not None:
            about = self._kept.facts(member)
        about["default_room"] = self.rooms.default.name
        # A client that knows no rooms looks for the name that the default room has on every server.
        knows_rooms = member.send_queue.dialect.counts
        default = self.rooms.default.name if knows_rooms else LOBBY.display
        rooms: dict[str, object] = {}
        for room in (self.rooms.default, *self.rooms.of_user(member)):
            name = room.header_name
            if name in counts:
                rooms[name or default] = self._facts_of_room(member, name, counts[name])
        if self._kept is not None or len(rooms) > 1:
            about = {**about, "rooms": rooms}
        if self.about_node is not None:
            about = {**about, **self.about_node()}
        return {**about, **facts}

    def _facts_of_room(self, member: Member, name: str | None, here: int) -> dict[str, object]:
        room = self.rooms.find(name)
        if room is None:
            return {"here": here}
        facts: dict[str, object] = {}
        if self._kept is not None:
            facts = self._kept.facts_of_room(member, room)
        facts["here"] = here
        if not room.is_default:
            facts.update(kind=room.state.kind.value, topic=room.state.topic or None)
            facts["owner"] = room.is_owner(member)
        return facts

    def _dismiss(self, member: Member) -> None:
        if self.devices is not None and member.account_id is not None and member.device is not None:
            self.devices.seen(member.account_id, member.device)
        self._roster.remove(member, self.other_sessions(member))
        if not member.registered:
            # A guest's private messages are numbered only while the guest is here.
            self._sequences.forget(member.mailbox)
        self._broadcast.remove(member.send_queue)
