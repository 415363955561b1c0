"""How bytes leave by one connection: never waiting unless asked to.

The seam for encryption: another transport may encrypt what ``try_send`` is given.
"""

from __future__ import annotations

import contextlib
import os
import socket as plain_socket
import struct
import time
from typing import TYPE_CHECKING, Any, cast

import gevent
from gevent import socket

from chat.net.dead_peer import is_dead

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

# So much of a file in one system call; between two calls others get their turn.
SENDFILE_CHUNK = 512 * 1024

# What is drained of a peer that goes on sending after we are done: without it the kernel resets the connection, and
# with it goes what we sent last.
_LINGER_BYTES = 16 * 1024 * 1024
_SILENCE = 1.0  # seconds without a byte after which nothing more is expected


class Transport:
    """A gevent socket as the delivery sees it. One writer at a time; everything raises OSError as the socket does.

    ``descriptor`` is what ``try_send`` does nothing but write to; None if it does more.
    """

    __slots__ = ("_fd", "_sock", "descriptor")

    def __init__(self, sock: GeventSocket) -> None:
        self._sock = sock
        self._fd = sock.fileno()
        self.descriptor: int | None = self._fd

    def try_send(self, data: bytes | memoryview) -> int:
        """Send what the kernel takes at once; how many bytes that was, 0 if it takes none now."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def send_all(self, data: bytes, timeout: float) -> None:
        """Send all of it, while nobody else writes. Raises TimeoutError if that takes over ``timeout`` seconds."""
        left, deadline = memoryview(data), time.monotonic() + timeout
        while left:
            left = left[self.try_send(left) :]
            if left:
                if time.monotonic() >= deadline:
                    raise TimeoutError
                self.wait_writable(deadline - time.monotonic())

    def try_sendfile(self, fd: int, offset: int, size: int) -> int:
        """The same out of a file, without a copy. 0 with space to write means that the file is too short."""
        try:
            sent = os.sendfile(self._fd, fd, offset, min(size, SENDFILE_CHUNK))
        except BlockingIOError:
            return 0
        if not sent:
            raise OSError("the file ended before its content did")
        return sent

    def wait_readable(self) -> None:
        """Until something comes, or the peer closes. Raises OSError if we do.

        One that decrypts must look first for what it holds already.
        """
        # The socket's own watcher: a public function would make another for each wait.
        gevent.get_hub().wait(cast(Any, self._sock)._read_event)

    def wait_writable(self, timeout: float) -> None:
        """Until the kernel takes something again, or ``timeout`` seconds have passed."""
        with contextlib.suppress(TimeoutError):
            socket.wait_write(self._fd, timeout=max(timeout, 0.001), timeout_exc=TimeoutError())

    def is_dead(self, dead_after: float) -> bool:
        """Return whether the peer has vanished: see ``chat.net.dead_peer``."""
        return is_dead(self._sock, dead_after)

    def abort(self) -> None:
        """End it from any greenlet: whoever reads or writes is woken, what is still queued is thrown away."""
        # Otherwise the kernel would go on keeping megabytes for a peer that has stopped reading.
        self._sock.setsockopt(
            plain_socket.SOL_SOCKET, plain_socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.hang_up()

    def hang_up(self) -> None:
        """End it from any greenlet; what the kernel has taken is still delivered."""
        try:
            self._sock.shutdown(plain_socket.SHUT_RDWR)
        except OSError:
            return  # the peer was first; the reader knows

    def finish(self, timeout: float) -> None:
        """Say that nothing more comes, and read on until the peer closes or falls silent, or ``timeout`` seconds."""
        gevent.with_timeout(timeout, self._read_out, timeout_value=None)

    def _read_out(self) -> None:
        left = _LINGER_BYTES
        # Only what arrives after we have closed makes the kernel reset the connection; a silent peer sends nothing.
        with contextlib.suppress(OSError):
            self._sock.shutdown(plain_socket.SHUT_WR)
            self._sock.settimeout(_SILENCE)
            while left > 0:
                received = len(self._sock.recv(65536))
                if not received:
                    return
                left -= received
