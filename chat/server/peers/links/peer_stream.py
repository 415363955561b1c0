"""Lines of JSON and bodies of a known size, over one encrypted connection.

A greenlet yields to the event loop after 256 KiB, since a socket that is always ready would never make it wait. All of
this process rests many times a second, for those who talk.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chat.process.fairness import yield_to_loop
from chat.server.peers.faults import PeerFault, PeerUnreachable
from chat.server.peers.links.disk_calls import on_disk
from chat.server.peers.links.link_limits import LinkLimits
from chat.server.process.short_turns import ShortTurns

if TYPE_CHECKING:
    from gevent.ssl import SSLSocket

# Bytes in a line: before both sides have proved to know the secret, and after that. A key with its chain is in a line.
SHORT_LINE = 1024
LONG_LINE = 256 * 1024
# Bytes that are read from a disk, or written, at a time. With a mebibyte, those who talk wait longer for the processor.
PIECE = 1 << 18
_TURN = 256 * 1024
# Bytes of plaintext in one record of TLS; a larger write would be cut into records all the same.
_RECORD = 16 * 1024


class BadPeerLine(PeerFault):
    """The peer has sent a line that is too long, or no object of JSON."""


class FileShort(Exception):
    """A file is shorter than what was promised of it."""


class PeerStream:
    """Read and write over ``sock``, whose TLS handshake is done.

    Every wait ends after ``limits.silence``. All methods raise PeerUnreachable when the connection ends or stalls.
    """

    def __init__(self, sock: SSLSocket, limits: LinkLimits) -> None:
        sock.settimeout(limits.silence)
        self._sock = sock
        self._limits = limits
        self._ahead = b""  # arrived behind a line
        self._turns = ShortTurns()

    def close(self) -> None:
        self._sock.close()

    # Lines

    def send_line(self, fields: Mapping[str, Any]) -> None:
        self.send(json.dumps(fields).encode() + b"\n")

    def read_line(self, limit: int = LONG_LINE) -> Mapping[str, Any] | None:
        """Return the next line; None if the stream has ended before it. Raises BadPeerLine."""
        line = bytearray(self._ahead)
        while b"\n" not in line:
            if len(line) > limit:
                raise BadPeerLine("the line is too long")
            # Not more than a line may have: the rest would only be thrown away.
            received = self._receive(limit + 1 - len(line))
            if not received:
                if line:
                    raise PeerUnreachable("the connection was cut inside a line")
                return None
            line += received
        data, _, rest = bytes(line).partition(b"\n")
        self._ahead = rest
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError):
            raise BadPeerLine("the line is not JSON") from None
        if not isinstance(fields, dict):
            raise BadPeerLine("the line is not an object")
        return fields

    # Bodies

    def send(self, data: bytes | memoryview) -> None:
        """Send all of ``data``."""
        left, turn = memoryview(data), 0
        try:
            while left:
                sent = self._sock.send(left[:_RECORD])
                left = left[sent:]
                turn += sent
                self._turns.rest_in_time()
                if turn >= _TURN:
                    turn = 0
                    yield_to_loop()
        except TimeoutError:
            raise PeerUnreachable("the peer takes no bytes any more") from None
        except OSError as problem:
            raise _cut(problem) from None

    def send_file(self, descriptor: int, offset: int, size: int) -> None:
        """Send ``size`` bytes of a file. Raises FileShort and DiskFault."""
        pace = TransferPace(self._limits)
        while size:
            piece = on_disk(os.pread, descriptor, min(PIECE, size), offset)
            if not piece:
                raise FileShort
            self.send(piece)
            pace.add(len(piece))
            offset += len(piece)
            size -= len(piece)

    def receive(self, size: int, take: Callable[[memoryview], None]) -> None:
        """Hand the next ``size`` bytes to ``take``, in pieces of at most 1 MiB.

        If the connection is cut, ``take`` has all bytes that arrived.
        """
        buffer, pace = memoryview(bytearray(min(PIECE, size))), TransferPace(self._limits)
        while size:
            filled, cut = self._fill(buffer[: min(len(buffer), size)])
            if filled:
                take(buffer[:filled])
                pace.add(filled)
                size -= filled
            if cut is not None:
                raise cut

    def _fill(self, buffer: memoryview) -> tuple[int, PeerUnreachable | None]:
        """Fill ``buffer``; return how many bytes came, and why not all, if so."""
        filled = min(len(self._ahead), len(buffer))
        buffer[:filled] = self._ahead[:filled]
        self._ahead = self._ahead[filled:]
        turn = 0
        while filled < len(buffer):
            try:
                received = self._sock.recv_into(buffer[filled:])
            except TimeoutError:
                return filled, PeerUnreachable("the peer sends no bytes any more")
            except OSError as problem:
                return filled, _cut(problem)
            if not received:
                return filled, PeerUnreachable("the connection was cut inside a body")
            filled += received
            turn += received
            self._turns.rest_in_time()
            if turn >= _TURN:
                turn = 0
                yield_to_loop()
        return filled, None

    def _receive(self, size: int) -> bytes:
        try:
            data: bytes = self._sock.recv(size)
            return data
        except TimeoutError:
            raise PeerUnreachable("the peer is silent") from None
        except OSError as problem:
            raise _cut(problem) from None


class TransferPace:
    """Find out whether a transfer is slower than ``limits.slowest`` on average, after the first ``limits.silence``."""

    def __init__(self, limits: LinkLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._begun = clock()
        self._size = 0

    def add(self, size: int) -> None:
        """Count bytes that were transferred. Raises PeerUnreachable if the transfer is too slow."""
        self._size += size
        allowed = self._limits.silence + self._size / self._limits.slowest
        if self._clock() - self._begun > allowed:
            raise PeerUnreachable("the transfer is too slow")


def _cut(problem: OSError) -> PeerUnreachable:
    return PeerUnreachable(f"the connection was cut: {problem.strerror or problem}")
