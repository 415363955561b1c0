"""The state of one session, and the event that each frame from the server means. No I/O."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime

from chat.client.connection.events import (
    Attachment,
    EnteredRoom,
    Event,
    Joined,
    Left,
    Limits,
    Notice,
    ReadElsewhere,
    StatusChanged,
    Text,
    Welcome,
)
from chat.client.connection.in_flight import InFlight
from chat.client.connection.receipts import Receipt, Status
from chat.client.connection.session.known_rooms import KnownRooms
from chat.client.connection.session.room_frames import ROOM_NOTICES, RoomFrames
from chat.client.connection.session.timestamps import read_timestamp
from chat.client.connection.session.told_servers import read_servers
from chat.client.connection.session.welcome import read_welcome
from chat.net.address import Address
from chat.protocol.descriptor import ATTACHMENTS, MessageType
from chat.protocol.errors import HeaderError
from chat.protocol.filenames import clean_filename
from chat.protocol.headers import ServerHeader
from chat.protocol.notices import NoticeCode
from chat.structs import replace

# An original server closes the connection at any frame over 16 KiB.
ORIGINAL_MAX_CONTENT = 16 * 1024
# Notices that answer no frame, unless they have a nonce.
_UNSOLICITED = frozenset(
    code.value
    for code in (
        NoticeCode.SHUTTING_DOWN,
        NoticeCode.MODERATED,
        NoticeCode.REPLACED,
        NoticeCode.ACCOUNT,
        NoticeCode.ANNOUNCEMENT,
        NoticeCode.EPOCH,
        NoticeCode.READ,
        NoticeCode.WAITING,
        NoticeCode.MOVE,
    )
)
_NAMES_SERVERS = (NoticeCode.MOVE.value, NoticeCode.SHUTTING_DOWN.value)
ORIGINAL_LIMITS = Limits(ORIGINAL_MAX_CONTENT, ORIGINAL_MAX_CONTENT, ORIGINAL_MAX_CONTENT)


class SessionState:
    """The state of one session. ``username`` is the requested name until the welcome tells how the server writes it.

    ``wanted`` are the rooms of the login: an ``original`` server has none.
    """

    def __init__(
        self,
        username: str,
        in_flight: InFlight,
        *,
        original: bool,
        wanted: Sequence[str] = (),
    ) -> None:
        self.username = username
        self.server: str | None = None
        self.session: str | None = None
        self.node: str | None = None
        self.servers: tuple[Address, ...] = ()
        self.limits = ORIGINAL_LIMITS if original else Limits()
        self.motd: str | None = None
        self.can_search = False
        self.rooms = KnownRooms()
        self.registered: set[str] = set()
        self.moderators: set[str] = set()
        self._in_flight = in_flight
        self._original = original
        self._wanted = wanted
        self._announced = False
        self._room_frames = RoomFrames(self.rooms)

    @property
    def users(self) -> dict[str, None]:
        """The users in the default room: a set that keeps its order."""
        return self.rooms.default.users

    def is_own(self, header: ServerHeader) -> bool:
        """Return whether this user sent the frame."""
        return header.sender == self.username

    def interpret(
        self, kind: MessageType, header: ServerHeader, content: bytes | None, size: int
    ) -> Event:
        """Return the event of a frame with ``size`` bytes of content.

        ``content`` is None for an attachment that is not kept in memory. Raises HeaderError for a frame that no server
        should send.
        """
        timestamp = read_timestamp(header.timestamp)
        # Answers are about rooms that this client has named.
        if header.room is not None and header.notice != NoticeCode.DONE.value:
            self._check_room(header.room)
        if kind in ATTACHMENTS:
            return self._attachment(kind, header, timestamp, content, size)
        assert content is not None, "only the contents of attachments may be kept elsewhere"
        if kind is MessageType.UTF8:  # first, since nearly all frames are texts
            if header.notice is not None:
                return self._take_notice(header, header.notice, timestamp, content)
            return self._said(header, timestamp, content)
        if kind is MessageType.LOGIN and header.room is not None:
            return self._room_frames.joined(header.room, header, timestamp, own=self.is_own(header))
        if kind is MessageType.LOGIN:
            return self._enter(header, timestamp, content)
        if kind is MessageType.LOGOUT and header.room is not None:
            return self._room_frames.left(header.room, header, timestamp, own=self.is_own(header))
        if kind is MessageType.LOGOUT:
            self.rooms.miss(self.rooms.default, header.sender)
            self._note_status(header.sender, registered=False, moderator=False)
            return Left(header.sender, timestamp, header.reason)
        raise HeaderError(
            f"The server sent a message of type {kind.name}, which is invalid after the login."
        )

    def _check_room(self, name: str) -> None:
        if not self.rooms.may_mention(name):
            raise HeaderError(
                "The server names a room that this user is not in; it named too many."
            )

    def _said(self, header: ServerHeader, timestamp: datetime, content: bytes) -> Text:
        text = content.decode(errors="replace")  # an original server passes on any bytes
        sender, seq, nonce = header.sender, header.seq, header.nonce
        if sender != self.username and header.replay is None and header.to is None:
            # A fast path: a text that somebody else says in a room now.
            self._hear(sender, header.room)
            return Text(
                sender,
                timestamp,
                text,
                seq=seq,
                nonce=nonce,
                answers=header.answers,
                room=header.room,
            )
        receipt = self._accept(header)
        return Text(
            sender,
            timestamp,
            text,
            header.to,
            self.is_own(header),
            receipt,
            seq,
            bool(header.replay),
            bool(header.purged),
            nonce,
            header.answers,
            self._is_elsewhere(header, receipt),
            bool(header.waiting),
            header.account,
            header.room,
        )

    def _enter(self, header: ServerHeader, timestamp: datetime, content: bytes) -> Event:
        name = header.sender
        if self._announced or not _may_be_same(name, self.username):
            self.rooms.see(self.rooms.default, name)
            registered, moderator = bool(header.registered), bool(header.moderator)
            self._note_status(name, registered=registered, moderator=moderator)
            return Joined(name, timestamp, registered, moderator)
        self._announced = True
        self.username = name
        welcome = Welcome(name, timestamp, (name,), limits=self.limits)
        if content and not self._original:
            welcome = read_welcome(content, welcome)
        elif self._original:
            none = NoticeCode.NO_SUCH_ROOM.value
            welcome = replace(welcome, refused=tuple((room, none) for room in self._wanted))
        self._note_rooms(welcome)
        self.registered = self.users.keys() & welcome.registered
        self.moderators = self.users.keys() & welcome.moderators
        self.server, self.session = welcome.server, welcome.session
        self.node, self.servers = welcome.node, welcome.servers
        self.limits, self.motd = welcome.limits, welcome.motd
        self.can_search = welcome.search
        return welcome

    def _note_rooms(self, welcome: Welcome) -> None:
        lobby = self.rooms.default
        if not welcome.users:
            lobby.count(welcome.here or 0)
        for user in welcome.users:
            self.rooms.see(lobby, user)
        lobby.change_topic(welcome.topic)
        lobby.history = welcome.history
        self.rooms.default_name = welcome.default_room
        for facts in welcome.rooms:
            self.rooms.enter(facts)

    def _change_status(self, header: ServerHeader, timestamp: datetime) -> StatusChanged:
        name = header.user
        if name is None:
            raise HeaderError("The server told a new status of a user without the name.")
        registered, moderator = bool(header.registered), bool(header.moderator)
        self._note_status(name, registered=registered, moderator=moderator)
        return StatusChanged(name, timestamp, registered, moderator)

    def _note_status(self, name: str, *, registered: bool, moderator: bool) -> None:
        """Record what ``name`` is, if they are in the room."""
        is_here = name in self.users
        for names, belongs in ((self.registered, registered), (self.moderators, moderator)):
            if belongs and is_here:
                names.add(name)
            else:
                names.discard(name)

    def _take_notice(
        self, header: ServerHeader, code: str, timestamp: datetime, content: bytes
    ) -> Event:
        if code == NoticeCode.STATUS.value:
            return self._change_status(header, timestamp)
        if code == NoticeCode.READ.value and header.seq is not None:
            partner = header.partner if header.private else None
            return ReadElsewhere(header.seq, timestamp, partner, header.room)
        if code in ROOM_NOTICES and header.nonce is None:
            return self._room_frames.told(header, timestamp, _text(content))
        receipt = None
        # Without a nonce, a notice answers the oldest message, unless its code says that it answers none.
        if header.nonce is not None or code not in _UNSOLICITED:
            receipt = self._answered(header.nonce)
        if code == NoticeCode.DONE.value and receipt is not None and receipt.command is not None:
            event = self._room_frames.done(receipt, header, timestamp, content)
            if event is not None:
                is_list = isinstance(event, EnteredRoom)
                receipt.settle(Status.ACCEPTED, answer="" if is_list else _text(content))
                return event
        return self._notice(header, code, timestamp, _text(content), receipt)

    def _notice(
        self,
        header: ServerHeader,
        code: str,
        timestamp: datetime,
        sentence: str,
        receipt: Receipt | None,
    ) -> Notice:
        if receipt is not None and code == NoticeCode.DONE.value:
            receipt.settle(Status.ACCEPTED, answer=sentence)
        elif receipt is not None:
            receipt.settle(Status.REFUSED, code, sentence)
        # Everyone hears of a moderator's act. A notice with a recipient says that the act concerns this user.
        dismisses = code == NoticeCode.REPLACED.value or (
            code == NoticeCode.MODERATED.value and header.to is not None
        )
        tells_epoch = code in (NoticeCode.EPOCH.value, NoticeCode.DONE.value)
        epoch = header.epoch if tells_epoch else None
        if code == NoticeCode.EPOCH.value and epoch is not None:
            self.rooms.change_epoch(epoch)
        return Notice(
            code,
            sentence,
            timestamp,
            receipt,
            dismisses,
            epoch,
            header.found,
            bool(header.more),
            header.lost or (),
            header.seq if code == NoticeCode.DONE.value and header.more else None,
            header.room if header.room is not None else self._room_of(receipt),
            read_servers(header.servers or ()) if code in _NAMES_SERVERS else (),
        )

    def _room_of(self, receipt: Receipt | None) -> str | None:
        """Return the room that a message was sent to, as the server writes it, if the user is in it."""
        sent = receipt.command.room if receipt and receipt.command else receipt and receipt.room
        if not sent:
            return None
        room = self.rooms.find(sent)
        return sent if room is None else room.name

    def _attachment(
        self,
        kind: MessageType,
        header: ServerHeader,
        timestamp: datetime,
        content: bytes | None,
        size: int,
    ) -> Attachment:
        offered = header.id is not None and not size
        if offered and header.size is None:
            raise HeaderError("The server offered an attachment without its size.")
        receipt = self._accept(header)
        return Attachment(
            kind,
            header.sender,
            timestamp,
            attachment_name(kind, header),
            size=header.size or 0 if offered else size,
            to=header.to,
            content=None if offered or header.purged else content,
            offer=header.id if offered else None,
            own=self.is_own(header),
            receipt=receipt,
            seq=header.seq,
            replay=bool(header.replay),
            purged=bool(header.purged),
            nonce=header.nonce,
            answers=header.answers,
            elsewhere=self._is_elsewhere(header, receipt),
            waiting=bool(header.waiting),
            account=header.account,
            sha256=header.sha256 if offered else None,
            room=header.room,
        )

    def _hear(self, name: str, room: str | None) -> None:
        """Record that ``name`` has spoken, so they are here: an original server does not announce all users."""
        lobby = self.rooms.default
        if room is None and lobby.is_listed:
            self.rooms.see(lobby, name)

    def _accept(self, header: ServerHeader) -> Receipt | None:
        """Settle and return the receipt of the message whose echo this frame is; None if it is no echo.

        A message that is shown again is no echo, and its sender may be gone.
        """
        if header.replay:
            return None
        if not self.is_own(header):
            self._hear(header.sender, header.room)
            return None
        receipt = self._answered(header.nonce)
        if receipt is not None:
            receipt.settle(Status.ACCEPTED)
        return receipt

    def _is_elsewhere(self, header: ServerHeader, receipt: Receipt | None) -> bool:
        """Return whether another device of this user sent the message: our own messages answer a receipt.

        Of a message that is shown again, nobody knows any more. An original server gives a name to one user at a time.
        """
        if receipt is not None or not self.is_own(header) or header.replay or self._original:
            return False
        return not self._in_flight.was_given_up(header.nonce)

    def _answered(self, nonce: str | None) -> Receipt | None:
        """Find the receipt that an answer settles: by the nonce, or by the order if the server knows no nonces."""
        if nonce is not None:
            return self._in_flight.answered(nonce)
        return self._in_flight.oldest_answered() if self._original else None


def attachment_name(kind: MessageType, header: ServerHeader) -> str:
    """Return the cleaned file name of an attachment: a server may not have cleaned the name."""
    return clean_filename(header.filename or "", default=kind.name.lower())


def _may_be_same(name: str, asked: str) -> bool:
    """Return whether ``name`` may be the server's form of the name ``asked`` for.

    PRECIS maps widths and composes characters (RFC 8265).
    """
    return unicodedata.normalize("NFKC", name) == unicodedata.normalize("NFKC", asked)


def _text(content: bytes) -> str:
    return content.decode(errors="replace")  # an original server passes on any bytes
