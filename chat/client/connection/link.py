"""One connection to a server as frames in both directions: what the room's connection and those of transfers share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from chat.client.runtime.cancellation import Cancellation
from chat.client.runtime.runtime import Runtime, Stream
from chat.client.trust.connector import Connector
from chat.framing import LATE, MIN_RATE, STALL_WINDOW, FrameReader, StalledFrame
from chat.protocol.descriptor import ByteOrder, Descriptor, MessageType

_JOINED = (
    16 * 1024
)  # bytes of content that are worth copying for the sake of one system call, one packet


_LAST_TRY = 0.001  # seconds


class Link:
    """``reader`` is for one task, sending for one at a time.

    Sending raises OSError or StalledFrame (less than ``MIN_RATE`` bytes a second taken over ``STALL_WINDOW``); after
    that part of a frame may be on its way, and the link is of no more use. ``is_private``: nobody on the way can
    listen, so a password may be sent over it; ``is_encrypted``: not because it stays on this machine. ``given_up``: why
    this side ended it, if it did.
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
        """Any reading ends with DeadlineExceeded in so many seconds from now; None: no such limit."""
        self.reader.deadline = None if seconds is None else self._clock() + seconds

    def send(self, type: MessageType, header: bytes = b"", content: bytes = b"") -> None:
        self.send_pieces(type, header, len(content), [content])

    def send_pieces(
        self, type: MessageType, header: bytes, size: int, pieces: Iterable[bytes]
    ) -> None:
        """A frame whose content, of ``size`` bytes in all, comes in pieces."""
        pace = _Pace(self._clock)
        start = Descriptor(type, len(header), size).encode(self.order) + header
        if size <= _JOINED:
            self._send_all(b"".join([start, *pieces]), pace)
            return
        self._send_all(start, pace)
        for piece in pieces:
            self._send_all(piece, pace)

    def send_last(self, type: MessageType | None, timeout: float) -> None:
        """Say so if it can be said within ``timeout`` seconds, and that nothing more follows."""
        if type is not None:
            with suppress(OSError):  # then the end of the stream has to do
                self.stream.send(memoryview(Descriptor(type).encode(self.order)), timeout)
        self.stream.finish()

    def give_up(self, reason: str) -> None:
        """End the connection, from any task, and wake the tasks that read or send. ``reason`` is a sentence."""
        self.given_up = self.given_up or reason
        self.stream.shut()

    def close(self) -> None:
        self.stream.shut()
        self.stream.close()

    def _send_all(self, data: bytes, pace: _Pace) -> None:
        rest = memoryview(data)
        while rest:
            try:
                sent = self.stream.send(rest, pace.patience())
            except TimeoutError as error:
                if (
                    error.errno is not None
                ):  # not our limit, but the kernel's: the peer has vanished
                    raise
                continue
            pace.count(sent)
            rest = rest[sent:]


class _Pace:
    """The pace at which one frame goes out: some bytes at least once a window, and ``MIN_RATE`` on average in each."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begin(clock())

    def _begin(self, now: float) -> None:
        self._window_end = self._stalled_at = now + STALL_WINDOW
        self._sent = 0
        self._is_last_try = False

    def count(self, sent: int) -> None:
        self._sent += sent
        self._stalled_at = self._clock() + STALL_WINDOW

    def patience(self) -> float:
        """Return the seconds that the next try to send may take, above 0. Raises StalledFrame."""
        now = self._clock()
        end = min(self._window_end, self._stalled_at)
        if now < end:
            return end - now
        if now >= end + LATE:
            self._begin(now)
        elif not self._is_last_try:
            # A socket counts as writable only when a third of its buffer is free, but takes bytes before.
            self._is_last_try = True
            return _LAST_TRY
        elif now >= self._stalled_at or self._sent < MIN_RATE * STALL_WINDOW:
            raise StalledFrame(f"The server takes less than {MIN_RATE} bytes a second.")
        else:
            self._begin(now)
        return STALL_WINDOW


def open_link(
    connector: Connector, order: ByteOrder, timeout: float, cancel: Cancellation | None = None
) -> Link:
    """Raises ConnectError, also if ``cancel`` ends it."""
    stream = connector.open(timeout, cancel)
    is_private = connector.is_encrypted or connector.address.is_local
    return Link(
        stream, order, connector.runtime, is_private=is_private, is_encrypted=connector.is_encrypted
    )
