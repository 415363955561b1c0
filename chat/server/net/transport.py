"""Send bytes over one connection, without waiting unless a method says so.

Encryption is another transport with the same methods, which encrypts the bytes of ``try_send``: see ``TlsTransport``.
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

# Bytes of a file in one system call. Other greenlets run between two calls.
SENDFILE_CHUNK = 512 * 1024

# Bytes to read from a peer that goes on sending after the server has finished. If bytes arrive at a closed socket, the
# kernel resets the connection, and the peer loses the last bytes that the server sent.
_LINGER_BYTES = 16 * 1024 * 1024
_SILENCE = 1.0  # seconds without a byte after which the peer is done


class Transport:
    """Wrap a gevent socket for the delivery. One writer at a time; every method raises OSError as the socket does.

    ``descriptor`` is set if ``try_send`` only writes to a descriptor. Then the delivery may write to it directly. It is
    None for a transport that encrypts.
    """

    __slots__ = ("_fd", "_sock", "descriptor")

    def __init__(self, sock: GeventSocket) -> None:
        self._sock = sock
        self._fd = sock.fileno()
        self.descriptor: int | None = self._fd

    def try_send(self, data: bytes | memoryview) -> int:
        """Send as many bytes as the kernel takes now; return their number, which may be 0."""
        # os.write, not the socket's send: gevent's method waits in the event loop while the kernel takes nothing.
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0

    def send_all(self, data: bytes, timeout: float) -> None:
        """Send all of ``data``, while nobody else writes. Raises TimeoutError after ``timeout`` seconds."""
        left, deadline = memoryview(data), time.monotonic() + timeout
        while left:
            left = left[self.try_send(left) :]
            if left:
                if time.monotonic() >= deadline:
                    raise TimeoutError
                self.wait_writable(deadline - time.monotonic())

    def try_sendfile(self, fd: int, offset: int, size: int) -> int:
        """Send bytes of the file ``fd`` without a copy; return how many the kernel took now, which may be 0.

        Raises OSError if the file has no byte at ``offset``.
        """
        try:
            sent = os.sendfile(self._fd, fd, offset, min(size, SENDFILE_CHUNK))
        except BlockingIOError:
            return 0
        if not sent:
            raise OSError("the file is shorter than its content")
        return sent

    def wait_readable(self) -> None:
        """Wait until bytes arrive, or the peer closes. Raises OSError if this side closes the socket.

        A transport that decrypts returns at once while it holds bytes of an earlier receive.
        """
        # The socket's own watcher, by its private name: the public function makes a new watcher for each wait, and
        # every idle user waits here.
        gevent.get_hub().wait(cast(Any, self._sock)._read_event)

    def wait_writable(self, timeout: float) -> None:
        """Wait until the kernel takes bytes again, or ``timeout`` seconds have passed."""
        with contextlib.suppress(TimeoutError):
            socket.wait_write(self._fd, timeout=max(timeout, 0.001), timeout_exc=TimeoutError())

    def is_dead(self, dead_after: float) -> bool:
        """Return whether the peer owes the kernel an answer for ``dead_after`` seconds: see ``chat.net.dead_peer``."""
        return is_dead(self._sock, dead_after)

    def abort(self) -> None:
        """End the connection at once, from any greenlet: wake reader and writer, and drop the bytes in the kernel."""
        # With a linger time of 0, close sends a reset. Otherwise the kernel would keep megabytes for minutes for a peer
        # that has stopped reading.
        self._sock.setsockopt(
            plain_socket.SOL_SOCKET, plain_socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.hang_up()

    def hang_up(self) -> None:
        """End the connection from any greenlet. The kernel still delivers the bytes that it has taken."""
        # Shut down, not closed: another greenlet may wait for the descriptor, whose number could be used anew.
        try:
            self._sock.shutdown(plain_socket.SHUT_RDWR)
        except OSError:
            return  # the peer has closed before; the reader notices that by itself

    def finish(self, timeout: float) -> None:
        """End the stream, and read until the peer closes or falls silent; at most ``timeout`` seconds."""
        gevent.with_timeout(timeout, self._read_out, timeout_value=None)

    def _read_out(self) -> None:
        left = _LINGER_BYTES
        # A peer that is silent for a second will hardly send more, and only bytes that arrive after the close cause the
        # reset. So the server need not wait for the peer's close.
        with contextlib.suppress(OSError):
            self._sock.shutdown(plain_socket.SHUT_WR)
            self._sock.settimeout(_SILENCE)
            while left > 0:
                received = len(self._sock.recv(65536))
                if not received:
                    return
                left -= received
