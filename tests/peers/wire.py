"""A connection for test peers: bytes sent, bytes received, and a time limit on everything.

Nothing of ``chat`` reads or writes here, so that a fault of its framing cannot hide itself.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from types import TracebackType

import gevent.socket

PATIENCE = 30.0  # seconds after which what was waited for is taken to stay away: the test fails instead of hanging

Address = tuple[str, int] | str


class Wire:
    """A stream to ``address``: ``(host, port)``, or the path of a unix socket.

    The socket is gevent's, so a test may run the server beside it in the same process; against a server of another
    process it works just the same. ``receive_buffer`` (bytes) makes the kernel take less on our behalf, for peers
    that are slow on purpose. ``source`` is the own address, to be several hosts on one loopback.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout: float = PATIENCE,
        receive_buffer: int | None = None,
        source: str | None = None,
    ) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else _family(address[0])
        self.timeout = timeout
        self.socket = gevent.socket.socket(family, socket.SOCK_STREAM)
        self._buffer = bytearray()
        try:
            self.socket.settimeout(timeout)
            if receive_buffer is not None:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if source is not None:
                self.socket.bind((source, 0))
            self.socket.connect(address)
            if not isinstance(address, str):
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            # A killed greenlet keeps its traceback, and so this socket: the server would see a silent connection.
            self.close()
            raise

    def send_bytes(self, data: bytes) -> None:
        """All of it, or TimeoutError."""
        self.socket.sendall(data)

    def receive_exactly(self, size: int) -> bytes:
        """``size`` bytes; raises EOFError if the stream ends before, TimeoutError if they stay away."""
        deadline = time.monotonic() + self.timeout
        while len(self._buffer) < size:
            if not self._receive(deadline):
                raise EOFError(f"the stream ended after {len(self._buffer)} of {size} bytes")
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def receive_some(self, limit: int) -> bytes:
        """1 to ``limit`` bytes, or none at the end of the stream."""
        if not self._buffer:
            self._receive(time.monotonic() + self.timeout)
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return data

    def at_end(self) -> bool:
        """Wait for a byte or the end; tell whether the stream has ended, by a close or a reset."""
        if self._buffer:
            return False
        try:
            return not self._receive(time.monotonic() + self.timeout)
        except ConnectionError:
            return True

    def finish(self) -> None:
        """Tell the other side that nothing more comes; its bytes can still be read."""
        with contextlib.suppress(OSError):  # it may have closed first
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Vanish: the other side gets a reset instead of an end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _receive(self, deadline: float) -> bool:
        self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            data = self.socket.recv(256 * 1024)
        finally:
            self.socket.settimeout(self.timeout)
        self._buffer += data
        return bool(data)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
