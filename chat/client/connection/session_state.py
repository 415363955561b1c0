"""The state of one session, and the event that each frame from the server means. No I/O."""

from __future__ import annotations

import unicodedata
from datetime import datetime, timezone
from typing import Any

from chat.client.connection.events import (
    Attachment,
    Event,
    Joined,
    Left,
    Limits,
    Notice,
    RoomHistory,
    StatusChanged,
    Text,
    Welcome,
)
from chat.client.connection.in_flight import InFlight
from chat.client.connection.receipts import Receipt, Status
from chat.protocol.descriptor import ATTACHMENTS, MessageType
from chat.protocol.errors import HeaderError
from chat.protocol.filenames import clean_filename
from chat.protocol.headers import ServerHeader, parse_json_object
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
    )
)
_ROOM = "lobby"  # the room that every user is in, as the welcome names it
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
            if header.notice is not None and header.notice == NoticeCode.STATUS.value:
                return self._change_status(header, timestamp)
            if header.notice is not None:
                return self._notice(header, header.notice, timestamp, _text(content))
            receipt = self._accept(header)
            own = self.is_own(header)
            return Text(
                header.sender,
                timestamp,
                _text(content),
                header.to,
                own,
                receipt,
                header.seq,
                bool(header.replay),
                bool(header.purged),
            )
        if kind is MessageType.LOGIN:
            return self._enter(header, timestamp, content)
        if kind is MessageType.LOGOUT:
            self.users.pop(header.sender, None)
            self._note_status(header.sender, registered=False, moderator=False)
            return Left(header.sender, timestamp, header.reason)
        raise HeaderError(
            f"The server sent a message of type {kind.name}, which is invalid after the login."
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
            welcome = _read_welcome(content, welcome)
        for user in welcome.users:
            self._see(user)
        self.registered = self.users.keys() & welcome.registered
        self.moderators = self.users.keys() & welcome.moderators
        self.server, self.session = welcome.server, welcome.session
        self.limits, self.motd = welcome.limits, welcome.motd
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
        epoch = header.epoch if code == NoticeCode.EPOCH.value else None
        return Notice(code, sentence, timestamp, receipt, dismisses, epoch)

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
            receipt=self._accept(header),
            seq=header.seq,
            replay=bool(header.replay),
            purged=bool(header.purged),
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

    def _answered(self, nonce: str | None) -> Receipt | None:
        """Find the receipt that an answer settles: by the nonce, or by the order if the server knows no nonces."""
        if nonce is not None:
            return self._in_flight.answered(nonce)
        return self._in_flight.oldest_answered() if self._original else None


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


def _read_welcome(content: bytes, bare: Welcome) -> Welcome:
    """Add the fields of a welcome to ``bare``. A value of a wrong type counts as missing.

    Raises HeaderError if the content is no JSON object.
    """
    fields = parse_json_object(content)
    sent_limits = fields.get("limits")
    limits: dict[str, Any] = sent_limits if isinstance(sent_limits, dict) else {}
    known = {
        name: value
        for name in ("max_text", "max_file", "inline")
        if type(value := limits.get(name)) is int and value > 0
    }
    return replace(
        bare,
        users=_strings(fields.get("users")) or bare.users,
        server=_string(fields.get("server")),
        session=_string(fields.get("session")),
        limits=replace(bare.limits, **known),
        motd=_string(fields.get("motd")),
        registered=_strings(fields.get("registered")),
        moderators=_strings(fields.get("moderators")),
        history=_read_history(fields),
    )


def _read_history(fields: dict[str, Any]) -> RoomHistory | None:
    """Return what the welcome says about the room's messages; None if the server keeps none."""
    epoch, keep = _string(fields.get("epoch")), fields.get("keep")
    if fields.get("history") is not True or epoch is None:
        return None
    rooms = fields.get("rooms")
    room = rooms.get(_ROOM) if isinstance(rooms, dict) else None
    facts: dict[str, Any] = room if isinstance(room, dict) else {}
    last, oldest, lost = (facts.get(name) for name in ("seq", "oldest", "lost"))
    return RoomHistory(
        epoch,
        keep if isinstance(keep, int | float) and not isinstance(keep, bool) else None,
        last if type(last) is int else 0,
        oldest if type(oldest) is int else 1,
        _ranges(lost),
    )


def _ranges(value: object) -> tuple[tuple[int, int], ...]:
    pairs = value if isinstance(value, list) else []
    return tuple(
        (pair[0], pair[1])
        for pair in pairs
        if isinstance(pair, list) and len(pair) == 2 and all(type(end) is int for end in pair)
    )


def _strings(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None
