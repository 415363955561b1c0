"""TLS (RFC 8446, RFC 5246) over any Stream: one implementation for threads and for greenlets."""

from __future__ import annotations

import ssl
import time
from contextlib import suppress

from chat.address import Address
from chat.client.runtime import Pulse, Runtime, Stream, host_and_port

_READ = 64 * 1024  # bytes of what is encrypted, at most, in one recv
_RECORD = 16 * 1024  # bytes of plaintext that one record holds (RFC 8446, section 5.1)
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
        self._received = ssl.MemoryBIO()
        self._produced = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._received, self._produced, server_hostname=_server_name(address)
        )
        # The reader's.
        self._scratch = memoryview(bytearray(_READ))
        self._plain = b""  # decrypted before it was asked for
        # The writer's: what is encrypted and not yet sent, and how much of what he gave that was.
        self._unsent = memoryview(b"")
        self._promised = 0

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
        found = self._tls.getpeercert(binary_form=True)
        assert found is not None, "only anonymous ciphers do without, and they are off"
        return found

    # As a Stream.

    def settimeout(self, value: float | None, /) -> None:
        self._timeout = value

    def recv_into(self, buffer: memoryview, /) -> int:
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while (size := self._decrypt_into(buffer)) is None:
            self._receive(end)
        return size

    def readable(self) -> bool:
        """For the task that reads. Something may have come that is nothing for it, such as a session ticket."""
        while True:
            with self._lock:
                if self._decrypt_all() or self._plain:
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
        if not self._promised:
            with self._lock:
                try:
                    self._promised = self._tls.write(data[:_RECORD])
                except ssl.SSLError as error:
                    raise ConnectionError(f"Nothing more can be sent: {_reason(error)}") from None
                self._take_produced()
        self._send_unsent(end)
        sent, self._promised = self._promised, 0
        return sent

    def finish(self) -> None:
        """Says so by close_notify (RFC 8446, section 6.1) if that can be said without much waiting."""
        with self._lock:
            self._decrypt_all()  # unwrapping would throw it away
            with suppress(ssl.SSLError):  # the server's own close_notify has yet to come
                self._tls.unwrap()
            self._take_produced()
        with suppress(OSError):  # then the end of the stream has to do
            self._send_unsent(time.monotonic() + _FAREWELL)
        self._stream.finish()

    def shut(self) -> None:
        self._stream.shut()

    def close(self) -> None:
        self._stream.close()

    def _shake_hands(self, end: float) -> bool:
        """As far as it goes with what has come; whether that is all the way."""
        done = False
        try:
            self._tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            done = False
        except ssl.SSLCertVerificationError as error:
            self._say_why(end)
            raise Unverified(error.verify_message or _reason(error)) from None
        except ssl.SSLError as error:
            self._say_why(end)
            raise HandshakeFailed(_reason(error)) from None
        self._take_produced()
        self._send_unsent(end)
        return done

    def _say_why(self, end: float) -> None:
        """The server is told by an alert, if it listens."""
        self._take_produced()
        with suppress(OSError):
            self._send_unsent(min(end, time.monotonic() + _FAREWELL))

    # What the reader does.

    def _receive(self, end: float | None) -> int:
        """Wait for more, until ``end``; how many bytes came, which are in ``_scratch`` too."""
        self._stream.settimeout(None if end is None else _left_until(end))
        size = self._stream.recv_into(self._scratch)
        with self._lock:
            if size:
                self._received.write(self._scratch[:size])
            else:
                self._received.write_eof()
        return size

    def _decrypt_into(self, buffer: memoryview) -> int | None:
        """How many bytes are now in ``buffer``: 0 at the end, None if more has to come first."""
        with self._lock:
            size = min(len(self._plain), len(buffer))
            buffer[:size] = self._plain[:size]
            self._plain = self._plain[size:]
            while size < len(buffer):
                rest = buffer[size:]
                try:
                    read = int(self._tls.read(len(rest), rest))
                except ssl.SSLWantReadError:
                    return size or None
                except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                    # With or without a close_notify: a frame knows how long it is, so none can be cut unnoticed.
                    return size
                except ssl.SSLError as error:
                    if size:
                        return size  # the next read hears of it again
                    raise ConnectionError(f"What came makes no sense: {_reason(error)}") from None
                if not read:
                    return size
                size += read
            return size

    def _decrypt_all(self) -> bool:
        """Into ``_plain``, by whoever holds the lock; whether it is the last there will be."""
        while True:
            try:
                piece = self._tls.read(_RECORD)
            except ssl.SSLWantReadError:
                return False
            except ssl.SSLError:
                return True  # the next read hears of it again
            if not piece:
                return True
            self._plain += piece

    # What the writer does.

    def _take_produced(self) -> None:
        if self._produced.pending:
            self._unsent = memoryview(bytes(self._unsent) + self._produced.read())

    def _send_unsent(self, end: float) -> None:
        while self._unsent:
            self._unsent = self._unsent[self._stream.send(self._unsent, _left_until(end)) :]


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
    return f"{(error.reason or str(error)).replace('_', ' ').lower()}."


def _left_until(end: float) -> float:
    return max(end - time.monotonic(), 0.001)
