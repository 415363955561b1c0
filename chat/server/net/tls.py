"""Speak TLS on one connection: as a Transport that encrypts, and as a socket for a FrameReader, which decrypts.

``chat.net.tls_core`` drives OpenSSL. This module moves the bytes between OpenSSL and the socket, and bounds the memory
and the time that one peer can cost.
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
from chat.process.fairness import yield_to_loop
from chat.server.net.transport import Transport

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

# Bytes of plaintext in one try; then other greenlets have their turn. To encrypt this much takes about as long as one
# sendfile of SENDFILE_CHUNK bytes.
_MOST_AT_ONCE = 128 * 1024
# Bytes of ciphertext that wait for a peer that causes answers (by a KeyUpdate, for example) and does not read them. A
# peer that causes more is disconnected.
_MAX_UNSENT = 64 * 1024

# Decrypting a record takes the same time however few bytes it holds. So small records are limited, at once and per
# second. Even with one byte in each, the rate is above the one at which a frame must come in (MIN_RATE). Otherwise the
# server would close a connection as stalled although it held the bytes back itself.
_MOST_SMALL_RECORDS = 320
_SMALL_RECORDS_PER_SECOND = 1280.0

# The buffer for ciphertext between recv and OpenSSL. No other greenlet runs in between, so all connections share it.
_scratch = memoryview(bytearray(32 * 1024))


class HandshakeFailed(Exception):
    """Report that client and server agree on no TLS. The text is a phrase for the log, without any byte of the peer."""


class TlsTransport(Transport):
    """Speak TLS as a server over a gevent socket, after a handshake.

    A transport has one reader and one writer, which may be two greenlets. Bytes whose ciphertext the kernel has not
    taken count as not sent. The caller offers them again: the next call must begin with the same bytes. Ciphertext that
    exists already is kept and goes out first, so nothing is encrypted twice.
    """

    __slots__ = (
        "_core",
        "_may_have_more",
        "_resume_at",
        "_timeout",
    )

    def __init__(self, sock: GeventSocket, context: ssl.SSLContext) -> None:
        super().__init__(sock)
        # Nobody else may write to the descriptor: their bytes would be plaintext between the records.
        self.descriptor = None
        self._core = TlsCore(context)
        self._timeout: float | None = None
        self._resume_at = 0.0  # by time.monotonic: when to read on after small records; 0.0: now
        self._may_have_more = False  # the last recv filled its buffer

    # --- the handshake: receive, advance and flush, until advance returns True ---

    def advance(self) -> bool:
        """Take the handshake as far as the received bytes allow; return whether it is complete.

        Does not touch the socket, so it may run on a thread. Raises HandshakeFailed.
        """
        try:
            return self._core.handshake()
        except ssl.SSLError as problem:
            raise HandshakeFailed(f"TLS handshake failed: {phrase(problem)}") from None

    def receive(self, deadline: float | None) -> int:
        """Wait for ciphertext; return how many bytes arrived.

        ``deadline`` is by time.monotonic; None: no limit. Raises EOFError at the end of the stream, DeadlineExceeded,
        and OSError as the socket does.
        """
        left = None
        if deadline is not None and (left := deadline - time.monotonic()) <= 0:
            raise DeadlineExceeded("The deadline has passed.")
        try:
            return self._receive(left)
        except TimeoutError as problem:
            if problem.errno is not None:
                raise  # ETIMEDOUT from the kernel, not our time limit: the peer has vanished
            raise DeadlineExceeded("The deadline has passed.") from None

    def flush(self) -> bool:
        """Give the kernel the ciphertext that waits; return whether it took everything. Never waits.

        Raises OSError as the socket does.
        """
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
        """Wait until the kernel has taken all ciphertext. Raises DeadlineExceeded, and OSError as the socket does."""
        while not self.flush():
            left = deadline - time.monotonic()
            if left <= 0:
                raise DeadlineExceeded("The deadline has passed.")
            self.wait_writable(left)

    # --- writing ---

    def try_send(self, data: bytes | memoryview) -> int:
        view = memoryview(data)
        return self._try(len(view), lambda start, end: view[start:end])

    def try_sendfile(self, fd: int, offset: int, size: int) -> int:
        return self._try(size, lambda start, end: _read_file(fd, offset + start, end - start))

    def finish(self, timeout: float) -> None:
        end = time.monotonic() + timeout
        # A close_notify is a courtesy. Without it the frames still tell the peer whether the stream was cut.
        with contextlib.suppress(
            OSError, DeadlineExceeded
        ):  # the connection is broken, or the peer does not read
            self._core.close()
            self.flush_until(end)
        super().finish(max(0.0, end - time.monotonic()))

    # --- reading, for a FrameReader ---

    def wait_readable(self) -> None:
        # The socket may stay silent although OpenSSL holds bytes of the last recv.
        if not self._core.has_ended and not self._core.holds_input:
            super().wait_readable()

    def settimeout(self, value: float | None) -> None:
        """Limit every ``recv_into`` from now on to ``value`` seconds, even if pieces of a record arrive meanwhile."""
        self._timeout = value

    def recv_into(self, buffer: memoryview) -> int:
        """Wait for plaintext; return the number of bytes in ``buffer``, 0 at the end of the stream.

        Raises TimeoutError after the seconds of ``settimeout``, and OSError as the socket does.
        """
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        self._wait_for_more(
            self._resume_at - time.monotonic() if self._resume_at else 0.0, deadline
        )
        small_reads, is_fruitless = 0, False
        while not self._core.has_ended:
            if self._core.holds_input and (size := self._decrypt(buffer)) is not None:
                return size + self._read_on(buffer[size:]) if size else 0
            if is_fruitless:
                # Only pieces of records arrived, or records without content. A peer could send those without a break,
                # so other greenlets have their turn, and small reads gather.
                yield_to_loop()
                self._wait_for_more(gather_delay(small_reads), deadline)
            try:
                small_reads += self.receive(deadline) < SMALL_READ
            except EOFError:
                return 0  # no close_notify; the FrameReader knows whether the stream ended inside a frame
            except DeadlineExceeded:
                raise TimeoutError from None
            is_fruitless = True
        return 0

    def _read_on(self, buffer: memoryview) -> int:
        """Fill ``buffer`` with more bytes that have arrived; return how many. Never waits.

        A large content is handled piece by piece, so larger pieces cost its reader less.
        """
        filled = 0
        # Only after a recv that filled its buffer: a recv that finds nothing raises an exception, and that is dear.
        while (
            not self._resume_at
            and self._may_have_more
            and not self._core.has_ended
            and len(buffer) - filled >= len(_scratch)
        ):
            try:
                self._receive(0.0)
            except (OSError, EOFError):
                break  # nothing has arrived; or the stream has ended, and the next recv reports that again
            try:
                filled += self._decrypt(buffer[filled:]) or 0
            except ssl.SSLError:
                break  # the core reports its end in the next read; the plaintext before the error is good
        return filled

    def _try(self, size: int, piece: Callable[[int, int], bytes | memoryview]) -> int:
        """Send the bytes that ``piece(start, end)`` returns, up to ``size``; return how many bytes were sent.

        A record counts as sent when the kernel has all of its ciphertext.
        """
        if not self.flush():
            return 0
        core = self._core
        # Bytes that an earlier try encrypted and could not send. The flush above has sent them now.
        sent = core.pop_written()
        assert sent <= size, "the caller must offer the same bytes again"
        end = min(size, _MOST_AT_ONCE)
        while sent < end:
            core.write(piece(sent, min(sent + RECORD_SIZE, end)))
            if not self.flush():
                break  # the ciphertext is kept, and the plaintext counts as not sent
            sent += core.pop_written()
        return sent

    def _wait_for_more(self, seconds: float, deadline: float | None) -> None:
        """Let small reads or small records gather for ``seconds``, but not beyond ``deadline``."""
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
        """Fill ``buffer`` from the received bytes; return the size, 0 after a close_notify, None if more must arrive.

        Raises ssl.SSLError, which is an OSError, for bytes that cannot be decrypted.
        """
        core = self._core
        try:
            filled = core.read_into(buffer, _MOST_SMALL_RECORDS)
        finally:
            if core.has_ended:
                # OpenSSL may have an alert that tells the peer why. If the alert cannot be sent, the plaintext from
                # before the end is returned all the same.
                with contextlib.suppress(OSError):
                    self.flush()
        if core.small_records:
            self._resume_at = time.monotonic() + core.small_records / _SMALL_RECORDS_PER_SECOND
        if core.has_produced:
            self._answer()
        return filled

    def _answer(self) -> None:
        """Send the answers that OpenSSL made while reading, as far as the kernel takes them now."""
        # The reader does not wait for them: it would stop reading for a peer that does not read.
        if not self.flush() and self._core.size_to_send > _MAX_UNSENT:
            raise ConnectionAbortedError("the peer causes answers and does not read them")


def _read_file(fd: int, offset: int, size: int) -> bytes:
    """Read at most ``size`` bytes of a file. Raises OSError at its end, which a content never reaches."""
    data = os.pread(fd, size, offset)
    if not data:
        raise OSError("the file is shorter than its content")
    return data
