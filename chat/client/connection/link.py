"""Frames in both directions over one connection: shared by the room's connection and the transfer connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from chat.client.runtime.cancellation import Cancellation
from chat.client.runtime.runtime import Runtime, Stream
from chat.client.trust.connector import Connector
from chat.framing import LATE, MIN_RATE, STALL_WINDOW, FrameReader, StalledFrame
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType
from chat.sizes import byte_count

# Bytes of content up to which header and content are copied together: the copy is cheaper than a second system call,
# and a second packet.
_JOINED = 16 * 1024

_LAST_TRY = 0.001  # seconds


class Link:
    """A connection that sends and reads frames. One task may read, and one at a time may send.

    Sending raises OSError, or StalledFrame if the server takes less than ``MIN_RATE`` bytes a second over
    ``STALL_WINDOW``. After that a part of a frame may be on the way, so the link is useless. ``is_private``: nobody on
    the way can read the connection, because of TLS or because it stays on this machine. ``is_encrypted``: it uses TLS.
    ``given_up``: the reason for which this side ended the connection, if it did.
    """

    def __init__(
        self,
        stream: Stream,
        order: ByteOrder,
        runtime: Runtime,
        clock: Callable[[], float] = time.monotonic,
        *,
        is_private: bool = False,
        is_encrypted: bool = False,
    ) -> None:
        self.is_private = is_private
        self.is_encrypted = is_encrypted
        self.given_up: str | None = None
        self.stream = stream
        self.order = order
        self.reader = FrameReader(stream, order, pause=runtime.pause, clock=clock)
        self._clock = clock

    def set_deadline(self, seconds: float | None) -> None:
        """Let reading fail with DeadlineExceeded after ``seconds`` from now; None removes the limit."""
        self.reader.deadline = None if seconds is None else self._clock() + seconds

    def send(self, type: MessageType, header: bytes = b"", content: bytes = b"") -> None:
        """Send a frame."""
        self.send_pieces(type, header, len(content), [content])

    def send_pieces(
        self, type: MessageType, header: bytes, size: int, pieces: Iterable[bytes]
    ) -> None:
        """Send a frame. Its content, ``size`` bytes in all, comes in ``pieces``."""
        pace = _Pace(self._clock)
        start = Descriptor(type, len(header), size).encode(self.order) + header
        if size <= _JOINED:
            self._send_all(b"".join([start, *pieces]), pace)
            return
        self._send_all(start, pace)
        for piece in pieces:
            self._send_all(piece, pace)

    def send_last(self, type: MessageType | None, timeout: float) -> None:
        """Send a last frame without content, if that takes at most ``timeout`` seconds, and end the outgoing stream."""
        if type is not None:
            with suppress(OSError):  # the end of the stream then tells the server enough
                self.stream.send(memoryview(Descriptor(type).encode(self.order)), timeout)
        self.stream.finish()

    def give_up(self, reason: str) -> None:
        """End the connection from any task, and wake the tasks that read or send. ``reason`` is a sentence."""
        self.given_up = self.given_up or reason
        self.stream.shut()

    def close(self) -> None:
        """Close the socket. No task may be reading."""
        self.stream.shut()
        self.stream.close()

    def _send_all(self, data: bytes, pace: _Pace) -> None:
        rest = memoryview(data)
        while rest:
            try:
                sent = self.stream.send(rest, pace.patience())
            except TimeoutError as error:
                # With an errno (ETIMEDOUT) the kernel has given the peer up. Without one, our own wait is over.
                if error.errno is not None:
                    raise
                continue
            pace.count(sent)
            rest = rest[sent:]


class _Pace:
    """The pace of one outgoing frame: in each window some bytes, and ``MIN_RATE`` on average."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begin(clock())

    def _begin(self, now: float) -> None:
        self._window_end = self._stalled_at = now + STALL_WINDOW
        self._sent = 0
        self._is_last_try = False

    def count(self, sent: int) -> None:
        """Record that the kernel has taken ``sent`` bytes."""
        self._sent += sent
        self._stalled_at = self._clock() + STALL_WINDOW

    def patience(self) -> float:
        """Return the seconds that the next try to send may take, above 0. Raises StalledFrame."""
        now = self._clock()
        end = min(self._window_end, self._stalled_at)
        if now < end:
            return end - now
        if now >= end + LATE:
            # We ourselves were late, such as after a stop or sleep: the server is not to blame, so begin anew.
            self._begin(now)
        elif not self._is_last_try:
            # The kernel calls a socket writable only once a third of its buffer is free, but takes bytes earlier.
            self._is_last_try = True
            return _LAST_TRY
        elif now >= self._stalled_at or self._sent < MIN_RATE * STALL_WINDOW:
            raise StalledFrame(f"The server takes less than {byte_count(MIN_RATE)} a second.")
        else:
            self._begin(now)
        return STALL_WINDOW


def open_link(
    connector: Connector, order: ByteOrder, timeout: float, cancel: Cancellation | None = None
) -> Link:
    """Open a connection within ``timeout`` seconds. Raises ConnectError, also if ``cancel`` ends the attempt."""
    stream = connector.open(timeout, cancel)
    is_private = connector.is_encrypted or connector.address.is_local
    return Link(
        stream, order, connector.runtime, is_private=is_private, is_encrypted=connector.is_encrypted
    )
