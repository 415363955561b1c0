"""The events that a connection yields.

All are frozen. ``timestamp`` is the time of the server, in UTC. ``own`` means that this user caused the event. If this
connection sent the message, ``receipt`` is its receipt. Strings are as the server sent them: sanitize them before you
show them on a terminal. A file name is already safe to save under (see ``saving``).

``room`` is the name of the room that an event belongs to, as the server writes it; None: the default room.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from chat.client.connection.receipts import Receipt
from chat.client.connection.saver import Saving
from chat.net.address import Address
from chat.protocol.descriptor import MessageType
from chat.structs import Struct, field


class Limits(Struct):
    """The sizes that the server accepts, in bytes. Contents over ``inline`` go over transfer connections.

    ``resume``: an upload that was interrupted goes on where it was.
    """

    max_text: int = 64 * 1024
    max_file: int = 1024**3
    inline: int = 64 * 1024
    resume: bool = False


class UnreadPartner(Struct):
    """A user whose private messages are not all read. This user has read them up to the number ``read``."""

    name: str
    read: int
    unread: int = 0
    account: str | None = None


class RoomHistory(Struct):
    """The messages of the room that the server keeps, for ``keep`` seconds (None: without a limit).

    ``last`` is the number of the last message, 0 before the first. ``oldest`` is the first number that is kept;
    ``last`` + 1 if none is. The ranges in ``lost`` have no messages. All numbers are given under ``epoch``: under
    another epoch, the same number means another message. ``time`` is the timestamp of the last message, as the server
    wrote it. The user has read up to the number ``read``; ``unread`` messages of others follow. Of private
    messages, ``partners`` are those with unread messages.
    """

    epoch: str
    keep: float | None = None
    last: int = 0
    oldest: int = 1
    lost: tuple[tuple[int, int], ...] = ()
    time: str | None = None
    read: int | None = None
    unread: int | None = None
    partners: tuple[UnreadPartner, ...] = ()


class RoomFacts(Struct):
    """A room that this user is in, as it was when the user entered it.

    ``kind`` is ``open``, ``closed`` or ``announcements``; None for the default room. ``here`` counts the users in the
    room, and ``users`` are their names; empty in a room with very many. ``history`` is None if the server keeps no
    messages. ``is_owner``: this user may change the room.
    """

    name: str | None
    kind: str | None = None
    topic: str | None = None
    here: int | None = None
    is_owner: bool = False
    history: RoomHistory | None = None
    users: tuple[str, ...] = ()


class Welcome(Struct):
    """The login has succeeded: the first event of a connection. ``username`` is this user as the server writes it.

    ``users`` is empty if the server tells only how many they are, as ``here``. An original server sends neither the
    list of users nor its name. ``registered`` and ``moderators`` are the users in ``users`` whose name is their
    account, and those who may moderate; empty if the server does not tell. ``history`` is None if the server keeps
    no messages. ``mailbox`` says the same of the private messages of a registered user. ``account``: the user's
    name is their account. ``device`` tells whether the device of the login counts; None if the server knows no
    devices. ``search``: the server finds messages.

    ``rooms`` are the rooms that this user is in, beside the default room. ``refused`` are those of the login that the
    user can't be in, each with a code of ``notices.NoticeCode``. ``invited`` are those that the user is invited to, or
    owns, and is not in. ``default_room`` is the name that the server gives the default room, None if it tells none;
    ``topic`` is the topic of this room, and ``here`` counts its users.

    ``node`` is the name of the server in its cluster, and ``servers`` are the addresses of others of the cluster.
    """

    username: str
    timestamp: datetime
    users: tuple[str, ...] = ()
    server: str | None = None
    # A secret, so not in the repr: it lets anyone send under this name.
    session: str | None = field(default=None, repr=False)
    limits: Limits = Limits()
    motd: str | None = None
    registered: tuple[str, ...] = ()
    moderators: tuple[str, ...] = ()
    history: RoomHistory | None = None
    mailbox: RoomHistory | None = None
    account: bool = False
    device: bool | None = None
    search: bool = False
    rooms: tuple[RoomFacts, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    invited: tuple[str, ...] = ()
    topic: str | None = None
    here: int | None = None
    default_room: str | None = None
    node: str | None = None
    servers: tuple[Address, ...] = ()


class Joined(Struct):
    """Another user joined the server, or a room.

    ``registered``: the name is their account. ``moderator``: they may moderate.
    """

    username: str
    timestamp: datetime
    registered: bool = False
    moderator: bool = False
    room: str | None = None


class Left(Struct):
    """Another user left the server, or a room.

    ``reason`` is a value of ``notices.LeaveReason``. A newer server may send other reasons, an original server sends
    none.
    """

    username: str
    timestamp: datetime
    reason: str | None = None
    room: str | None = None


class StatusChanged(Struct):
    """A user in the room, perhaps this user, became registered or a moderator, or is no longer so."""

    username: str
    timestamp: datetime
    registered: bool
    moderator: bool


class Text(Struct):
    """A text. ``to`` is None for a message to a room, else the recipient of a private message.

    ``seq`` is the number of the message, None if the server gives no numbers. The messages of each room are counted
    together; the user's private messages have a count of their own. ``replay``: the server shows an earlier message
    again, and its sender may be gone. ``purged``: its text was removed, and is empty. ``nonce`` is the sender's mark of
    the message. ``answers`` is the nonce of the query of history that the message answers.

    ``elsewhere``: another device of this user sent the message just now. ``waiting``: the recipient is away, and gets
    the message when they come back. ``account`` is an opaque mark of the other user's account, in a private message;
    None for a guest. If a name comes with another mark than before, it belongs to another user.
    """

    sender: str
    timestamp: datetime
    text: str
    to: str | None = None
    own: bool = False
    receipt: Receipt | None = field(default=None, compare=False, repr=False)
    seq: int | None = None
    replay: bool = False
    purged: bool = False
    nonce: str | None = field(default=None, compare=False, repr=False)
    answers: str | None = None
    elsewhere: bool = False
    waiting: bool = False
    account: str | None = None
    room: str | None = None


class Attachment(Struct):
    """A file, an image or a voice message of ``size`` bytes: ``kind`` is MessageType.FILE, IMAGE or VOICE.

    The content is in one of these places:

    - ``content``: in memory, if it came with the message and has at most 64 KiB;
    - ``saving``: on the way to the save directory, if it came with the message of another user and there is such a
      directory. ``saving.wait()`` returns the path, or raises SaveFailed;
    - ``offer``: still on the server. ``Connection.fetch`` downloads it;
    - nowhere: a larger content that came with our own message, or that is not saved. ``problem`` says why it is not
      saved.

    ``sha256`` is that of an offered content, in hex; None if the server does not tell. A content that is fetched is
    compared with it.

    An earlier message that the server shows again (``replay``) is never saved by itself, and the content of its offer
    may be gone. ``seq``, ``replay``, ``purged`` (then there is no content) and the fields after it are those of a
    ``Text``.

    ``filename`` is cleaned: a base name, not hidden, not like an option, without control characters.
    """

    kind: MessageType
    sender: str
    timestamp: datetime
    filename: str
    size: int
    to: str | None = None
    content: bytes | None = field(default=None, repr=False)
    saving: Saving | None = field(default=None, compare=False, repr=False)
    offer: str | None = None
    problem: str | None = None
    own: bool = False
    receipt: Receipt | None = field(default=None, compare=False, repr=False)
    seq: int | None = None
    replay: bool = False
    purged: bool = False
    nonce: str | None = field(default=None, compare=False, repr=False)
    answers: str | None = None
    elsewhere: bool = False
    waiting: bool = False
    account: str | None = None
    sha256: str | None = None
    room: str | None = None


class Notice(Struct):
    """A notice of the server: about the message of ``receipt``, or without one, such as that the server stops.

    ``code`` is a value of ``chat.protocol.notices.NoticeCode``. A newer server may send other codes.
    ``dismisses``: the notice gives the reason why the server now ends the connection on purpose. ``epoch`` is that of a
    notice ``epoch``: messages are numbered under this epoch from now on. The answer to a query of history has its
    ``epoch`` too, and tells how many messages were ``found``, whether ``more`` follow, and which ranges of numbers were
    ``lost``. The answer to a search that has not come to its end has the number before which it goes on. The notice
    ``move`` has the addresses of other ``servers``.
    """

    code: str
    sentence: str
    timestamp: datetime
    receipt: Receipt | None = field(default=None, compare=False, repr=False)
    dismisses: bool = False
    epoch: str | None = None
    found: int | None = None
    more: bool = False
    lost: tuple[tuple[int, int], ...] = ()
    goes_on_before: int | None = None
    room: str | None = None
    servers: tuple[Address, ...] = ()


class ReadElsewhere(Struct):
    """The user has read up to the message ``seq`` on another device.

    ``partner``: of the private messages with this user; None: of the messages of the ``room``.
    """

    seq: int
    timestamp: datetime
    partner: str | None = None
    room: str | None = None


class EnteredRoom(Struct):
    """This user is in a room now. Without a ``receipt``, another device of the user has joined it.

    Then ``facts`` has only what the server tells about it unasked.
    """

    facts: RoomFacts
    timestamp: datetime
    receipt: Receipt | None = field(default=None, compare=False, repr=False)


class LeftRoom(Struct):
    """This user is not in a room any more. Without a ``receipt``, it was not this connection that left it.

    ``reason`` is a value of ``notices.LeaveReason``. If an owner removed the user, or the room is gone, ``sentence``
    says so. Of a room that a ``ReconnectingRoom`` finds itself outside of after a login, ``reason`` is the code of the
    refusal, or None.
    """

    room: str
    timestamp: datetime
    reason: str | None = None
    receipt: Receipt | None = field(default=None, compare=False, repr=False)
    sentence: str | None = None


class TopicChanged(Struct):
    """The owner ``user`` has changed what a room is about. ``topic`` is None if it was removed."""

    topic: str | None
    user: str | None
    timestamp: datetime
    room: str | None = None


class RoomChanged(Struct):
    """The owner ``user`` has changed the settings of a room: ``sentence`` says how."""

    user: str | None
    sentence: str
    timestamp: datetime
    room: str | None = None


class Invited(Struct):
    """The owner ``user`` invites this user to a room."""

    room: str
    user: str | None
    sentence: str
    timestamp: datetime


class HereCount(Struct):
    """So many users are ``here``, in a room with very many.

    Joins and leaves of this room are not told one by one, unless ``announced``: then ask for the names once more.
    """

    here: int
    timestamp: datetime
    announced: bool = False
    room: str | None = None


class EventsDropped(Struct):
    """So many events were dropped here, the oldest ones: too many waited for readers, of this ``room`` or of the rest.

    Messages that the server keeps can be fetched by ``history``.
    """

    count: int
    room: str | None = None


class BadFrame(Struct):
    """The server sent an invalid frame, which was skipped. ``problem`` is a sentence."""

    problem: str


class MessagePage(Struct):
    """A page of earlier messages, in the order of their numbers. ``more``: others follow in the direction of the page.

    The ranges in ``lost`` have no messages. The numbers are given under ``epoch``. A search goes on with older
    messages, before the number ``goes_on_before``; None: it has come to its end.
    """

    messages: tuple[Text | Attachment, ...]
    more: bool = False
    lost: tuple[tuple[int, int], ...] = ()
    epoch: str | None = None
    goes_on_before: int | None = None


# What a user interface shows as it is. Of an attachment it shows where the content is, too: see ``ui_events``.
EventWithoutAttachment: TypeAlias = (
    Welcome
    | Joined
    | Left
    | StatusChanged
    | Text
    | Notice
    | ReadElsewhere
    | EnteredRoom
    | LeftRoom
    | TopicChanged
    | RoomChanged
    | Invited
    | HereCount
    | BadFrame
)
Event: TypeAlias = EventWithoutAttachment | Attachment
