"""The events that a frontend shows: events of the connection, and outcomes of the user's requests.

A frontend tells them apart by their class.
"""

from __future__ import annotations

from datetime import datetime
from typing import BinaryIO, Protocol, TypeAlias

from chat.client.answers.listings import KnownDevice, ListedRoom, read_devices, read_names
from chat.client.attention.highlights import Mention
from chat.client.attention.names import folded
from chat.client.connection.connection import Connection
from chat.client.connection.events import Attachment, EventWithoutAttachment, Text
from chat.client.conversation.requests import FetchEarlier, FetchFound, ListFiles, Request
from chat.client.conversation.room_requests import ListRooms
from chat.client.conversation.transfer_list import Transfer
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    Disconnected,
    LineRestored,
    MissingMessages,
    Renumbered,
)
from chat.client.state.places import MAILBOX, room_log
from chat.client.state.unanswered_line import UnansweredLine
from chat.net.address import Address
from chat.protocol.commands import Verb
from chat.structs import Struct

# The mark by which a frontend recognizes the outcome of its request; None: it does not need to.
Tag: TypeAlias = str | int | None


class Announced(Struct):
    """A user sent an attachment. ``transfer`` is its entry in the list; None for our own attachment."""

    attachment: Attachment
    transfer: Transfer | None


class TransferChanged(Struct):
    """A transfer began or ended: see its ``state``. Its ``tag`` is the tag of the request, if there was one."""

    transfer: Transfer


class Preview(Struct):
    """An image that is not saved, for a preview. The frontend that draws the image closes ``file``."""

    transfer: Transfer
    file: BinaryIO


class Done(Struct):
    """A request has succeeded; the server has accepted a text or a file.

    ``answer`` is the server's sentence, if there is one.
    """

    tag: Tag = None
    answer: str | None = None


class Failed(Struct):
    """A request has failed, or was refused. ``code`` is for programs, ``sentence`` for the user.

    ``room`` is the room that the request was for; None: the default room, or none.
    """

    code: str
    sentence: str
    tag: Tag = None
    room: str | None = None


class Problem(Struct):
    """An error that belongs to no request, such as a failure to save an attachment automatically."""

    sentence: str


class Doubted(Struct):
    """Nobody can find out whether ``line`` was said. The user can say it again, or drop it, by its ``number``.

    ``tag`` is that of the line while it was on its way.
    """

    line: UnansweredLine
    reason: str
    number: int
    tag: Tag = None


class DoubtSettled(Struct):
    """The doubt with this ``number`` is over. ``outcome`` is ``found``, ``said-again`` or ``dropped``."""

    number: int
    line: UnansweredLine
    outcome: str


class OtherAccount(Struct):
    """The user ``username`` is not the one who had this name in earlier private messages."""

    username: str


class Unconfirmed(Struct):
    """The server cannot confirm messages now; the oldest one waits ``since`` then. None: it confirms them again."""

    since: datetime | None


class Lag(Struct):
    """The server has owed an answer for ``seconds`` without sending a byte. 0.0: the server is heard again."""

    seconds: float


class UserList(Struct):
    """The users in ``room`` (None: the default room) whose names begin with ``prefix``.

    ``complete`` is False if the server sends no list: then these users were seen. ``registered`` and ``moderators`` are
    the users among them whose name is their account, and who may moderate, as far as the server tells. ``here`` counts
    the users in the room; None if unknown. ``has_more``: others follow behind the last one.
    """

    users: tuple[str, ...]
    complete: bool
    tag: Tag = None
    registered: frozenset[str] = frozenset()
    moderators: frozenset[str] = frozenset()
    room: str | None = None
    prefix: str = ""
    here: int | None = None
    has_more: bool = False


class RoomListing(Struct):
    """The rooms that the user may know, in the order of their names. ``has_more``: others follow."""

    request: ListRooms
    rooms: tuple[ListedRoom, ...]
    has_more: bool = False
    tag: Tag = None


class DeviceListing(Struct):
    """The devices that the server remembers for this user."""

    devices: tuple[KnownDevice, ...]
    tag: Tag = None


class BlockListing(Struct):
    """The users whose private messages the server refuses for this user."""

    users: tuple[str, ...]
    tag: Tag = None


class UserFound(Struct):
    """The answer to a question about the user ``username``. ``is_here`` is False if nobody in the room has the name."""

    username: str
    is_here: bool
    registered: bool = False
    moderator: bool = False


class ServerInfo(Struct):
    """The facts about the present server. ``others`` are the addresses of other servers of the same chat."""

    node: str | None
    address: Address | None
    version: str | None
    encrypted: bool
    others: tuple[Address, ...] = ()


