"""A chat client as a library, in blocking style.

::

    from chat.client import Text, connect

    with connect("127.0.0.1:8080", "echo") as room:
        for event in room:
            if isinstance(event, Text) and not event.own:
                room.send_text(event.text, to=event.sender)

Ordinary programs may send from any thread; programs on gevent pass ``runtime=GEVENT`` of
``chat.client.gevent_runtime``. Nothing here prints, and importing it loads neither gevent nor curses.
"""

from chat.client.cancellation import Cancellation
from chat.client.connecting import connect
from chat.client.connection import Connection
from chat.client.errors import (
    ChatError,
    ConnectError,
    ConnectionLost,
    Dismissed,
    LoginRefused,
    NotEncrypted,
    NotSent,
    NotSupported,
    SaveFailed,
    TransferCancelled,
    TransferFailed,
    UntrustedServer,
)
from chat.client.events import (
    Attachment,
    BadFrame,
    Event,
    Joined,
    Left,
    Limits,
    Notice,
    Text,
    Welcome,
)
from chat.client.outgoing import split_text
from chat.client.receipts import Fate, Receipt
from chat.client.saver import Saving
from chat.client.trust import Stranger
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import MessageType

__all__ = [
    "Attachment",
    "BadFrame",
    "Cancellation",
    "ChatError",
    "Command",
    "ConnectError",
    "Connection",
    "ConnectionLost",
    "Dismissed",
    "Event",
    "Fate",
    "Joined",
    "Left",
    "Limits",
    "LoginRefused",
    "MessageType",
    "NotEncrypted",
    "NotSent",
    "NotSupported",
    "Notice",
    "Receipt",
    "SaveFailed",
    "Saving",
    "Stranger",
    "Text",
    "TransferCancelled",
    "TransferFailed",
    "UntrustedServer",
    "Verb",
    "Welcome",
    "connect",
    "split_text",
]
