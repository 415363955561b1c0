"""Encrypt any Stream with TLS (RFC 8446, RFC 5246), for threads and for greenlets.

``chat.net.tls_core`` drives OpenSSL. This module moves the bytes, and keeps the reader and the writer apart.
"""

from __future__ import annotations

import ssl
import time
from contextlib import suppress

from chat.client.runtime.runtime import Pulse, Runtime, Stream, host_and_port
from chat.client.trust.handshake_errors import HandshakeFailed, NoEncryption, Unverified
from chat.net.address import Address
from chat.net.tls_core import RECORD_SIZE, TlsCore, phrase

_READ = 64 * 1024  # bytes of ciphertext that one recv takes at most
_FAREWELL = 1.0  # seconds to tell the server, by an alert, that nothing more follows
# The first byte of a record (RFC 8446, section 5.1). No frame of the chat protocol begins with one of
# them, so the first byte of an answer tells TLS from plain text.
_RECORD_TYPES = range(20, 25)


class TlsStream:
    """An encrypted Stream over ``stream``, which it owns. Call ``handshake`` first.

    ``_lock`` protects the cryptography alone. No task holds it while waiting for the network, so a waiting reader does
    not hold up a writer. Only the writer sends: if reading produces an answer, such as to a key update, the answer
    goes out before the next data that is written, as RFC 8446 (section 4.6.3) allows.
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
        """Make the handshake within ``timeout`` seconds; the server must begin its answer within ``patience`` seconds.

        Raises NoEncryption, Unverified (if the context verifies), HandshakeFailed, TimeoutError, OSError.
        """
        end = time.monotonic() + timeout
        answered = False
        try:
            while not self._shake_hands(end):
                limit = end if answered else min(end, time.monotonic() + patience)
                size = self._receive(limit)
                if not answered and (not size or self._scratch[0] not in _RECORD_TYPES):
                    raise NoEncryption(closed=not size)
                answered = True
        except TimeoutError as error:
            # With an errno, the kernel gave up on the connection (ETIMEDOUT): that says nothing about TLS.
            if answered or error.errno is not None:
                raise
            raise NoEncryption(silent=True) from None
        except ConnectionError:
            # A server without TLS may take the handshake for a broken frame, and close the connection. So does a
            # balancer without a server.
            if answered:
                raise
            raise NoEncryption(closed=True) from None

    def certificate(self) -> bytes:
        """Return the server's certificate, in DER."""
        found = self._core.peer_certificate()
        assert found is not None, "only anonymous ciphers need no certificate, and they are off"
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
        """Return whether plain text can be read at once; for the task that reads.

        A readable socket is not enough: a record may hold no data, such as a session ticket.
        """
        while True:
            with self._lock:
                if self._core.read_ahead():
                    return True
            if not self._stream.readable():
                return False
            self._receive(None)

    def pulse(self) -> Pulse:
        """Return the pulse of the ciphertext, because even a part of a record is a sign of life."""
        return self._stream.pulse()

    def send(self, data: memoryview, timeout: float, /) -> int:
        """Encrypt and send one record, so that the caller sees progress after each 16 KiB.

        If the time is over, the record stays encrypted: call again with the same data. Raises TimeoutError, OSError.
        """
        end = time.monotonic() + timeout
        # A record is still on its way if the last call ran out of time; it must not be encrypted twice.
        if not self._core.has_written:
            with self._lock:
                try:
                    self._core.write(data[:RECORD_SIZE])
                except ssl.SSLError as error:
                    raise ConnectionError(f"Sending over TLS failed: {_reason(error)}") from None
        self._send_ciphertext(end)
        return self._core.pop_written()

    def finish(self) -> None:
        """Announce the end by close_notify (RFC 8446, section 6.1), if the network takes it within a second."""
        with self._lock:
            self._core.read_ahead()  # closing would drop received data that is not decrypted yet
            self._core.close()
        with suppress(OSError):  # without the alert, the end of the TCP stream has to be enough
            self._send_ciphertext(time.monotonic() + _FAREWELL)
        self._stream.finish()

    def shut(self) -> None:
        self._stream.shut()

    def close(self) -> None:
        self._stream.close()

    def _shake_hands(self, end: float) -> bool:
        """Continue the handshake with the bytes that have arrived; return whether it is complete."""
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
        """Tell the server by an alert why the handshake failed. Errors are dropped: the failure itself is raised."""
        with suppress(OSError):
            self._send_ciphertext(min(end, time.monotonic() + _FAREWELL))

    # Steps of the reader.

    def _receive(self, end: float | None) -> int:
        """Wait for ciphertext until ``end``; return the number of bytes. They are in ``_scratch``, too."""
        self._stream.settimeout(None if end is None else _left_until(end))
        size = self._stream.recv_into(self._scratch)
        with self._lock:
            if size:
                self._core.feed(self._scratch[:size])
            else:
                self._core.feed_end()
        return size

    def _decrypt_into(self, buffer: memoryview) -> int | None:
        """Decrypt into ``buffer``; return the number of bytes: 0 at the end, None if more ciphertext is needed.

        Call it with the lock. Raises ConnectionError for invalid records.
        """
        try:
            return self._core.read_into(buffer)
        except ssl.SSLError as error:
            raise ConnectionError(f"The server sent invalid TLS data: {_reason(error)}") from None

    # Steps of the writer.

    def _send_ciphertext(self, end: float) -> None:
        """Send all ciphertext, including answers that reading has produced."""
        with self._lock:
            data = self._core.data_to_send()
        while data:
            sent = self._stream.send(memoryview(data), _left_until(end))
            with self._lock:
                data = self._core.mark_sent(sent)


def make_context(*, verify: bool) -> ssl.SSLContext:
    """Make a context for TLS 1.2 and later, without renegotiation and compression.

    ``verify``: the handshake fails unless one of the system's authorities vouches for the host name. Without it, any
    certificate is accepted, and the caller checks the key.
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
    """Return the host name for SNI (RFC 6066, section 3), which the certificate must have."""
    if address.path is not None:
        return "localhost"
    # A zone, as in fe80::1%eth0, means something on this machine only.
    host = host_and_port(address)[0].partition("%")[0]
    return host.rstrip(".") or host


def _reason(error: ssl.SSLError) -> str:
    return f"{phrase(error)}."


def _left_until(end: float) -> float:
    """Return the seconds until ``end``, but no 0, which would make a socket non-blocking."""
    return max(end - time.monotonic(), 0.001)
