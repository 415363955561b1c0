"""TLS on one connection: a Transport that encrypts, and the socket that a FrameReader reads, which decrypts.

``chat.net.tls_core`` drives OpenSSL. This module moves the bytes, and bounds what a peer can cost.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import gevent

from chat.framing import SMALL_READ, DeadlineExceeded, gather_delay
from chat.net.tls_core import RECORD_SIZE, TlsCore, phrase
from chat.server.net.transport import Transport
from chat.server.process.fairness import yield_to_loop

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

# Of plaintext in one try; then others have their turn. It takes as long as what sendfile does in one.
_MOST_AT_ONCE = 128 * 1024
# A peer may make us answer (to a KeyUpdate, say), and take no answer. So much is kept for that peer, no more.
_MAX_UNSENT = 64 * 1024

# To decrypt a record takes as long however little is in it, so small ones are limited: so many at once, and so many a
# second. The rate is above the one at which a frame must come in (MIN_RATE); otherwise the server would give up frames
# that it holds back itself.
_MOST_SMALL_RECORDS = 320
_SMALL_RECORDS_PER_SECOND = 1280.0

# For what comes, until OpenSSL has it. Nobody waits meanwhile, so one is enough for all.
_scratch = memoryview(bytearray(32 * 1024))


class HandshakeFailed(Exception):
    """The peer spoke no TLS that we do, or does not want ours. The text is a phrase, without anything it sent."""


class TlsTransport(Transport):
    """A gevent socket that speaks TLS as a server, after a handshake.

    It has one reader and one writer, which may be two greenlets. Bytes of which the kernel has not taken the ciphertext
    count as not sent, and are to be offered again: the next call must begin with the same bytes. What is encrypted of
    them is kept and goes first, so nothing is encrypted twice.
    """

    __slots__ = (
        "_core",
        "_may_have_more",
        "_resume_at",
        "_timeout",
    )

    def __init__(self, sock: GeventSocket, context: ssl.SSLContext) -> None:
        super().__init__(sock)
        self.descriptor = None
        self._core = TlsCore(context)
        self._timeout: float | None = None
        self._resume_at = 0.0  # by time.monotonic: when to read on from a peer that sends crumbs
        self._may_have_more = False  # the last recv gave as much as it could

    # --- the handshake: receive, advance and flush, until advance says that it is done

    def advance(self) -> bool:
        """One step, as far as what has been received allows; whether it was the last. Touches no socket.

        Raises HandshakeFailed.
        """
        try:
            return self._core.handshake()
        except ssl.SSLError as problem:
            raise HandshakeFailed(f"no TLS handshake: {phrase(problem)}") from None

    def receive(self, deadline: float | None) -> int:
        """Wait for ciphertext, and return how many bytes have come.

        Raises EOFError at the end of the stream, DeadlineExceeded, or OSError as the socket.
        """
        left = None
        if deadline is not None and (left := deadline - time.monotonic()) <= 0:
            raise DeadlineExceeded("It took too long.")
        try:
            return self._receive(left)
        except TimeoutError as problem:
            if problem.errno is not None:
                raise  # by the kernel: the peer has vanished
            raise DeadlineExceeded("It took too long.") from None

    def flush(self) -> bool:
        """Give the kernel what OpenSSL wants sent; whether it took all."""
        core = self._core
        data = core.data_to_send()
        while data:
            try:
                sent = os.write(self._fd, data)
            except BlockingIOError:
                return False
            data = core.mark_sent(sent)
        return True

    def flush_until(self, deadline: float) -> None:
        """All of it. Raises DeadlineExceeded, or OSError as the socket does."""
        while not self.flush():
            left = deadline - time.monotonic()
            if left <= 0:
                raise DeadlineExceeded("It took too long.")
            self.wait_writable(left)

    # --- writing ---

    def try_send(self, data: bytes | memoryview) -> int:
        view = memoryview(data)
        return self._try(len(view), lambda start, end: view[start:end])

    def try_sendfile(self, fd: int, offset: int, size: int) -> int:
        return self._try(size, lambda start, end: _read_file(fd, offset + start, end - start))

    def finish(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        with contextlib.suppress(OSError, DeadlineExceeded):  # it is broken, or the peer is gone
            self._core.close()
            self.flush_until(end)
        super().finish(max(0.0, end - time.monotonic()))

    # --- reading, for a FrameReader ---

    def wait_readable(self) -> None:
        if not self._core.has_ended and not self._core.holds_input:
            super().wait_readable()

    def settimeout(self, value: float | None) -> None:
        """For every ``recv_into`` from now on, in seconds, whatever trickles in meanwhile."""
        self._timeout = value

    def recv_into(self, buffer: memoryview) -> int:
        """Wait for some plaintext; 0 at the end of the stream. Raises TimeoutError, or OSError as the socket does."""
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        self._wait_for_more(
            self._resume_at - time.monotonic() if self._resume_at else 0.0, deadline
        )
        small_reads, is_fruitless = 0, False
        while not self._core.has_ended:
            if self._core.holds_input and (size := self._decrypt(buffer)) is not None:
                return size + self._read_on(buffer[size:]) if size else 0
            if is_fruitless:
                # Nothing but pieces of records, or records without content: others have their turn.
                yield_to_loop()
                self._wait_for_more(gather_delay(small_reads), deadline)
            try:
                small_reads += self.receive(deadline) < SMALL_READ
            except EOFError:
                return 0  # without a goodbye; whether it ended where it may, the frames tell
            except DeadlineExceeded:
                raise TimeoutError from None
            is_fruitless = True
        return 0

    def _read_on(self, buffer: memoryview) -> int:
        """Fill ``buffer`` with what else has come: of a large content the reader wants much at a time."""
        filled = 0
        while (
            not self._resume_at
            and self._may_have_more
            and not self._core.has_ended
            and len(buffer) - filled >= len(_scratch)
        ):
            try:
                self._receive(0.0)
            except (OSError, EOFError):
                break  # nothing now; or an end, which is there the next time, too
            try:
                filled += self._decrypt(buffer[filled:]) or 0
            except ssl.SSLError:
                break  # the core has ended, and what came before is whole
        return filled

    def _try(self, size: int, piece: Callable[[int, int], bytes | memoryview]) -> int:
        """Send what ``piece(start, end)`` gives, up to ``size``; how much of it was sent whole."""
        if not self.flush():
            return 0
        core = self._core
        sent = core.pop_written()  # encrypted by an earlier try, and in the kernel only now
        assert sent <= size, "the same bytes must be offered again"
        end = min(size, _MOST_AT_ONCE)
        while sent < end:
            core.write(piece(sent, min(sent + RECORD_SIZE, end)))
            if not self.flush():
                break  # the ciphertext is kept, and the plaintext counts as not sent
            sent += core.pop_written()
        return sent

    def _wait_for_more(self, seconds: float, deadline: float | None) -> None:
        """Wait for more bytes of a peer that sends crumbs, but not beyond ``deadline``."""
        self._resume_at = 0.0
        if deadline is not None:
            seconds = min(seconds, deadline - time.monotonic())
        if seconds > 0:
            gevent.sleep(seconds)

    def _receive(self, timeout: float | None) -> int:
        self._sock.settimeout(timeout)
        size = self._sock.recv_into(_scratch)
        if not size:
            raise EOFError
        self._may_have_more = size == len(_scratch)
        self._core.feed(_scratch[:size])
        return size

    def _decrypt(self, buffer: memoryview) -> int | None:
        """Fill ``buffer`` from what has been received; None if that makes no plaintext yet, 0 after a goodbye."""
        core = self._core
        try:
            filled = core.read_into(buffer, _MOST_SMALL_RECORDS)
        finally:
            if core.has_ended:
                # An alert may say why. Plaintext that came before the end is returned, even to a peer that is gone.
                with contextlib.suppress(OSError):
                    self.flush()
        if core.small_records:
            self._resume_at = time.monotonic() + core.small_records / _SMALL_RECORDS_PER_SECOND
        if core.has_produced:
            self._answer()
        return filled

    def _answer(self) -> None:
        """Send what reading made OpenSSL say, as far as it can go now."""
        if not self.flush() and self._core.size_to_send > _MAX_UNSENT:
            raise ConnectionAbortedError("a peer that asks for answers and takes none")


def _read_file(fd: int, offset: int, size: int) -> bytes:
    data = os.pread(fd, size, offset)
    if not data:
        raise OSError("the file ended before its content did")
    return data
