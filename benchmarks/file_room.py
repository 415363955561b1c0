"""Set up a room of our server in which one user sends a file to some, and two talk meanwhile."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import IO

from benchmarks.load import Crowd, Entrance, counting
from benchmarks.peers.chat import ORDER, json_login, raw_login
from benchmarks.peers.peer import MARKERS, content_of
from benchmarks.plan import BenchmarkError
from benchmarks.processes import ServerProcess
from benchmarks.tls import TlsSocket
from chat.framing import FrameReader
from chat.protocol.descriptor import Descriptor, MessageType, encode_frame
from chat.protocol.headers import (
    ClientHeader,
    LoginHeader,
    encode_client_header,
    parse_json_object,
)

_INTERVAL = 0.01  # seconds between two messages of the talk
_PATIENCE = 60.0
_CHUNK = 1024 * 1024
_PIECE = 16 * 1024  # a record of TLS
_MARKER = MARKERS[0]
_OFFER = re.compile(rb'"id":"([^"]+)"')


class FileRoom:
    """Hold the room. ``fetchers`` are users with our client. ``waits`` are the delays of the talk, in seconds."""

    def __init__(
        self, server: ServerProcess, crowd: Crowd, is_encrypted: bool, fetchers: int
    ) -> None:
        self.waits: list[float] = []
        self._crowd = crowd
        self._entrance = Entrance(crowd, server.address, is_encrypted=is_encrypted)
        self._sent: list[float] = []
        self._heard: dict[socket.socket, int] = {}
        self._offers: list[str] = []
        # The receivers of the file, and how many bytes each had received before.
        self._receivers: list[socket.socket] = []
        self._before: dict[int, int] = {}
        self._tokens = [self._let_in_with_token(f"fetcher{number}") for number in range(fetchers)]
        logins = [json_login(name) for name in ("talker", "listener", "uploader")]
        self._talker, listener, self._uploader = self._entrance.let_in(logins)
        for sock in (self._talker, listener):
            self._heard[sock] = 0
            crowd.read_by(sock, partial(self._hear, sock))
        crowd.read_by(self._uploader, self._look_for_offer)

    def let_in_raw_receivers(self, number: int) -> None:
        """Let users in to whom the file is sent without an offer."""
        sockets = self._entrance.let_in(raw_login(f"raw{index}") for index in range(number))
        self._crowd.settle()
        for sock in sockets:
            self._receive_on(sock)

    def upload(self, file: IO[bytes], size: int) -> None:
        """Send the file to the server, to the last byte that the kernel takes.

        The server's work from here on counts as delivery, though a little of the upload is left. The other way round,
        raw receivers would get their first bytes before the measurement.
        """
        self._offers.clear()
        for sock in self._receivers:
            self._before[sock.fileno()] = self._crowd.received[sock.fileno()]
        header = encode_client_header(ClientHeader(filename="file"))
        descriptor = Descriptor(MessageType.FILE, len(header), size).encode(ORDER)
        self._uploader.sendall(descriptor + header)
        offset = 0

        def send() -> None:
            nonlocal offset
            if isinstance(self._uploader, TlsSocket):
                offset += self._send_piece(file, offset)
            else:
                offset += os.sendfile(self._uploader.fileno(), file.fileno(), offset, _CHUNK)
            if offset == size:
                self._crowd.want_to_write(self._uploader, None)

        self._crowd.want_to_write(self._uploader, send)
        self._talk_until(lambda: offset == size)

    def _send_piece(self, file: IO[bytes], offset: int) -> int:
        # After a piece that was not taken, OpenSSL wants the same piece again.
        try:
            return self._uploader.send(os.pread(file.fileno(), _PIECE, offset))
        except BlockingIOError:
            return 0

    def deliver(self, size: int) -> None:
        """Go on until the file was offered, and everyone has it."""
        self._talk_until(lambda: bool(self._offers))
        for token in self._tokens:
            self._fetch(token, self._offers[0])
        received = self._crowd.received
        self._talk_until(
            lambda: all(received[fd] >= before + size for fd, before in self._before.items())
        )
        if self._tokens:
            self._end_fetching()

    def _fetch(self, token: str, offer: str) -> None:
        login = encode_client_header(LoginHeader("", session=token, is_json=True))
        hello = encode_frame(MessageType.LOGIN, login, b"", ORDER)
        fetch = encode_client_header(ClientHeader(fetch=offer))
        hello += encode_frame(MessageType.FILE, fetch, b"", ORDER)
        sock = self._entrance.connect()
        sock.sendall(hello)
        sock.setblocking(False)
        self._crowd.add(sock)
        self._receive_on(sock)

    def _end_fetching(self) -> None:
        for sock in self._receivers:
            del self._before[sock.fileno()]
            self._crowd.forget(sock)
        self._receivers.clear()

    def _receive_on(self, sock: socket.socket) -> None:
        self._receivers.append(sock)
        self._before[sock.fileno()] = self._crowd.received[sock.fileno()]
        self._crowd.read_by(sock, counting(sock))

    def _let_in_with_token(self, name: str) -> str:
        """Let a user in, and return the token for the user's transfers."""
        sock = self._entrance.connect()
        sock.sendall(json_login(name).hello)
        reader = FrameReader(sock, ORDER)
        content = b""
        for _ in range(2):  # the answer, and the user's own announcement
            descriptor = reader.read_descriptor()
            assert descriptor is not None, "the login was refused"
            reader.skip(descriptor.header_size)
            content = reader.recv_exactly(descriptor.content_size)
        sock.setblocking(False)
        self._crowd.add(sock)
        return str(parse_json_object(content)["session"])

    def _talk_until(self, condition: Callable[[], bool]) -> None:
        """Have one user say something at an even pace until ``condition`` holds."""
        message = encode_frame(MessageType.UTF8, b"", content_of(100, _MARKER), ORDER)
        deadline = time.monotonic() + _PATIENCE
        due = time.monotonic()
        while not condition():
            now = time.monotonic()
            if now >= due:
                due += _INTERVAL
                self._sent.append(now)
                self._talker.sendall(message)
            if now > deadline:
                raise BenchmarkError("the file had not arrived in time")
            self._crowd.turn()

    def _hear(self, sock: socket.socket) -> int:
        data = sock.recv(65536)
        now = time.monotonic()
        heard = self._heard[sock]
        self._heard[sock] = heard + data.count(_MARKER)
        self.waits += [now - sent for sent in self._sent[heard : self._heard[sock]]]
        return len(data)

    def _look_for_offer(self) -> int:
        data = self._uploader.recv(65536)
        self._offers += [id.decode() for id in _OFFER.findall(data)]
        return len(data)
