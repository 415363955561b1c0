"""The state of one session, and the event that each frame from the server means. No I/O."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timezone

from chat.client.connection.events import (
    Attachment,
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
from chat.client.connection.welcome import read_welcome
from chat.protocol.descriptor import ATTACHMENTS, MessageType
from chat.protocol.errors import HeaderError
from chat.protocol.filenames import clean_filename
from chat.protocol.headers import ServerHeader
from chat.protocol.notices import NoticeCode

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
    )
)
_OUR_LENGTH = len("2026-01-01T00:00:00.000000Z")  # of the timestamps that our server writes
ORIGINAL_LIMITS = Limits(ORIGINAL_MAX_CONTENT, ORIGINAL_MAX_CONTENT, ORIGINAL_MAX_CONTENT)

# Limits of the known names: ten times the users of a full room, and characters of each name. A hostile server could
# otherwise fill the memory.
MAX_USERS = 100_000
MAX_USERNAME = 256


class SessionState:
    """The state of one session. ``username`` is the requested name until the welcome tells how the server writes it."""

    def __init__(self, username: str, in_flight: InFlight, *, original: bool) -> None:
        self.username = username
        self.server: str | None = None
        self.session: str | None = None
        self.limits = ORIGINAL_LIMITS if original else Limits()
        self.motd: str | None = None
        self.can_search = False
        self.users: dict[str, None] = {}  # a set that keeps its order
        self.registered: set[str] = set()
        self.moderators: set[str] = set()
        self._in_flight = in_flight
        self._original = original
        self._announced = False

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
        if kind in ATTACHMENTS:
            return self._attachment(kind, header, timestamp, content, size)
        assert content is not None, "only the contents of attachments may be kept elsewhere"
        if kind is MessageType.UTF8:  # first, since nearly all frames are texts
            if header.notice is not None:
                return self._take_notice(header, header.notice, timestamp, content)
            return self._said(header, timestamp, content)
        if kind is MessageType.LOGIN:
            return self._enter(header, timestamp, content)
        if kind is MessageType.LOGOUT:
            self.users.pop(header.sender, None)
            self._note_status(header.sender, registered=False, moderator=False)
            return Left(header.sender, timestamp, header.reason)
        raise HeaderError(
            f"The server sent a message of type {kind.name}, which is invalid after the login."
        )

    def _said(self, header: ServerHeader, timestamp: datetime, content: bytes) -> Text:
        text = content.decode(errors="replace")  # an original server passes on any bytes
        sender, seq, nonce = header.sender, header.seq, header.nonce
        if sender != self.username and header.replay is None and header.to is None:
            # A fast path: a text that somebody else says to everyone now.
            self._see(sender)
            return Text(sender, timestamp, text, seq=seq, nonce=nonce, answers=header.answers)
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
        )

    def _enter(self, header: ServerHeader, timestamp: datetime, content: bytes) -> Event:
        name = header.sender
        if self._announced or not _may_be_same(name, self.username):
            self._see(name)
            registered, moderator = bool(header.registered), bool(header.moderator)
            self._note_status(name, registered=registered, moderator=moderator)
            return Joined(name, timestamp, registered, moderator)
        self._announced = True
        self.username = name
        welcome = Welcome(name, timestamp, (name,), limits=self.limits)
        if content and not self._original:
            welcome = read_welcome(content, welcome)
        for user in welcome.users:
            self._see(user)
        self.registered = self.users.keys() & welcome.registered
        self.moderators = self.users.keys() & welcome.moderators
        self.server, self.session = welcome.server, welcome.session
        self.limits, self.motd = welcome.limits, welcome.motd
        self.can_search = welcome.search
        return welcome

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
            return ReadElsewhere(header.seq, timestamp, partner)
        return self._notice(header, code, timestamp, _text(content))

    def _notice(
        self, header: ServerHeader, code: str, timestamp: datetime, sentence: str
    ) -> Notice:
        receipt = None
        # Without a nonce, a notice answers the oldest message, unless its code says that it answers none.
        if header.nonce is not None or code not in _UNSOLICITED:
            receipt = self._answered(header.nonce)
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
        )

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
        )

    def _see(self, name: str) -> None:
        """Record that ``name`` is in the room."""
        if has_room_for(name, len(self.users)):
            self.users[name] = None

    def _accept(self, header: ServerHeader) -> Receipt | None:
        """Settle and return the receipt of the message whose echo this frame is; None if it is no echo.

        A message that is shown again is no echo, and its sender may be gone.
        """
        if header.replay:
            return None
        if not self.is_own(header):
            # An original server does not announce users who were there before.
            self._see(header.sender)
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


class SessionFacts:
    """The facts of a session that a program can ask for. ``original``: the server is, or counts as, an original one."""

    def __init__(self, room: SessionState, *, original: bool) -> None:
        self._room = room
        self._original = original

    @property
    def username(self) -> str:
        """The name of this user, as the server writes it."""
        return self._room.username

    @property
    def users(self) -> list[str]:
        """The users in the room, this user too. With an original server: the users seen so far."""
        return list(self._room.users)

    @property
    def registered(self) -> list[str]:
        """The users in the room whose name is their account. Empty if the server does not tell."""
        return [name for name in self._room.users if name in self._room.registered]

    @property
    def moderators(self) -> list[str]:
        """The users in the room who may moderate. Empty if the server does not tell."""
        return [name for name in self._room.users if name in self._room.moderators]

    @property
    def server(self) -> str | None:
        """Name and version of the server; None if unknown."""
        return self._room.server

    @property
    def limits(self) -> Limits:
        """The sizes that the server accepts."""
        return self._room.limits

    @property
    def motd(self) -> str | None:
        """The server's message of the day, if it has one."""
        return self._room.motd

    @property
    def original(self) -> bool:
        """Whether the server counts as an original one: no private messages, and at most 16 KiB a message."""
        return self._original

    @property
    def can_search(self) -> bool:
        """Whether the server finds earlier messages."""
        return self._room.can_search

    @property
    def session(self) -> str | None:
        """The secret token with which a new connection replaces this one. None with an original server."""
        return self._room.session


