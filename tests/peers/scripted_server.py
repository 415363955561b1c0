"""A server that does what a test tells it to, right or wrong: each connection is served by the next script."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple

from chat.protocol.descriptor import DESCRIPTOR_SIZE, ByteOrder, Descriptor, MessageType

PATIENCE = 30.0  # seconds
TLS_HANDSHAKE = b"\x16"  # the first byte of a client that speaks TLS
NOON = "2026-11-24T12:00:00.5Z"


class ClientFrame(NamedTuple):
    """A frame that a client sent."""

    type: int
    header: bytes
    content: bytes

    @property
    def fields(self) -> dict[str, Any]:
        """Return the fields of a JSON header."""
        values: dict[str, Any] = json.loads(self.header)
        return values


class Peer:
    """One client, seen from the server."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock
        self.order = ByteOrder.BIG

    def read(self) -> ClientFrame | None:
        """The next frame, None at the end of the stream."""
        data = self._read(DESCRIPTOR_SIZE)
        if not data:
            return None
        descriptor = Descriptor.decode(data, self.order)
        return ClientFrame(
            descriptor.type,
            self._read(descriptor.header_size),
            self._read(descriptor.content_size),
        )

    def read_header(self) -> dict[str, Any]:
        """Read the JSON header of the next frame, and nothing of its content."""
        descriptor = Descriptor.decode(self._read(DESCRIPTOR_SIZE), self.order)
        fields: dict[str, Any] = json.loads(self._read(descriptor.header_size))
        return fields

    def expect(self, type: MessageType) -> ClientFrame:
        frame = self.read()
        assert frame is not None
        assert frame.type == type
        return frame

    def send(
        self,
        type: int,
        header: dict[str, Any] | bytes = b"",
        content: bytes = b"",
        *,
        size: int | None = None,
    ) -> None:
        """Send a frame; ``size``: the announced size, if it differs from the size of ``content``."""
        raw = header if isinstance(header, bytes) else json.dumps(header).encode()
        announced = len(content) if size is None else size
        self.sock.sendall(Descriptor(type, len(raw), announced).encode(self.order) + raw + content)

    def say(self, type: MessageType, sender: str, content: bytes = b"", **fields: Any) -> None:
        """A frame with a proper server header."""
        self.send(type, {"from": sender, "timestamp": NOON, **fields}, content)

    def notice(self, code: str, sentence: str, **fields: Any) -> None:
        self.say(MessageType.UTF8, "server", sentence.encode(), notice=code, **fields)

    def welcome(self, **fields: Any) -> str:
        """Take a JSON login of any name, announce it, and welcome it; the name."""
        name = str(self.expect(MessageType.LOGIN).fields["to"])
        self.send(MessageType.LOGIN)
        content = {"users": [name], "server": "scripted/1", "session": "token", **fields}
        self.say(MessageType.LOGIN, name, json.dumps(content).encode())
        return name

    def welcome_raw(self) -> str:
        """Answer a raw, little-endian login, as ``welcome`` does for JSON; return the name."""
        self.order = ByteOrder.LITTLE
        name = self.expect(MessageType.LOGIN).header.decode()
        self.send(MessageType.LOGIN)
        self.say(MessageType.LOGIN, name)
        return name

    def let_transfer(self) -> None:
        """Take the login of a transfer connection."""
        assert self.expect(MessageType.LOGIN).fields == {"session": "token"}
        self.send(MessageType.LOGIN)

    def reset(self) -> None:
        """End it so that the client sees a reset rather than an end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_for_end(self) -> None:
        """Read whatever still comes, until the client closes."""
        while self.read() is not None:
            continue

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.sock.recv(min(size - len(data), 1 << 20))
            if not piece:
                break
            data += piece
        return bytes(data)


Script = Callable[[Peer], object]


class ScriptedServer:
    """Run one script for each connection in turn; the end of the block raises the exception of a failed script.

    The server speaks no TLS. It closes a connection that begins with a TLS hello, and uses no script for it.
    """

    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(PATIENCE)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def __enter__(self) -> ScriptedServer:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._listener:
            if error is not None:
                return
            for thread in self._threads:
                thread.join(PATIENCE)
        if self._failures:
            raise self._failures[0]

    def _accept(self) -> None:
        for script in self._scripts:
            sock, _ = self._listener.accept()
            while sock.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE:
                sock.close()
                sock, _ = self._listener.accept()
            self._start(self._serve, sock, script)

    def _serve(self, sock: socket.socket, script: Script) -> None:
        with sock:
            script(Peer(sock))
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _start(self, function: Callable[..., object], *arguments: object) -> None:
        def run() -> None:
            try:
                function(*arguments)
            except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
                self._failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()
