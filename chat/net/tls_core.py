"""TLS on one connection as bytes in and bytes out: the one place that drives OpenSSL over memory (sans I/O).

The server's transport and the client's stream move the bytes. Sockets, clocks, limits and locks are theirs.
"""

from __future__ import annotations

import ssl
import sys
from typing import Any, cast

# Bytes of plaintext in one record (RFC 8446, section 5.1). OpenSSL's memory keeps the size of the most that was ever in
# it, so larger pieces would cost every user memory for good, and gain little.
RECORD_SIZE = 16 * 1024

# Records with fewer bytes of plaintext than this, on average, are small: a frame has 16 at least.
_SMALL_RECORD = 16


class TlsCore:
    """One end of a TLS connection, for a client if ``server_hostname`` is given, else for a server.

    The owner feeds ciphertext from the network and reads plaintext; it writes plaintext and sends ciphertext. Every
    step may produce ciphertext (an alert, the answer to a KeyUpdate), and all of it leaves in the order in which
    OpenSSL made it: by ``data_to_send`` and ``mark_sent``.

    Not for two threads at once, with one exception: ``has_written`` and ``pop_written`` touch only what belongs to
    the writer.
    """

    __slots__ = (
        "_ahead",
        "_failure",
        "_incoming",
        "_outgoing",
        "_tls",
        "_unsent",
        "_written",
        "has_ended",
        "small_records",
    )

    def __init__(self, context: ssl.SSLContext, server_hostname: str | None = None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
        )
        self._ahead = b""  # plaintext that was decrypted before it was asked for
        self._failure: ssl.SSLError | None = None  # is raised after the plaintext before it
        self._unsent: bytes | memoryview = b""  # taken from ``_outgoing`` and not sent yet
        self._written = 0  # bytes of plaintext that are encrypted and not reported as sent
        # Nothing more can be decrypted: a close_notify, the end of the stream, or an error.
        self.has_ended = False
        # How many records the last ``read_into`` decrypted, if it stopped because they were small; else 0.
        self.small_records = 0

    # The handshake

    def handshake(self) -> bool:
        """Take the handshake as far as the ciphertext allows; return whether it is complete. Raises ssl.SSLError.

        After an error, the alert that explains it waits to be sent.
        """
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def peer_certificate(self) -> bytes | None:
        """Return the peer's certificate in DER, after the handshake."""
        return self._tls.getpeercert(binary_form=True)

    # Ciphertext in, plaintext out

    def feed(self, ciphertext: memoryview) -> None:
        """Take bytes from the network."""
        self._incoming.write(ciphertext)

    def feed_end(self) -> None:
        """Take the end of the network's stream."""
        self._incoming.write_eof()

    @property
    def holds_input(self) -> bool:
        """Return whether ciphertext or plaintext waits; it may be a part of a record."""
        return bool(self._ahead or self._incoming.pending or self._tls.pending())

    def read_into(self, buffer: memoryview, most_small_records: int = sys.maxsize) -> int | None:
        """Fill ``buffer`` with plaintext; return its size, 0 at the end, None if more must be fed first.

        The end is a close_notify or the end of the stream: a frame knows its length, so nobody can cut it unnoticed.
        Stops after ``most_small_records`` if they are small on average: to decrypt a record takes as long however
        little is in it. ``small_records`` tells whether that happened.

        Raises ssl.SSLError for what cannot be decrypted, after all plaintext that came before it has been read.
        """
        self.small_records = 0
        filled = self._pop_read_ahead(buffer) if self._ahead else 0
        records = 0
        try:
            while not self.has_ended and filled < len(buffer):
                # SSLObject fills any buffer; typeshed knows only bytearray.
                size = cast(int, self._tls.read(len(buffer) - filled, cast(Any, buffer[filled:])))
                filled += size
                records += 1
                if not size:
                    self.has_ended = True
                # Without this look, each read would end in an exception, which costs more than the look.
                elif not (self._incoming.pending or self._tls.pending()):
                    break
                elif records >= most_small_records and filled < records * _SMALL_RECORD:
                    self.small_records = records
                    break
        except ssl.SSLWantReadError:
            pass  # the rest of a record, or one without content
        except ssl.SSLError as problem:
            self._end(problem)
        if filled:
            return filled
        if self._failure is not None:
            raise self._failure
        return 0 if self.has_ended else None

    def read_ahead(self) -> bool:
        """Decrypt all that was fed; return whether ``read_into`` has something to tell: plaintext, the end, an error.

        Ciphertext alone does not answer this: it may be a session ticket, which is nothing for a reader.
        """
        try:
            while not self.has_ended:
                piece = self._tls.read(RECORD_SIZE)
                self._ahead += piece
                self.has_ended = not piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as problem:
            self._end(problem)
        return bool(self._ahead) or self.has_ended

    def _pop_read_ahead(self, buffer: memoryview) -> int:
        size = min(len(self._ahead), len(buffer))
        buffer[:size] = self._ahead[:size]
        self._ahead = self._ahead[size:]
        return size

    def _end(self, problem: ssl.SSLError) -> None:
        self.has_ended = True
        if not isinstance(problem, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
            self._failure = problem

    # Plaintext in, ciphertext out

    def write(self, plaintext: bytes | memoryview) -> None:
        """Encrypt ``plaintext``, at most RECORD_SIZE bytes, as one record. Raises ssl.SSLError.

        The owner sends the ciphertext, then asks ``pop_written`` how much plaintext that was. An encrypted record
        cannot be taken back, so plaintext that is offered again must begin with the same bytes.
        """
        self._written += self._tls.write(plaintext)

    @property
    def has_written(self) -> bool:
        """Return whether plaintext was encrypted that ``pop_written`` has not reported."""
        return self._written > 0

    def pop_written(self) -> int:
        """Return how many bytes of plaintext were encrypted since the last call; for when all ciphertext is sent."""
        written, self._written = self._written, 0
        return written

    def close(self) -> None:
        """Say by close_notify (RFC 8446, section 6.1) that nothing more will be written. Do not wait for the peer's.

        In TLS 1.2 this throws away what was fed and not read; ``read_ahead`` saves it.
        """
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            return  # the peer's has yet to come, or the connection is broken and needs none

    def data_to_send(self) -> bytes | memoryview:
        """Return the ciphertext to send next; empty if there is none."""
        if not self._unsent and self._outgoing.pending:
            self._unsent = self._outgoing.read()
        return self._unsent

    def mark_sent(self, size: int) -> bytes | memoryview:
        """Forget the first ``size`` bytes of ``data_to_send``; return the ciphertext to send next."""
        self._unsent = memoryview(self._unsent)[size:] if size < len(self._unsent) else b""
        return self.data_to_send() if self._unsent or self._outgoing.pending else b""

    @property
    def has_produced(self) -> bool:
        """Return whether OpenSSL made ciphertext that ``data_to_send`` has not shown yet."""
        return self._outgoing.pending > 0

    @property
    def size_to_send(self) -> int:
        """Return how many bytes of ciphertext wait to be sent."""
        return len(self._unsent) + self._outgoing.pending


def phrase(problem: ssl.SSLError) -> str:
    """Return what OpenSSL calls a problem, in words; never a byte that the peer sent."""
    return (problem.reason or "protocol error").replace("_", " ").lower()
