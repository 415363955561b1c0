"""Do the TLS handshakes of new connections on a thread, one after the other, so that users do not notice them."""

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

# While more handshakes than this wait for the thread, the server accepts no connection, and the kernel keeps new ones.
_LONG_LINE = 64

# One handshake that computes, and one that is ready when the first is done. With more, neither the thread nor the event
# loop would be busier.
_AT_A_TIME = 2


class Handshakes:
    """Do handshakes on one thread. Further handshakes wait for the thread, each until its deadline.

    One handshake is a third of a millisecond of computing. OpenSSL releases the interpreter lock meanwhile, so the
    event loop runs beside the thread.
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

        Raises HandshakeFailed; DeadlineExceeded when ``deadline`` (by time.monotonic) has passed; OSError as the socket
        does; EOFError if the stream ends.
        """
        transport = TlsTransport(sock, self._certificates.context)
        is_done, small_reads = False, 0
        while not is_done:
            # Each step takes a turn on the thread. A hello that arrives byte by byte must not take hundreds of turns,
            # so its bytes gather first.
            if (seconds := gather_delay(small_reads)) > 0:
                gevent.sleep(min(seconds, max(0.0, deadline - time.monotonic())))
            small_reads += transport.receive(deadline) < SMALL_READ
            is_done = self._advance(transport, deadline)
            transport.flush_until(deadline)
        return transport

    def close(self) -> None:
        """End the thread when its current handshake is done."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.kill()

    def _advance(self, transport: TlsTransport, deadline: float) -> bool:
        """Do one step of a handshake on the thread; return whether it was the last."""
        # Even with the computing on a thread, a step costs the event loop time, so it also takes a turn there.
        self._share.wait()
        self._in_line += 1
        try:
            return self._wait_for_turn(transport, deadline)
        finally:
            self._in_line -= 1

    def _wait_for_turn(self, transport: TlsTransport, deadline: float) -> bool:
        if not self._turns.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise DeadlineExceeded("The deadline has passed.")
        try:
            # Made late: a server without TLS connections starts no thread.
            if self._pool is None:
                self._pool = ThreadPool(1)
            return run_in(self._pool, transport.advance)
        except HandshakeFailed:
            # The transport holds an alert that tells the peer why. Send it only if the kernel takes it at once.
            with contextlib.suppress(OSError):
                transport.flush()
            raise
        finally:
            self._turns.release()
