"""TLS (RFC 8446, RFC 5246) over any Stream: one implementation for threads and for greenlets.

``chat.net.tls_core`` drives OpenSSL. This module moves the bytes, and keeps the reader and the writer apart.
"""

from __future__ import annotations

import ssl
import time
from contextlib import suppress

from chat.client.runtime.runtime import Pulse, Runtime, Stream, host_and_port
from chat.net.address import Address
from chat.net.tls_core import RECORD_SIZE, TlsCore, phrase

_READ = 64 * 1024  # bytes of what is encrypted, at most, in one recv
_FAREWELL = 1.0  # seconds for telling the server that nothing more follows
# The first byte of a record (RFC 8446, section 5.1). No frame of the chat protocol begins with one of them.
_RECORD_TYPES = range(20, 25)


class NoEncryption(Exception):
    """What answers speaks no TLS; or, if ``silent``, nothing answers."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__("no TLS")
        self.silent = silent


class Unverified(Exception):
    """No authority vouches for the certificate; the text says why."""


class HandshakeFailed(Exception):
    """The server speaks TLS, and yet no connection came of it; the text says why."""


class TlsStream:
    """A Stream over ``stream``, which it owns; ``handshake`` comes first.

    ``_lock`` is for the cryptography alone and never held while somebody waits for the network, so a reader that waits
    keeps no writer from writing. Only the writer puts anything on the network: what reading has to say, such as the
    answer to a new key, goes out before the next that is written, as RFC 8446 (section 4.6.3) allows.
    """

    def __init__(
        self, stream: Stream, context: ssl.SSLContext, address: Address, runtime: Runtime
    ) -> None:
        self._stream = stream
        self._timeout: float | None = None
        self._lock = runtime.lock()
        self._core = TlsCore(context, _server_name(address))
        self._scratch = memoryview(bytearray(_READ))  # the reader's

    def handshake(self, timeout: float, patience: float) -> None:
        """Within ``timeout`` seconds, of which the server may take ``patience`` to begin its answer.

        Raises NoEncryption, Unverified (if the context verifies), HandshakeFailed, TimeoutError, OSError.
        """
        end = time.monotonic() + timeout
        answered = False
        try:
            while not self._shake_hands(end):
                limit = end if answered else min(end, time.monotonic() + patience)
                size = self._receive(limit)
                if not answered and (not size or self._scratch[0] not in _RECORD_TYPES):
                    raise NoEncryption(silent=False)
                answered = True
        except TimeoutError as error:
            if answered or error.errno is not None:
                raise
            raise NoEncryption(silent=True) from None
        except ConnectionError:
            if answered:
                raise
            raise NoEncryption(silent=False) from None

    def certificate(self) -> bytes:
        """The server's, in DER."""
        found = self._core.peer_certificate()
        assert found is not None, "only anonymous ciphers do without, and they are off"
        return found

    # As a Stream.

    def settimeout(self, value: float | None, /) -> None:
        self._timeout = value

    def recv_into(self, buffer: memoryview, /) -> int:
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while True:
            with self._lock:
                size = self._decrypt_into(buffer)
            if size is not None:
                return size
            self._receive(end)

    def readable(self) -> bool:
        """For the task that reads. Something may have come that is nothing for it, such as a session ticket."""
        while True:
            with self._lock:
                if self._core.read_ahead():
                    return True
            if not self._stream.readable():
                return False
            self._receive(None)

    def pulse(self) -> Pulse:
        """Return the pulse of the ciphertext, since a part of a record is a sign of life, too."""
        return self._stream.pulse()

    def send(self, data: memoryview, timeout: float, /) -> int:
        """A record at a time, so that whoever looks at how fast it goes sees it go.

        What was encrypted when the time was over can't be taken back: the same data has to come again.
        """
        end = time.monotonic() + timeout
        if not self._core.has_written:
            with self._lock:
                try:
                    self._core.write(data[:RECORD_SIZE])
                except ssl.SSLError as error:
                    raise ConnectionError(f"Nothing more can be sent: {_reason(error)}") from None
        self._send_ciphertext(end)
        return self._core.pop_written()

    def finish(self) -> None:
        """Says so by close_notify (RFC 8446, section 6.1) if that can be said without much waiting."""
        with self._lock:
            self._core.read_ahead()  # closing would throw it away
            self._core.close()
        with suppress(OSError):  # then the end of the stream has to do
            self._send_ciphertext(time.monotonic() + _FAREWELL)
        self._stream.finish()

    def shut(self) -> None:
        self._stream.shut()

    def close(self) -> None:
        self._stream.close()

    def _shake_hands(self, end: float) -> bool:
        """As far as it goes with what has come; whether that is all the way."""
        try:
            done = self._core.handshake()
        except ssl.SSLCertVerificationError as error:
            self._send_alert(end)
            raise Unverified(error.verify_message or _reason(error)) from None
        except ssl.SSLError as error:
            self._send_alert(end)
            raise HandshakeFailed(_reason(error)) from None
        self._send_ciphertext(end)
        return done

    def _send_alert(self, end: float) -> None:
        """The server is told by an alert, if it listens."""
        with suppress(OSError):
            self._send_ciphertext(min(end, time.monotonic() + _FAREWELL))

    # What the reader does.

    def _receive(self, end: float | None) -> int:
        """Wait for more, until ``end``; how many bytes came, which are in ``_scratch`` too."""
        self._stream.settimeout(None if end is None else _left_until(end))
        size = self._stream.recv_into(self._scratch)
        with self._lock:
            if size:
                self._core.feed(self._scratch[:size])
            else:
                self._core.feed_end()
        return size

    def _decrypt_into(self, buffer: memoryview) -> int | None:
        """With the lock. How many bytes are now in ``buffer``: 0 at the end, None if more has to come first."""
        try:
            return self._core.read_into(buffer)
        except ssl.SSLError as error:
            raise ConnectionError(f"What came makes no sense: {_reason(error)}") from None

    # What the writer does.

    def _send_ciphertext(self, end: float) -> None:
        """Send all there is, of the reader's answers too."""
        with self._lock:
            data = self._core.data_to_send()
        while data:
            sent = self._stream.send(memoryview(data), _left_until(end))
            with self._lock:
                data = self._core.mark_sent(sent)


def make_context(*, verify: bool) -> ssl.SSLContext:
    """TLS 1.2 and later, without renegotiation; compression is off in any case.

    ``verify``: the handshake fails unless one of the system's authorities vouches for the host's name. Without it any
    certificate will do, for whoever looks at the key.
    """
    if verify:
        context = ssl.create_default_context()
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    return context


def _server_name(address: Address) -> str:
    """What the certificate must be for, and what the server is told (RFC 6066, section 3)."""
    if address.path is not None:
        return "localhost"
    host = host_and_port(address)[0].partition("%")[0]  # a zone is nobody's name
    return host.rstrip(".") or host


def _reason(error: ssl.SSLError) -> str:
    return f"{phrase(error)}."


def _left_until(end: float) -> float:
    return max(end - time.monotonic(), 0.001)