class TransferListing(Struct):
    """The attachments and their progress, oldest first."""

    transfers: tuple[Transfer, ...]
    tag: Tag = None


class Explanation(Struct):
    """Lines of help."""

    lines: tuple[str, ...]


class MentionList(Struct):
    """The last texts that mentioned the user, oldest first."""

    mentions: tuple[Mention, ...]


class EarlierListing(Struct):
    """The earlier messages that ``request`` asked for, in the order of their numbers.

    ``has_older``, ``has_newer``: others come before them, or after them. The ranges in ``lost`` have no messages. The
    numbers are given under ``epoch``.
    """

    request: FetchEarlier
    messages: tuple[Text | Announced, ...]
    has_older: bool = False
    has_newer: bool = False
    lost: tuple[tuple[int, int], ...] = ()
    epoch: str | None = None
    tag: Tag = None

    @property
    def numbers(self) -> list[int]:
        """The numbers of the messages, lowest first."""
        said = (each if isinstance(each, Text) else each.attachment for each in self.messages)
        return [each.seq for each in said if each.seq is not None]


class FoundListing(Struct):
    """The messages that a search has found, newest first. It goes on before a number; None: there are no others.

    The numbers are given under ``epoch``. ``first`` is the place of the first one among all that the search has found,
    from 1.
    """

    request: FetchFound
    messages: tuple[Text | Announced, ...]
    goes_on_before: int | None = None
    epoch: str | None = None
    tag: Tag = None
    first: int = 1


class FileListing(Struct):
    """The attachments that can be fetched, newest first. ``has_more``: there are older ones."""

    request: ListFiles
    files: tuple[Announced, ...]
    has_more: bool = False
    tag: Tag = None


class Told(Struct):
    """The answer to a request that concerns this client alone; at least one line."""

    lines: tuple[str, ...]


UiEvent: TypeAlias = (
    EventWithoutAttachment
    | Announced
    | TransferChanged
    | Preview
    | Done
    | Failed
    | Problem
    | Disconnected
    | CatchUpBegan
    | CatchUpEnded
    | MissingMessages
    | Renumbered
    | LineRestored
    | Doubted
    | DoubtSettled
    | OtherAccount
    | Lag
    | Unconfirmed
    | UserList
    | RoomListing
    | DeviceListing
    | BlockListing
    | UserFound
    | ServerInfo
    | TransferListing
    | Explanation
    | MentionList
    | EarlierListing
    | FoundListing
    | FileListing
    | Told
)


def users_of(connection: Connection, tag: Tag) -> UserList:
    """Return the users in the default room, as the connection knows them."""
    return UserList(
        tuple(connection.users),
        not connection.original,
        tag,
        frozenset(connection.registered),
        frozenset(connection.moderators),
    )


def find_user(connection: Connection, name: str) -> UserFound:
    """Return what is known of the user with this name, in any spelling."""
    found = next((user for user in connection.users if folded(user) == folded(name)), None)
    return UserFound(
        found or name,
        found is not None,
        found in connection.registered,
        found in connection.moderators,
    )


def info_of(connection: Connection) -> ServerInfo:
    """Return what is known of the server of ``connection``."""
    return ServerInfo(
        connection.node,
        connection.address,
        connection.server,
        connection.encrypted,
        connection.servers,
    )


def listing_of(verb: str | None, answer: str, tag: Tag) -> DeviceListing | BlockListing | None:
    """Return what the ``answer`` to a command lists; None for an answer that is a sentence."""
    if verb == Verb.DEVICES.value and (devices := read_devices(answer)) is not None:
        return DeviceListing(devices, tag)
    if verb == Verb.BLOCKS.value and (users := read_names(answer)) is not None:
        return BlockListing(users, tag)
    return None


def holes_of(listing: EarlierListing) -> list[MissingMessages]:
    """Return the ranges between the messages of a listing whose messages are lost, in order."""
    request, numbers = listing.request, listing.numbers
    if not numbers:
        return []
    # What was asked for begins behind ``after``, and ends before ``before``.
    first = numbers[0] if request.after is None else request.after + 1
    last = numbers[-1] if request.before is None else request.before - 1
    return [
        MissingMessages(
            MAILBOX if request.private else room_log(request.room),
            max(start, first),
            min(end, last),
            "lost",
            request.room,
        )
        for start, end in listing.lost
        if start <= last and end >= first
    ]


class Frontend(Protocol):
    """One presentation of the client: plain lines, JSON lines, or a screen."""

    def show(self, event: UiEvent) -> None:
        """Show an event. May wait until the output has room."""
        ...


class Asked(Struct):
    """A request, and the tag of its outcome."""

    request: Request
    tag: Tag = None
