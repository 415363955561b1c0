"""TLS handshakes of new connections, on a thread and in turns, so that users who talk do not notice them."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import gevent
from gevent.lock import Semaphore
from gevent.threadpool import ThreadPool

from chat.framing import SMALL_READ, DeadlineExceeded, gather_delay
from chat.process.offload import run_in
from chat.server.net.certificates import Certificates
from chat.server.net.tls import HandshakeFailed, TlsTransport
from chat.server.process.loop_share import LoopShare

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

# Handshakes in line for the thread. While there are more, no connection is accepted, and newcomers wait in the kernel.
_LONG_LINE = 64

# One at work, and one that has come for when that is done: a longer queue would keep threads and loop no busier.
_AT_A_TIME = 2


class Handshakes:
    """Do handshakes on a thread: OpenSSL releases the interpreter lock while it computes.

    Further handshakes wait for the thread, each until its deadline.
    """

    def __init__(self, certificates: Certificates, share: LoopShare) -> None:
        self._certificates = certificates
        self._share = share
        self._turns = Semaphore(_AT_A_TIME)
        self._in_line = 0
        self._pool: ThreadPool | None = None

    @property
    def is_crowded(self) -> bool:
        """Return whether so many handshakes wait for the thread that no connection should be accepted."""
        return self._in_line > _LONG_LINE

    def shake(self, sock: GeventSocket, deadline: float) -> TlsTransport:
        """Return a transport over ``sock`` after the handshake.

        Raises HandshakeFailed, DeadlineExceeded when ``deadline`` (by time.monotonic) has passed, OSError as the socket
        does, EOFError if the stream ends.
        """
        transport = TlsTransport(sock, self._certificates.context)
        is_done, small_reads = False, 0
        while not is_done:
            # Each step takes a turn on the thread, and a hello that comes byte by byte must not take hundreds.
            if (seconds := gather_delay(small_reads)) > 0:
                gevent.sleep(min(seconds, max(0.0, deadline - time.monotonic())))
            small_reads += transport.receive(deadline) < SMALL_READ
            is_done = self._advance(transport, deadline)
            transport.flush_until(deadline)
        return transport

    def close(self) -> None:
        """End the thread when its present work is done."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.kill()

    def _advance(self, transport: TlsTransport, deadline: float) -> bool:
        self._share.wait()
        self._in_line += 1
        try:
            return self._wait_for_turn(transport, deadline)
        finally:
            self._in_line -= 1

    def _wait_for_turn(self, transport: TlsTransport, deadline: float) -> bool:
        if not self._turns.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise DeadlineExceeded("It took too long.")
        try:
            if self._pool is None:
                self._pool = ThreadPool(1)
            return run_in(self._pool, transport.advance)
        except HandshakeFailed:
            # The transport holds an alert that tells the peer why. Send it if that takes no time.
            with contextlib.suppress(OSError):
                transport.flush()
            raise
        finally:
            self._turns.release()
