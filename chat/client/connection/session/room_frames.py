"""The events of the frames about rooms: users who come and go, topics, invitations. No I/O."""

from __future__ import annotations

from datetime import datetime

from chat.client.connection.events import (
    EnteredRoom,
    Event,
    HereCount,
    Invited,
    Joined,
    Left,
    LeftRoom,
    RoomChanged,
    RoomFacts,
    TopicChanged,
)
from chat.client.connection.receipts import Receipt
from chat.client.connection.session.known_rooms import MAX_ROOMS, KnownRooms, shortened
from chat.client.connection.session.welcome import read_room
from chat.protocol.commands import Verb
from chat.protocol.errors import HeaderError
from chat.protocol.headers import ServerHeader
from chat.protocol.notices import LeaveReason, NoticeCode

# Notices about rooms. None of them answers a frame.
ROOM_NOTICES = frozenset(
    code.value
    for code in (
        NoticeCode.TOPIC,
        NoticeCode.ROOM,
        NoticeCode.INVITED,
        NoticeCode.REMOVED,
        NoticeCode.HERE,
    )
)


class RoomFrames:
    """Turns frames about rooms into events, and notes in ``rooms`` what they tell."""

    def __init__(self, rooms: KnownRooms) -> None:
        self._rooms = rooms

    def joined(self, name: str, header: ServerHeader, timestamp: datetime, *, own: bool) -> Event:
        """Return the event of a user ``header.sender`` who came to the room ``name``. Raises HeaderError."""
        room, facts = self._rooms.get(name), RoomFacts(name)
        if own:
            return (
                self._entered(facts, timestamp) if room is None else EnteredRoom(facts, timestamp)
            )
        if room is not None:
            self._rooms.see(room, header.sender)
        return Joined(
            header.sender, timestamp, bool(header.registered), bool(header.moderator), name
        )

    def left(self, name: str, header: ServerHeader, timestamp: datetime, *, own: bool) -> Event:
        """Return the event of a user ``header.sender`` who left the room ``name``."""
        if own:
            self._rooms.leave(name)
            return LeftRoom(name, timestamp, header.reason)
        room = self._rooms.get(name)
        if room is not None:
            self._rooms.miss(room, header.sender)
        return Left(header.sender, timestamp, header.reason, name)

    def told(self, header: ServerHeader, timestamp: datetime, sentence: str) -> Event:
        """Return the event of one of the ``ROOM_NOTICES``. Raises HeaderError."""
        code, room = header.notice, self._rooms.get(header.room)
        if code == NoticeCode.TOPIC.value:
            sentence = shortened(sentence) or ""
            if room is not None:
                room.change_topic(sentence)
            return TopicChanged(sentence or None, header.user, timestamp, header.room)
        if code == NoticeCode.ROOM.value:
            return RoomChanged(header.user, sentence, timestamp, header.room)
        if code == NoticeCode.HERE.value:
            if header.here is None:
                raise HeaderError(
                    "The server told how many users are in a room without the number."
                )
            if room is not None:
                room.count(header.here)
            return HereCount(header.here, timestamp, bool(header.announced), header.room)
        if header.room is None:
            raise HeaderError("The server told about a room without its name.")
        if code == NoticeCode.INVITED.value:
            return Invited(header.room, header.user, sentence, timestamp)
        self._rooms.leave(header.room)
        reason = LeaveReason.REMOVED.value
        return LeftRoom(header.room, timestamp, reason, sentence=sentence or None)

    def done(
        self, receipt: Receipt, header: ServerHeader, timestamp: datetime, content: bytes
    ) -> Event | None:
        """Note what the command of ``receipt`` has done; return its event, if there is a special one."""
        command = receipt.command
        assert command is not None, "only commands are done"
        if command.verb == Verb.JOIN.value:
            facts = read_room(header.room, content, self._rooms.default.history)
            # The program hears what came of its command, also if the room is one too many to remember.
            self._rooms.enter(facts)
            return EnteredRoom(facts, timestamp, receipt)
        if command.verb == Verb.PART.value and header.room is not None:
            self._rooms.leave(header.room)
            return LeftRoom(header.room, timestamp, LeaveReason.PARTED.value, receipt)
        room = self._rooms.get(header.room)
        if room is not None and command.verb == Verb.TOPIC.value:
            # The server tells all but the owner who gave the command.
            room.change_topic(" ".join((command.topic or "").split()))
        elif room is not None and command.change is not None:
            room.kind = command.change.kind or room.kind
        return None

    def _entered(self, facts: RoomFacts, timestamp: datetime) -> EnteredRoom:
        if self._rooms.enter(facts) is None:
            raise HeaderError(f"The server puts this user into more than {MAX_ROOMS} rooms.")
        return EnteredRoom(facts, timestamp)
