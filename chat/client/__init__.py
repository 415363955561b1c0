"""A chat client as a library, in blocking style.

::

    from chat.client import Text, connect

    with connect("127.0.0.1:8080", "echo") as room:
        for event in room:
            if isinstance(event, Text) and not event.own:
                room.send_text(event.text, to=event.sender)

Programs may send from any thread. A program on gevent passes ``runtime=GEVENT`` of ``chat.client.gevent_runtime``.
The library prints nothing, and importing it loads neither gevent nor curses.

Deprecated names still work, and warn: ``Fate`` is now ``Status``, ``Stranger`` is now ``UnknownServer``, and
``Receipt.fate`` is now ``Receipt.status``.
"""

import warnings
from typing import Any

from chat.client.answers.listings import ListedRoom
from chat.client.connection.connection import Connection
from chat.client.connection.events import (
    Attachment,
    BadFrame,
    EnteredRoom,
    Event,
    EventsDropped,
    HereCount,
    Invited,
    Joined,
    Left,
    LeftRoom,
    Limits,
    MessagePage,
    Notice,
    ReadElsewhere,
    RoomChanged,
    RoomFacts,
    RoomHistory,
    StatusChanged,
    Text,
    TopicChanged,
    Welcome,
)
from chat.client.connection.outgoing import split_text
from chat.client.connection.receipts import Receipt, Status
from chat.client.connection.rooms.room import Room
from chat.client.connection.saver import Saving
from chat.client.errors import (
    ChatError,
    ConnectError,
    ConnectionLost,
    Dismissed,
    LoginRefused,
    NotEncrypted,
    NotSent,
    NotSupported,
    QueryRefused,
    SaveFailed,
    TransferCancelled,
    TransferFailed,
    UntrustedServer,
)
from chat.client.resuming.connect import connect
from chat.client.resuming.events import (
    CatchUpBegan,
    CatchUpEnded,
    Disconnected,
    LineFound,
    LineRestored,
    MissingMessages,
    PerhapsSaid,
    Renumbered,
    RoomEvent,
)
from chat.client.resuming.room import ReconnectingRoom
from chat.client.runtime.cancellation import Cancellation
from chat.client.state.errors import StateFileError
from chat.client.state.unanswered_line import UnansweredLine
from chat.client.trust.connector import UnknownServer
from chat.protocol.commands import Command, Verb
from chat.protocol.descriptor import MessageType

__all__ = [
    "Attachment",
    "BadFrame",
    "Cancellation",
    "CatchUpBegan",
    "CatchUpEnded",
    "ChatError",
    "Command",
    "ConnectError",
    "Connection",
    "ConnectionLost",
    "Disconnected",
    "Dismissed",
    "EnteredRoom",
    "Event",
    "EventsDropped",
    "HereCount",
    "Invited",
    "Joined",
    "Left",
    "LeftRoom",
    "Limits",
    "LineFound",
    "LineRestored",
    "ListedRoom",
    "LoginRefused",
    "MessagePage",
    "MessageType",
    "MissingMessages",
    "NotEncrypted",
    "NotSent",
    "NotSupported",
    "Notice",
    "PerhapsSaid",
    "QueryRefused",
    "ReadElsewhere",
    "Receipt",
    "ReconnectingRoom",
    "Renumbered",
    "Room",
    "RoomChanged",
    "RoomEvent",
    "RoomFacts",
    "RoomHistory",
    "SaveFailed",
    "Saving",
    "StateFileError",
    "Status",
    "StatusChanged",
    "Text",
    "TopicChanged",
    "TransferCancelled",
    "TransferFailed",
    "UnansweredLine",
    "UnknownServer",
    "UntrustedServer",
    "Verb",
    "Welcome",
    "connect",
    "split_text",
]

_DEPRECATED = {"Fate": "Status", "Stranger": "UnknownServer"}


def __getattr__(name: str) -> Any:
    new = _DEPRECATED.get(name)
    if new is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"chat.client.{name} is now chat.client.{new}", DeprecationWarning, stacklevel=2)
    return globals()[new]
