"""A fake of the original server, as strict and as careless as its captured bytes show it to be.

Little-endian only. Before a login any type that it does not know is answered ``05 00`` with stray memory in the
reserved bytes; the header of a login is the name, without a check. A header on anything but Login and File is not
looked for: it would be read as content. A frame over 16 KiB ends the connection.
"""

from __future__ import annotations

import itertools
import json
import socket
import struct
import threading
from contextlib import suppress
from datetime import datetime, timezone
from types import TracebackType
from typing import NamedTuple

LOGIN, LOGOUT, USERNAME_EXISTS, BAD_USERNAME, BAD_LOGIN = range(1, 6)
IMAGE, UTF8, FILE, VOICE = range(6, 10)
LARGEST_FRAME = 16 * 1024
STRAY_MEMORY = b"\xc4\x7f\x00\x80"


class Received(NamedTuple):
    """A message as the server understood it."""

    sender: str
    type: int
    filename: bytes | None
    content: bytes


class OriginalServer:
    """Run in threads on a free port while the ``with`` block runs. ``received`` collects every message."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.logins: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.wire_address: tuple[str, int] = self._listener.getsockname()
        self.address = f"127.0.0.1:{self.wire_address[1]}"
        self._lock = threading.Lock()
        self._users: dict[str, socket.socket] = {}
        self._connections: list[socket.socket] = []
        self._seconds = itertools.count()

    def __enter__(self) -> OriginalServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for sock in [self._listener, *self._connections]:
            _end(sock)

    def say(self, sender: str, type: int, content: bytes, filename: str | None = None) -> None:
        """Tell everyone what somebody sent, who need not be there: any name travels as it is."""
        values = {"from": sender} if filename is None else {"from": sender, "filename": filename}
        with self._lock:
            self._tell_everyone(type, values, content)

    def drop_everyone(self) -> None:
        """Cut all connections; the server goes on."""
        for sock in list(self._connections):
            with suppress(OSError):  # it has ended by itself
                sock.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        name = None
        try:
            name = self._log_in(sock)
            if name is not None:
                self._relay(sock, name)
        except (OSError, EOFError):
            return
        finally:
            if name is not None:
                with self._lock:
                    del self._users[name]
                    self._tell_everyone(LOGOUT, {"from": name})
            _end(sock)

    def _log_in(self, sock: socket.socket) -> str | None:
        type, header_size, _ = _read_descriptor(sock)
        if type != LOGIN:
            self._reply(sock, BAD_LOGIN)
            return None
        header = _read(sock, header_size)
        self.logins.append(header)
        try:
            name = header.decode()
        except UnicodeDecodeError:
            self._reply(sock, BAD_USERNAME)
            return None
        with self._lock:
            if name in self._users:
                self._reply(sock, USERNAME_EXISTS)
                return None
            self._reply(sock, LOGIN)
            self._users[name] = sock
            self._tell_everyone(LOGIN, {"from": name})
        return name

    def _relay(self, sock: socket.socket, name: str) -> None:
        while True:
            type, header_size, content_size = _read_descriptor(sock)
            if type not in (IMAGE, UTF8, FILE, VOICE):
                return
            filename = _read(sock, header_size) if type == FILE else None
            if content_size > LARGEST_FRAME:
                return
            content = _read(sock, content_size)
            values = {"from": name}
            if filename is not None:
                values["filename"] = filename.decode(errors="replace")
            with self._lock:
                self.received.append(Received(name, type, filename, content))
                self._tell_everyone(type, values, content)

    def _tell_everyone(self, type: int, values: dict[str, str], content: bytes = b"") -> None:
        moment = datetime.fromtimestamp(1_800_000_000 + next(self._seconds), timezone.utc)
        timestamp = moment.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
        header = json.dumps(
            {"timestamp": timestamp, **values}, ensure_ascii=False, separators=(",", ":")
        ).encode()
        frame = _descriptor(type, len(header), len(content)) + header + content
        for sock in self._users.values():
            try:
                sock.sendall(frame)
            except OSError:
                continue  # its own thread will find out

    def _reply(self, sock: socket.socket, type: int) -> None:
        sock.sendall(_descriptor(type, 0, 0))


def _descriptor(type: int, header_size: int, content_size: int) -> bytes:
    return struct.pack("<HH4sQ", type, header_size, STRAY_MEMORY, content_size)


def _read_descriptor(sock: socket.socket) -> tuple[int, int, int]:
    type, header_size, content_size = struct.unpack("<HH4xQ", _read(sock, 16))
    return type, header_size, content_size


def _read(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def _end(sock: socket.socket) -> None:
    """Wakes the thread that waits on it."""
    with suppress(OSError):  # it has ended by itself
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
