"""What a person or a program can ask of the client, whichever way it was put: as a command, as JSON, by a key.

Values without behaviour; ``chat.client.conversation`` does them.
"""

from __future__ import annotations

from dataclasses import dataclass

from chat.protocol.descriptor import MessageType


class RequestError(Exception):
    """It cannot be understood; the text is one sentence for whoever asked."""


@dataclass(frozen=True)
class Say:
    """A text, to everyone or to one user."""

    text: str
    to: str | None = None


@dataclass(frozen=True)
class Reply:
    """A text to who last sent a private one."""

    text: str


@dataclass(frozen=True)
class SendFile:
    """A file or a directory at ``path`` as File, Image or Voice (``kind``), to everyone or to one user."""

    path: str
    kind: MessageType = MessageType.FILE
    to: str | None = None


@dataclass(frozen=True)
class Get:
    """Fetch the attachment that was announced under ``number``."""

    number: int


@dataclass(frozen=True)
class Cancel:
    """Give up the transfer ``number``, in either direction."""

    number: int


@dataclass(frozen=True)
class ListTransfers:
    """Which attachments there are and how far they are."""


@dataclass(frozen=True)
class Who:
    """Who is in the room."""


@dataclass(frozen=True)
class Help:
    """The commands, or one of them."""

    command: str | None = None


@dataclass(frozen=True)
class Quit:
    """Leave the room."""


Request = Say | Reply | SendFile | Get | Cancel | ListTransfers | Who | Help | Quit