def has_room_for(name: str, known: int) -> bool:
    """Return whether one more name may be remembered, if ``known`` names are."""
    return known < MAX_USERS and len(name) <= MAX_USERNAME


def attachment_name(kind: MessageType, header: ServerHeader) -> str:
    """Return the cleaned file name of an attachment: a server may not have cleaned the name."""
    return clean_filename(header.filename or "", default=kind.name.lower())


def read_timestamp(text: str) -> datetime:
    """Parse a time of RFC 3339 with any number of digits after the point; return it in UTC. Raises HeaderError."""
    try:
        if len(text) == _OUR_LENGTH and text[-1] == "Z" and text[17:19] != "60":
            return datetime.fromisoformat(f"{text[:-1]}+00:00")
        return _read_foreign_timestamp(text)
    except (ValueError, OverflowError):
        raise HeaderError("The server sent an invalid time.") from None


def _read_foreign_timestamp(text: str) -> datetime:
    """Parse a time that not every version of Python reads by itself. Raises ValueError, OverflowError."""
    day, _, rest = text.partition("T")
    clock, fraction = rest[:8], ""
    zone = rest[8:]
    if zone.startswith("."):
        digits = len(zone[1:]) - len(zone[1:].lstrip("0123456789"))
        fraction, zone = zone[1 : digits + 1], zone[digits + 1 :]
    if clock.endswith(":60"):  # a leap second, which datetime does not know
        clock = f"{clock[:-2]}59"
    microseconds = fraction[:6].ljust(6, "0")
    moment = datetime.fromisoformat(
        f"{day}T{clock}.{microseconds}{'+00:00' if zone == 'Z' else zone}"
    )
    return moment.astimezone(timezone.utc)


def _may_be_same(name: str, asked: str) -> bool:
    """Return whether ``name`` may be the server's form of the name ``asked`` for.

    PRECIS maps widths and composes characters (RFC 8265).
    """
    return unicodedata.normalize("NFKC", name) == unicodedata.normalize("NFKC", asked)


def _text(content: bytes) -> str:
    return content.decode(errors="replace")  # an original server passes on any bytes
