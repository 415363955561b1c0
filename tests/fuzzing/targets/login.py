"""The login at a server that answers anything: a documented error or a connection, and no secret in the clear."""

from __future__ import annotations

import random
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import cast

from chat.client import connect
from chat.client.connection.connection import Connection
from chat.client.connection.events import Event, Welcome
from chat.client.errors import ConnectError, ConnectionLost, LoginRefused
from chat.client.runtime.runtime import PLAIN, Runtime, Stream
from chat.client.trust.connector import TlsChoice, UnknownServer
from chat.net.address import Address
from tests.fuzzing.targets.hostile import FedStream
from tests.fuzzing.targets.streams import Stream as Fed
from tests.fuzzing.targets.streams import read_stream

FAR = 2  # the flag: the server is not on this machine
TRUSTS = 4  # the flag: the user trusts an unknown server
SECRET = "a secret of mine"
_NEAR_ADDRESS, _FAR_ADDRESS = "127.0.0.1:8080", "chat.example:8080"
_TLS: tuple[TlsChoice, ...] = ("off", "auto", "required", "off")
_MOST_EVENTS = 20


class _Probed(FedStream):
    """Remembers what was sent."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__(*pieces)
        self.sent = bytearray()

    def send(self, data: memoryview, timeout: float, /) -> int:
        self.sent += data
        return len(data)


class _Server:
    """A runtime in which each connection to whatever address is fed the same bytes."""

    def __init__(self, fed: Fed) -> None:
        self.streams: list[_Probed] = []
        self._fed = fed
        self._rng = random.Random(fed.seed)

    def connect(self, address: Address, timeout: float, *_: object) -> Stream:
        assert len(self.streams) < 10, "it tries for ever"
        stream = _Probed(*self._fed.pieces(self._rng))
        self.streams.append(stream)
        return stream

    def __getattr__(self, name: str) -> object:
        return getattr(PLAIN, name)


def check(data: bytes) -> None:
    """Raises AssertionError, or what ``connect`` raised against its word."""
    fed = read_stream(data)
    server = _Server(fed)
    is_far = bool(fed.flags & FAR)
    asked: list[UnknownServer] = []

    def judge(stranger: UnknownServer) -> bool:
        asked.append(stranger)
        assert stranger.question
        assert stranger.lines
        return bool(fed.flags & TRUSTS)

    with tempfile.TemporaryDirectory() as directory:
        try:
            connection: Connection | None = connect(
                _FAR_ADDRESS if is_far else _NEAR_ADDRESS,
                "bob",
                password=SECRET if fed.flags & 8 else None,
                tls=_TLS[fed.flags >> 4 & 3],
                known_hosts=Path(directory, "known"),
                trust=judge,
                byte_order="little" if fed.flags & 1 else "auto",
                runtime=cast(Runtime, server),
            )
        except (ConnectError, LoginRefused):
            connection = None
        if connection is not None:
            _hear_out(connection)
    assert len(asked) <= 1
    for stream in server.streams:
        assert stream.is_shut, "a connection was left open"
        assert not (is_far and SECRET.encode() in stream.sent), "a password in the clear"


def _hear_out(connection: Connection) -> None:
    events: list[Event] = []
    with suppress(ConnectionLost):
        while len(events) < _MOST_EVENTS and (event := connection.read()) is not None:
            events.append(event)
    if not connection.original:
        assert isinstance(events[0], Welcome)
    connection.close(0.1)
