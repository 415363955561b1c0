"""Say things as the server: notices to one user, to a room or to everyone, and answers to pings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chat.protocol.descriptor import MessageType
from chat.protocol.frames import Frame
from chat.protocol.headers import ServerHeader, encode_server_header
from chat.protocol.names import UserName
from chat.protocol.notices import SERVER_NAME, NoticeCode
from chat.protocol.pings import encode_ping_answer
from chat.server.delivery.broadcast import Broadcast
from chat.server.directory.directory import ConnectedUsers
from chat.server.directory.member import Member, Peer
from chat.server.room.commands import FoundMessages
from chat.server.rooms.room import ChatRoom
from chat.server.rooms.rooms import LOBBY, Rooms
from chat.server.rooms.roster import Roster


class ServerNotices:
    """Know who is here, and tell users things.

    ``timestamp`` returns the time of joins, leaves and notices, as RFC 3339 in UTC. ``default_room`` is the name of the
    room that everyone is in.
    """

    def __init__(
        self,
        directory: ConnectedUsers,
        broadcast: Broadcast,
        timestamp: Callable[[], str],
        default_room: UserName = LOBBY,
    ) -> None:
        self._directory = directory
        self._broadcast = broadcast
        self._timestamp = timestamp
        self._roster = Roster()
        # Of all sessions that are here.
        self.names = self._roster.names
        self.rooms = Rooms(self._roster.everyone, broadcast.everyone, default_room)

    def is_here(self, member: Member) -> bool:
        """Return whether ``member`` has joined and not left. Another session with the same name does not count."""
        return member in self.names

    def names_json(self) -> bytes:
        """Return the names of the users in the order in which they joined, as a JSON array."""
        return self._roster.names_json()

    def notify(
        self,
        member: Member,
        notice: NoticeCode,
        sentence: str,
        nonce: str | None = None,
        facts: Mapping[str, Any] | None = None,
        found: FoundMessages | None = None,
    ) -> None:
        """Send ``found`` and a notice to ``member`` alone, if they are here; ``facts`` are fields of the notice."""
        if member in self.names:
            if found is not None:
                self._broadcast.put(member.send_queue, found.frames)
            frame = self.notice_frame(member, notice, sentence, nonce, facts)
            self._broadcast.put(member.send_queue, frame)

    def remind(self, member: Member) -> None:
        """Tell ``member`` at once, if they are still here, that something of theirs still waits for its commit."""
        if member in self.names:
            sentence = "The server has not stored your message yet; it still waits."
            frame = self.notice_frame(member, NoticeCode.WAITING, sentence)
            send_queue = member.send_queue
            self._broadcast.remind(send_queue, frame.encode(send_queue.order))

    def answer_ping(self, member: Member, nonce: bytes) -> None:
        """Answer a ping of ``member``, if they are still here."""
        # Without encoding JSON, and without a flush of the frames for everyone: thousands of idle users send pings.
        name = self.names.get(member)
        if name is None:
            return
        send_queue = member.send_queue
        answer = encode_ping_answer(self._timestamp(), name, nonce, send_queue.order)
        self._broadcast.answer(send_queue, answer)

    def announce(
        self,
        notice: NoticeCode,
        sentence: str,
        besides: Peer | None = None,
        facts: Mapping[str, Any] | None = None,
        room: ChatRoom | None = None,
    ) -> None:
        """Send a notice to everyone, or in ``room``, besides one session, which its answer tells the same.

        ``facts`` are further fields of its header.
        """
        room = room or self.rooms.default
        frame = self.general_notice(notice, sentence, room, facts)
        for member in self._directory.sessions_of(besides.name.key) if besides else ():
            if member is besides and room.has(member):
                self._broadcast.post_to_others(member.send_queue, frame, room.audience)
                return
        self._broadcast.post(frame, room.audience)

    def general_notice(
        self,
        notice: NoticeCode,
        sentence: str,
        room: ChatRoom,
        facts: Mapping[str, Any] | None = None,
    ) -> Frame:
        """Return the frame of a notice for everyone in ``room``."""
        name = room.header_name
        header = self._header(SERVER_NAME, notice=notice.value, room=name, **(facts or {}))
        return Frame(MessageType.UTF8, header, sentence.encode())

    def notice_frame(
        self,
        member: Member,
        notice: NoticeCode,
        sentence: str,
        nonce: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Frame:
        """Return the frame of a notice for ``member``; ``nonce`` is that of the frame that the notice answers."""
        to = member.name.display
        header = self._header(SERVER_NAME, to=to, notice=notice.value, nonce=nonce, **(facts or {}))
        return Frame(MessageType.UTF8, header, sentence.encode())

    def other_sessions(self, member: Member) -> list[Member]:
        """Return the other sessions of the same user that are here."""
        sessions = self._directory.sessions_of(member.name.key)
        return [each for each in sessions if each is not member and each in self.names]

    def _header(self, sender: str, **fields: Any) -> bytes:
        """Return the header of a frame that is sent now; ``fields`` are those of ServerHeader."""
        return encode_server_header(ServerHeader(sender, self._timestamp(), **fields))
