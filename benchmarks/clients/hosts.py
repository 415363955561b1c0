"""Play the server's side of a client's connection, as little of it as the client needs.

Bytes in, bytes out; no sockets.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from chat.protocol.descriptor import (
    DESCRIPTOR_SIZE,
    ByteOrder,
    Descriptor,
    MessageType,
    encode_frame,
)
from chat.protocol.headers import (
    ServerHeader,
    encode_json,
    encode_server_header,
    parse_login_header,
)

SPEAKERS = ("anna", "bert", "carla", "dmitri", "elif", "farid", "greta", "hiro")
OWN_NAME = "listener"
# At the speed of this host, a real server's messages have times about so far apart.
_INTERVAL = timedelta(microseconds=20)


class Message(NamedTuple):
    """Hold what ``sender``, one of SPEAKERS, says to everyone in ``room`` (None: the default room)."""

    sender: str
    text: bytes
    room: str | None = None


class Host(ABC):
    """Play the server of one client. ``is_inside``: the answers so far have let the client into the room."""

    def __init__(self) -> None:
        self.is_inside = False
        self._received = b""

    def answer(self, data: bytes) -> bytes:
        """Return what to send in answer to ``data`` from the client."""
        self._received += data
        return b"".join(self._answers())

    @abstractmethod
    def _answers(self) -> Iterable[bytes]:
        """Take the whole requests from ``_received``, and yield their answers."""

    @abstractmethod
    def encode(self, messages: Iterable[Message]) -> bytes:
        """Return messages as they go to the client."""


class ChatHost(Host):
    """Speak to our own client as our server does."""

    _ORDER = ByteOrder.BIG

    def __init__(self, rooms: Mapping[str, str] | None = None) -> None:
        """Let a client into ``rooms``, which have topics, beside the default room."""
        super().__init__()
        self._rooms = rooms or {}

    def _answers(self) -> Iterable[bytes]:
        while len(self._received) >= DESCRIPTOR_SIZE:
            descriptor = Descriptor.decode(self._received, self._ORDER)
            end_of_header = DESCRIPTOR_SIZE + descriptor.header_size
            end = end_of_header + descriptor.content_size
            if len(self._received) < end:
                return
            header = self._received[DESCRIPTOR_SIZE:end_of_header]
            self._received = self._received[end:]
            if descriptor.type == MessageType.LOGIN:
                yield self._let_in(parse_login_header(header).name)

    def encode(self, messages: Iterable[Message]) -> bytes:
        moment = datetime.now(timezone.utc)
        frames = []
        for sender, text, room in messages:
            header = encode_server_header(ServerHeader(sender, _rfc3339(moment), room=room))
            frames.append(encode_frame(MessageType.UTF8, header, text, self._ORDER))
            moment += _INTERVAL
        return b"".join(frames)

    def _let_in(self, name: str) -> bytes:
        self.is_inside = True
        header = encode_server_header(ServerHeader(name, _rfc3339(datetime.now(timezone.utc))))
        rooms = {
            # Nobody asks for the names of so many users.
            room: {"kind": "open", "topic": topic, "here": 5000}
            for room, topic in self._rooms.items()
        }
        welcome = encode_json(
            {
                "users": [*SPEAKERS, name],
                "server": "benchmark",
                "session": "0",
                **({"rooms": rooms} if rooms else {}),
            }
        )
        return encode_frame(MessageType.LOGIN, b"", b"", self._ORDER) + encode_frame(
            MessageType.LOGIN, header, welcome, self._ORDER
        )


class IrcHost(Host):
    """Speak RFC 2812, with one channel, which the client may join as soon as it has read GREETING."""

    CHANNEL = "#room"
    GREETING = "Welcome"
    _NAME = "irc.example"

    def _answers(self) -> Iterable[bytes]:
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            command, *parameters = line.decode(errors="replace").split() or [""]
            for answer in self._answer(command.upper(), parameters):
                yield f"{answer}\r\n".encode()

    def encode(self, messages: Iterable[Message]) -> bytes:
        return b"".join(
            f":{sender}!{sender}@host.example PRIVMSG {self.CHANNEL} :".encode() + text + b"\r\n"
            for sender, text, _ in messages
        )

    def _answer(self, command: str, parameters: list[str]) -> Iterable[str]:
        if command == "CAP" and parameters[:1] == ["LS"]:
            yield f":{self._NAME} CAP * LS :"
        elif command == "USER":
            yield self._numeric("001", f":{self.GREETING}")
            yield self._numeric("422", ":There is no message of the day")
        elif command == "JOIN":
            self.is_inside = True
            yield f":{OWN_NAME}!{OWN_NAME}@host.example JOIN {self.CHANNEL}"
            yield self._numeric("353", f"= {self.CHANNEL} :{' '.join((OWN_NAME, *SPEAKERS))}")
            yield self._numeric("366", f"{self.CHANNEL} :End of names")
        elif command == "MODE" and "b" in parameters[1:]:
            yield self._numeric("368", f"{self.CHANNEL} :End of bans")
        elif command == "MODE" and parameters[:1] == [self.CHANNEL]:
            yield self._numeric("324", f"{self.CHANNEL} +")
        elif command == "WHO":
            yield self._numeric("315", f"{self.CHANNEL} :End of who")
        elif command == "PING":
            yield f":{self._NAME} PONG {self._NAME} {' '.join(parameters)}"

    def _numeric(self, code: str, rest: str) -> str:
        return f":{self._NAME} {code} {OWN_NAME} {rest}"


def _rfc3339(moment: datetime) -> str:
    """Return a time as our server writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
