"""The events that a frontend shows: events of the connection, and outcomes of the user's requests.

A frontend tells them apart by their class.
"""

from __future__ import annotations

from typing import BinaryIO, Protocol, TypeAlias

from chat.client.attention.highlights import Mention
from chat.client.connection.events import (
    Attachment,
    BadFrame,
    Joined,
    Left,
    Notice,
    StatusChanged,
    Text,
    Welcome,
)
from chat.client.conversation.requests import Request
from chat.client.conversation.transfer_list import Transfer
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
    """A request has failed, or was refused. ``code`` is for programs, ``sentence`` for the user."""

    code: str
    sentence: str
    tag: Tag = None


class Problem(Struct):
    """An error that belongs to no request, such as a failure to save an attachment automatically."""

    sentence: str


class Disconnected(Struct):
    """The connection was lost, or a reconnect failed. The next attempt follows in ``retry_in`` seconds.

    None: the next attempt waits until the user asks for it, on the screen.
    """

    reason: str
    retry_in: float | None


class Earlier(Struct):
    """The next ``number`` messages are earlier ones (``begins``), or the last ``number`` messages were.

    ``away``: they were said while the connection was lost. ``missing`` further messages, before them, are not shown.
    """

    number: int
    away: bool = False
    begins: bool = False
    missing: int = 0


class Renumbered(Struct):
    """The server began to count its messages anew, so nobody can tell which of them were shown already."""


class Lag(Struct):
    """The server has owed an answer for ``seconds`` without sending a byte. 0.0: the server is heard again."""

    seconds: float


class UserList(Struct):
    """The users in the room. ``complete`` is False if the server sends no list: then these users were seen.

    ``registered`` and ``moderators`` are the users among them whose name is their account, and who may moderate.
    """

    users: tuple[str, ...]
    complete: bool
    tag: Tag = None
    registered: frozenset[str] = frozenset()
    moderators: frozenset[str] = frozenset()


class UserFound(Struct):
    """The answer to a question about the user ``username``. ``is_here`` is False if nobody in the room has the name."""

    username: str
    is_here: bool
    registered: bool = False
    moderator: bool = False


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


class Told(Struct):
    """The answer to a request that concerns this client alone; at least one line."""

    lines: tuple[str, ...]


UiEvent: TypeAlias = (
    Welcome
    | Joined
    | Left
    | StatusChanged
    | Text
    | Notice
    | BadFrame
    | Announced
    | TransferChanged
    | Preview
    | Done
    | Failed
    | Problem
    | Disconnected
    | Earlier
    | Renumbered
    | Lag
    | UserList
    | UserFound
    | TransferListing
    | Explanation
    | MentionList
    | Told
)


class Frontend(Protocol):
    """One presentation of the client: plain lines, JSON lines, or a screen."""

    def show(self, event: UiEvent) -> None:
        """Show an event. May wait until the output has room."""
        ...


class Asked(Struct):
    """A request, and the tag of its outcome."""

    request: Request
    tag: Tag = None
