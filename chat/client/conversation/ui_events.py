"""What a face shows: the events of the connection, and what became of what was asked on this side.

Named tuples, which cost an eighth of a frozen dataclass at each start of the program. A face tells them apart by class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, Protocol, TypeAlias

from chat.client.connection.events import Attachment, BadFrame, Joined, Left, Notice, Text, Welcome
from chat.client.conversation.requests import Request
from chat.client.conversation.transfer_list import Transfer

# How whoever asked recognizes the answer; None: does not care.
Tag: TypeAlias = str | int | None


class Announced(NamedTuple):
    """Somebody sent an attachment. ``transfer`` is its entry in the list; None for our own."""

    attachment: Attachment
    transfer: Transfer | None


class TransferChanged(NamedTuple):
    """A transfer began or ended: see its ``state``. ``tag`` is that of the request, if there was one."""

    transfer: Transfer


class Preview(NamedTuple):
    """An image that is not saved, to be drawn. The frontend that draws the image closes ``file``."""

    transfer: Transfer
    file: BinaryIO


class Done(NamedTuple):
    """What was asked has been done; a text or a file has been accepted by the server.

    ``answer`` is what the server says to that.
    """

    tag: Tag = None
    answer: str | None = None


class Failed(NamedTuple):
    """What was asked can't be done, or was refused. ``code`` is for programs, ``sentence`` for people."""

    code: str
    sentence: str
    tag: Tag = None


class Problem(NamedTuple):
    """Something that nobody asked for went wrong, such as saving what came in."""

    sentence: str


@dataclass(frozen=True)
class Disconnected:
    """The connection was lost, or could not be made again; in ``retry_in`` seconds there will be another try.

    None: only when somebody asks for one, on the screen.
    """

    reason: str
    retry_in: float | None


class Lag(NamedTuple):
    """The server has owed an answer for ``seconds`` without sending a byte; 0.0: the server is heard again."""

    seconds: float


class UserList(NamedTuple):
    """Who is in the room. ``complete`` is False if the server does not say, so only who was seen is known."""

    users: tuple[str, ...]
    complete: bool
    tag: Tag = None


class TransferListing(NamedTuple):
    """The attachments and how far they are, oldest first."""

    transfers: tuple[Transfer, ...]
    tag: Tag = None


class Explanation(NamedTuple):
    """Lines of help."""

    lines: tuple[str, ...]


UiEvent: TypeAlias = (
    Welcome
    | Joined
    | Left
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
    | Lag
    | UserList
    | TransferListing
    | Explanation
)


class Frontend(Protocol):
    """How the client speaks to whoever runs it: plain lines, JSON lines, a screen."""

    def show(self, event: UiEvent) -> None:
        """May wait until there is room for it where it goes."""
        ...


class Asked(NamedTuple):
    """A request, and the tag under which its outcome is to be told."""

    request: Request
    tag: Tag = None
