"""Let users into rooms and out of them, with all their sessions, and tell the others.

Being in a room is the user's: all sessions of the user are in it. A registered user stays a member while they are not
here. A session whose client has not shown that it knows rooms is in the default room only: it would take what is said
elsewhere for messages of the default room.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from chat.protocol.commands import RoomKind
from chat.protocol.descriptor import MessageType
from chat.protocol.frames import Frame
from chat.protocol.headers import ServerHeader, encode_server_header
from chat.protocol.names import name_key
from chat.protocol.notices import LeaveReason, NoticeCode
from chat.server.delivery.broadcast import Broadcast
from chat.server.directory.member import Member
from chat.server.membership.crowds import RoomCrowds
from chat.server.room.service import ChatService
from chat.server.rooms.room import ChatRoom, RoomAccess
from chat.server.rooms.room_store import RoomStore

MAX_ROOMS = 50  # of one user


class RoomMarks(Protocol):
    """List what is told to the part that remembers how far users have read rooms, by the keys of their names."""

    def begin_room(self, account: bytes, key: str, head: int) -> None:
        """Let the messages of a room up to ``head`` count as read, for a user who comes to it for the first time."""

    def end_room(self, account: bytes, key: str) -> None:
        """Forget the mark of a room that the user has left."""


class RoomMembership:
    """Change who is in which room."""

    def __init__(
        self,
        service: ChatService,
        broadcast: Broadcast,
        store: RoomStore,
        crowds: RoomCrowds,
        marks: RoomMarks,
        timestamp: Callable[[], str],
    ) -> None:
        self._service = service
        self._rooms = service.rooms
        self._broadcast = broadcast
        self._store = store
        self._crowds = crowds
        self._marks = marks
        self._timestamp = timestamp

    def announce(self, frame: Frame) -> None:
        """Tell everyone by ``frame`` who has come or gone, or how many are here."""
        self._crowds.announce(self._rooms.default, frame)

    # With a login, and at the end of a session

    def came(self, member: Member, wanted: Sequence[str], *, quietly: bool) -> dict[str, object]:
        """Put a session into the rooms of its user, and into those that it ``wanted``; return facts of the welcome.

        ``quietly``: the user was here until now, and nobody has heard that they left.
        """
        member.knows_rooms = True
        self._rooms.on_change(member)
        known = self._rooms.of_user(member)
        for room in known:
            self._enter(member, room)
        account = member.account_id
        for room in self._rooms.of_account(account) if account is not None else ():
            if room not in known and room.access[account or b""].is_member:
                self._come_in(member, room)
        refused: dict[str, str] = {}
        for name in wanted:
            if name_key(name) is None:
                continue  # no room can have such a name, and it may be anything
            found = self._rooms.find(name)
            code = NoticeCode.NO_SUCH_ROOM if found is None else self.why_not(member, found)
            if code is not None:
                refused[name] = code.value
            elif found is not None and not found.has(member):
                self._come_in(member, found)
        facts = {"invited": self._invitations(member), "refused": refused}
        return {name: value for name, value in facts.items() if value}

    def put_back(self, member: Member, rooms: Sequence[str]) -> None:
        """Put a session into the rooms of its user and into ``rooms`` again, as it was before a restart."""
        member.knows_rooms = True
        account = member.account_id
        of_account = self._rooms.of_account(account) if account is not None else ()
        own = [room for room in of_account if room.access[account or b""].is_member]
        # A guest who came while a room was open is still in it.
        for room in dict.fromkeys(
            (*self._rooms.of_user(member), *own, *map(self._rooms.find, rooms))
        ):
            if room is not None and not room.is_default:
                self._enter(member, room)

    def begin(self, member: Member) -> None:
        """Put a session into the rooms of its user, since its client has just shown that it knows rooms."""
        self.came(member, (), quietly=False)
        self.listen(member)

    def listen(self, member: Member) -> None:
        """Let a session hear its rooms from now on: its user has got the welcome."""
        for room in self._rooms.of_user(member):
            if room.has(member):
                self._broadcast.join(member.send_queue, room.audience)

    def left(self, member: Member, reason: LeaveReason, *, quietly: bool) -> None:
        """Take a session out of all rooms. ``quietly``: the user comes back at once, and others hear nothing."""
        for room in self._rooms.of_user(member):
            if not room.has(member):
                continue
            self._take_out(member, room)
            if quietly or self._sessions_in(member, room):
                continue
            self._rooms.forget_member(member, room)
            self._announce(member, room, MessageType.LOGOUT, reason)
        if not quietly and member.account_id is None:
            for room in self._rooms.inviting_guest(member.name.key):
                self._rooms.uninvite_guest(room, member.name.key)

    def changed_account(self, member: Member) -> None:
        """Note that the user has registered the name, or has lost the account."""
        account = member.account_id
        if account is None:
            for room in self._rooms.of_user(member):
                if (
                    room.state.kind is RoomKind.CLOSED
                    and member.name.key not in room.invited_guests
                ):
                    self.put_out(member, room, "Your account was removed.")
            return
        key = member.name.key
        for room in dict.fromkeys((*self._rooms.of_user(member), *self._rooms.inviting_guest(key))):
            since = self._rooms.uninvite_guest(room, key)
            if account not in room.access:
                self.set_access(room, account, RoomAccess(since, room.has(member)))

    # By commands

    def why_not(self, member: Member, room: ChatRoom) -> NoticeCode | None:
        """Return why ``member`` must not join ``room``; None if they may, or are in it."""
        if room.has(member):
            return None
        if not room.may_join(member):
            return NoticeCode.NOT_INVITED
        if len(self._rooms.of_user(member)) >= MAX_ROOMS:
            return NoticeCode.TOO_MANY_ROOMS
        return None

    def join(self, member: Member, room: ChatRoom) -> None:
        """Put a user, who may join, into ``room`` with all their sessions."""
        if room.has(member):
            return
        for session in self._bring_in(member, room):
            self._broadcast.join(session.send_queue, room.audience)

    def part(self, member: Member, room: ChatRoom) -> None:
        """Take a user out of ``room`` with all their sessions, at their own wish."""
        sessions = self._take_out_all(member, room)
        account = member.account_id
        if account is not None:
            access = room.access.get(account)
            is_owner = access is not None and access.is_owner
            rest = access._replace(is_member=False) if access is not None and is_owner else None
            self.set_access(room, account, rest)
        self._rooms.uninvite_guest(room, member.name.key)
        frame = self._announce(member, room, MessageType.LOGOUT, LeaveReason.PARTED)
        for session in sessions:
            if session is not member:
                self._broadcast.put(session.send_queue, frame)

    def decline(self, member: Member, room: ChatRoom) -> bool:
        """Take back the invitation of a user who is not in ``room``, at their own wish; False if there is none."""
        account = member.account_id
        if room.has(member):
            return False
        if account is None:
            return self._rooms.uninvite_guest(room, member.name.key) is not None
        access = room.access.get(account)
        if access is None or access.is_member or access.is_owner:
            return False
        self.set_access(room, account, None)
        return True

    def put_out(self, member: Member, room: ChatRoom, sentence: str) -> None:
        """Take a user out of ``room`` with all their sessions, and tell them why.

        Of a registered user, ``set_access`` removes the rest.
        """
        sessions = self._take_out_all(member, room)
        self._rooms.uninvite_guest(room, member.name.key)
        self._announce(member, room, MessageType.LOGOUT, LeaveReason.REMOVED)
        for session in sessions:
            facts = {"room": room.header_name}
            self._service.notify(session, NoticeCode.REMOVED, sentence, None, facts)

    def dissolve(self, room: ChatRoom) -> None:
        """Remove ``room``, which is not stored any more."""
        sentence = f"The room {room.name} was removed."
        for member in list(room.members.encoded):
            if room.has(member):
                self.put_out(member, room, sentence)
        self._rooms.remove(room)

    def set_access(self, room: ChatRoom, account: bytes, access: RoomAccess | None) -> None:
        """Note what a registered user is in ``room``, and have it written soon."""
        if room.access.get(account) != access:
            self._rooms.set_access(room, account, access)
            self._store.note_access(room.state.name.key, account, access)
            if access is None:
                self._marks.end_room(account, room.log.key)

    # Steps

    def _come_in(self, member: Member, room: ChatRoom) -> None:
        """Put a user who logs in into ``room``. The new session hears it once it has the welcome."""
        for session in self._bring_in(member, room):
            if session is not member:
                self._broadcast.join(session.send_queue, room.audience)

    def _bring_in(self, member: Member, room: ChatRoom) -> list[Member]:
        """Put all sessions of a user into ``room``, and tell others and the other sessions; return the sessions."""
        sessions = self._sessions_for_rooms(member)
        for session in sessions:
            self._enter(session, room)
        self._note_member(member, room)
        frame = self._announce(member, room, MessageType.LOGIN)
        for session in sessions:
            if session is not member:  # that one gets an answer
                self._broadcast.put(session.send_queue, frame)
        return sessions

    def _note_member(self, member: Member, room: ChatRoom) -> None:
        account = member.account_id
        if account is not None:
            access = room.access.get(account, RoomAccess())
            self.set_access(room, account, access._replace(is_member=True))
            self._marks.begin_room(account, room.log.key, self._service.last_number(room.log))

    def _enter(self, session: Member, room: ChatRoom) -> None:
        others = self._sessions_in(session, room)
        room.members.add(session, self._service.names[session], others)
        self._rooms.note_member(session, room)

    def _take_out(self, session: Member, room: ChatRoom) -> None:
        self._broadcast.part(session.send_queue, room.audience)
        room.members.remove(session, self._sessions_in(session, room))

    def _take_out_all(self, member: Member, room: ChatRoom) -> list[Member]:
        sessions = [*self._sessions_in(member, room), *([member] if room.has(member) else [])]
        for session in sessions:
            self._take_out(session, room)
        self._rooms.forget_member(member, room)
        return sessions

    def _sessions_in(self, member: Member, room: ChatRoom) -> list[Member]:
        """Return the other sessions of the user that are in ``room``."""
        return [each for each in self._service.other_sessions(member) if room.has(each)]

    def _sessions_for_rooms(self, member: Member) -> list[Member]:
        sessions = (*self._service.other_sessions(member), member)
        return [session for session in sessions if session.knows_rooms]

    def _announce(
        self, member: Member, room: ChatRoom, type: MessageType, reason: LeaveReason | None = None
    ) -> Frame:
        """Tell the others in ``room`` that a user came or left; return the frame."""
        is_login = type is MessageType.LOGIN
        header = ServerHeader(
            member.name.display,
            self._timestamp(),
            reason=reason.value if reason is not None else None,
            registered=(is_login and member.registered) or None,
            moderator=(is_login and member.moderator) or None,
            room=room.header_name,
        )
        frame = Frame(type, encode_server_header(header))
        self._crowds.announce(room, frame)
        return frame

    def _invitations(self, member: Member) -> list[str]:
        """Return the names of the rooms that a user is invited to, and not in."""
        account = member.account_id
        if account is None:
            return []
        rooms = self._rooms.of_account(account)
        return [room.name for room in rooms if not room.access[account].is_member]
