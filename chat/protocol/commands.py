"""Define the commands of clients: a Utf8 frame without content, whose JSON header has the key ``command``.

The answer is a notice: ``done``, or the reason why the command failed. A server that does not know commands sees a text
without content, and refuses the empty text.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

# Messages that a server shows again at once: at a login, or as a page of history.
MAX_REPLAY = 200
# Messages that a search finds at once.
MAX_FOUND = 50


class Verb(str, Enum):
    """List the values of the header key ``command``."""

    REGISTER = "register"  # password: makes an account of the user's own name
    PASSWD = "passwd"  # password, new_password
    KICK = "kick"  # target: a name; reason
    BAN = "ban"  # target: a name or an address; seconds (without: for ever); reason
    UNBAN = "unban"  # target
    BANS = "bans"
    MUTE = "mute"  # target: a name; seconds (without: for ever)
    UNMUTE = "unmute"  # target
    PING = "ping"  # asks for nothing but an answer
    HISTORY = "history"  # a page of earlier messages: see HistoryQuery
    SEARCH = "search"  # a page of earlier messages that match: see SearchQuery
    FILES = "files"  # a page of the attachments that can be fetched: see SearchQuery
    READ = "read"  # seq: the user has read up to here, in the room or, with private and with, of one partner
    DEVICES = "devices"  # lists the user's remembered devices
    FORGET = "forget"  # target: the name of a device, from the list
    BLOCK = "block"  # target: a name whose private messages the user refuses
    UNBLOCK = "unblock"  # target
    BLOCKS = "blocks"
    PURGE = "purge"  # seq: removes the content of a message of the room
    # All with room: the name of a room.
    JOIN = "join"  # makes the room if there is none
    PART = "part"
    ROOMS = "rooms"  # no room: lists the rooms that the user may know; see ListQuery
    NAMES = "names"  # lists the users in the room; see ListQuery
    TOPIC = "topic"  # topic: what the room is about
    INVITE = "invite"  # target: a name
    REMOVE = "remove"  # target: a name of a member
    ROOM = "room"  # settings of the room: see RoomChange


class HistoryQuery(NamedTuple):
    """Ask for a page of earlier messages: of the default room, or of the user's own private messages.

    ``after`` and ``before`` are numbers of messages, both excluded. With ``before`` alone, the page has the last
    messages before it; otherwise the first after ``after``. ``at`` is a timestamp (RFC 3339) in place of ``after``.
    ``epoch`` and ``time`` are what the client knows of the message ``after``; the server refuses the query if they do
    not match. ``partner`` (``with`` on the wire) selects the private messages with one user. With ``nonces``, the page
    has only messages of the user who asks that bear one of them.
    """

    private: bool = False
    after: int | None = None
    before: int | None = None
    at: str | None = None
    epoch: str | None = None
    time: str | None = None
    limit: int | None = None
    partner: str | None = None
    nonces: tuple[str, ...] = ()


class Has(str, Enum):
    """List the values of the key ``has`` of a search: the type of a message, or a link in a text."""

    FILE = "file"
    IMAGE = "image"
    VOICE = "voice"
    LINK = "link"


class SearchQuery(NamedTuple):
    """Ask for messages that match: of a room (None: the default one), or of the user's own private messages.

    ``words`` (``query`` on the wire) are separated by white space; a message has all of them, each perhaps as a part of
    a word. ``sender`` (``from`` on the wire) is a name. ``since`` is the time of the first message, ``until`` the time
    behind the last one (RFC 3339). ``has`` is a value of ``Has``, or an unknown one from a newer client. ``before`` is
    the number of a message, itself excluded: the search goes on there, towards older messages. The command ``files``
    looks for ``words`` in the names of attachments, and has no ``sender``, no times and no ``has``.
    """

    words: str = ""
    sender: str | None = None
    since: str | None = None
    until: str | None = None
    has: str | None = None
    room: str | None = None
    private: bool = False
    before: int | None = None
    limit: int | None = None


class RoomKind(str, Enum):
    """List the kinds of rooms, which say who may join and who may write."""

    OPEN = "open"  # anyone joins
    CLOSED = "closed"  # only invited users join
    ANNOUNCEMENTS = "announcements"  # anyone joins, owners write


class Visible(str, Enum):
    """List the values of the key ``history`` of a room: the messages that members of a closed room may read."""

    INVITED = "invited"  # what was said since their own invitation
    ALL = "all"


class RoomChange(NamedTuple):
    """Change settings of a room: those that are not None.

    ``kind`` is a value of ``RoomKind``, ``history`` one of ``Visible``, or unknown ones from a newer client. ``keep``
    is for how many seconds messages are kept; 0: as long as the server keeps them. ``owner`` is the name of a
    registered user who becomes a further owner.
    """

    kind: str | None = None
    keep: int | None = None
    owner: str | None = None
    history: str | None = None


class ListQuery(NamedTuple):
    """Ask for a page of a list of names: those that begin with ``prefix``, behind the name ``after``."""

    prefix: str | None = None
    after: str | None = None
    limit: int | None = None


class Command(NamedTuple):
    """Hold a command as it travels.

    ``verb`` is a value of :class:`Verb`, or an unknown one from a newer client. The other fields are header keys of the
    same names: ``seconds`` is 0 or more, the passwords are as typed. ``query`` has the keys of a ``history`` command,
    ``search`` those of a ``search`` or ``files``, ``listing`` those of a ``names`` or ``rooms``, ``change`` those of a
    ``room``. ``room`` is the name of a room; None: the default room. A ``search`` has its own.
    ``seq`` is the number of a message of the room or, with ``private``, of the user's private messages with
    ``partner`` (``with`` on the wire).
    """

    verb: str
    target: str | None = None
    seconds: int | None = None
    reason: str | None = None
    password: str | None = None
    new_password: str | None = None
    query: HistoryQuery | None = None
    seq: int | None = None
    private: bool = False
    partner: str | None = None
    search: SearchQuery | None = None
    room: str | None = None
    topic: str | None = None
    listing: ListQuery | None = None
    change: RoomChange | None = None

    def __repr__(self) -> str:
        """Return the command without its passwords, which must not reach a log."""
        return f"<Command {self.verb!r} {self.target!r}>"
