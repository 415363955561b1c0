"""What a connection tells: the values that iterating over it yields.

All are frozen. ``timestamp`` is the server's, in UTC. ``own`` says that this connection's user caused it; then
``receipt`` is that of the call that sent it, if this very connection did. Strings are as the server sent them: whoever
shows them on a terminal makes them harmless first (a file name is safe to save under, see ``saving``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from chat.client.connection.receipts import Receipt
from chat.client.connection.saver import Saving
from chat.protocol.descriptor import MessageType


@dataclass(frozen=True)
class Limits:
    """What the server takes, in bytes; contents over ``inline`` travel by transfer connections."""

    max_text: int = 64 * 1024
    max_file: int = 1024**3
    inline: int = 64 * 1024


@dataclass(frozen=True)
class Welcome:
    """We are in the room: the first event of a connection. ``username`` is ours as the server knows it.

    An original server tells neither who else is there nor its name.
    """

    username: str
    timestamp: datetime
    users: tuple[str, ...] = ()
    server: str | None = None
    session: str | None = field(default=None, repr=False)  # who knows it may send in our name
    limits: Limits = Limits()
    motd: str | None = None


@dataclass(frozen=True)
class Joined:
    """Somebody else came in."""

    username: str
    timestamp: datetime


@dataclass(frozen=True)
class Left:
    """Somebody else is gone. ``reason``: a value of ``notices.LeaveReason``, or another, or None (original server)."""

    username: str
    timestamp: datetime
    reason: str | None = None


@dataclass(frozen=True)
class Text:
    """``to`` is None for a message to everyone, else the user whom it is meant for: us, or whom we sent it to."""

    sender: str
    timestamp: datetime
    text: str
    to: str | None = None
    own: bool = False
    receipt: Receipt | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Attachment:
    """A file, an image or a voice message: ``kind`` is MessageType.FILE, IMAGE or VOICE.

    Of ``size`` bytes. Where they are depends:

    - ``content``: here, if they came with the message and are at most 64 KiB;
    - ``saving``: on their way to the save directory, if they came with the message, there is such a directory and the
      message is not ours; ``saving.wait()`` returns where they are, or raises SaveFailed;
    - ``offer``: still on the server; ``Connection.fetch`` gets them;
    - nowhere, for a large one that came with the message and is ours, or is not to be saved: then ``problem`` says why.

    ``filename`` is cleaned: a base name, not hidden, no option, no control characters.
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


@dataclass(frozen=True)
class Notice:
    """The server speaks to us: of something that we sent (``receipt`` says what), or on its own, such as that it stops.

    ``code`` is a value of ``chat.protocol.notices.NoticeCode``, or another if the server is newer than we are.
    ``dismisses``: it tells why the server ends the connection now, and on purpose.
    """

    code: str
    sentence: str
    timestamp: datetime
    receipt: Receipt | None = field(default=None, compare=False, repr=False)
    dismisses: bool = False


@dataclass(frozen=True)
class BadFrame:
    """The server sent what the protocol does not allow; ``problem`` is a sentence. The frame was skipped."""

    problem: str


Event: TypeAlias = Welcome | Joined | Left | Text | Attachment | Notice | BadFrame
