"""Bytes in, frames out: the one place that reads from a connection.

Blocking style: every call waits for what it was asked for. It works on a plain socket as on gevent's, where only the
greenlet waits. One reader for one socket: two would take each other's bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from chat.protocol.descriptor import DESCRIPTOR_SIZE, ByteOrder, Descriptor, sniff_byte_order
from chat.protocol.errors import RemoteProtocolError

# A frame that has begun must come in at MIN_RATE bytes a second, averaged over each STALL_WINDOW seconds.
MIN_RATE = 1024
STALL_WINDOW = 60.0

# An idle connection should cost little and a busy one few system calls, so the buffer grows with what comes.
_SMALL_BUFFER = 512
_LARGE_BUFFER = 64 * 1024
_CHUNK = 256 * 1024  # of a content that is not kept in memory

# A recv that finds data does not let other greenlets run. After so many units of work the reader does.
_TURN = 64


class ReadableSocket(Protocol):
    """What a socket must be able to do to be read here."""

    def recv_into(self, buffer: memoryview, /) -> int: ...

    def settimeout(self, value: float | None, /) -> None: ...


class IncompleteFrame(RemoteProtocolError):
    """The stream ended inside a frame."""


class StalledFrame(RemoteProtocolError):
    """A frame began, and then came in slower than ``MIN_RATE``."""


class DeadlineExceeded(RemoteProtocolError):
    """The reader's ``deadline`` passed before what was waited for came."""


def _no_pause() -> None:
    """For plain sockets, whose threads need no reminding to let others run."""


class FrameReader:
    """Reads one connection.

    ``order`` is its byte order, None until known. ``deadline`` (by ``clock``), while set, ends any wait with
    DeadlineExceeded, between frames too; without it an idle peer may be silent between frames for as long as it
    likes. ``pause`` is called now and then while the peer sends without a break, to let other greenlets run.

    Every method that waits raises OSError as the socket does, IncompleteFrame, StalledFrame or DeadlineExceeded;
    after any of them the connection is of no more use.
    """

    def __init__(
        self,
        sock: ReadableSocket,
        order: ByteOrder | None = None,
        *,
        pause: Callable[[], object] = _no_pause,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.order = order
        self.deadline: float | None = None
        self._sock = sock
        self._pause = pause
        self._clock = clock
        self._buffer = bytearray(_SMALL_BUFFER)
        self._start = 0  # of what was received and not yet taken
        self._end = 0
        self._was_full = False  # the last recv: there is probably more
        self._turn = 0
        self._has_timeout = False
        # The window of the frame under way, by the clock, and the bytes received in it; None between frames.
        self._window_end: float | None = None
        self._window_bytes = 0

    @property
    def buffered(self) -> int:
        """Bytes received and not yet taken."""
        return self._end - self._start

    def read_byte_order(self) -> ByteOrder | None:
        """Learn ``order`` from the first two bytes, which stay to be read; None if they open no chat.

        None too for a stream that ends before its first byte, as those of port scans and health checks do.
        """
        if not self.buffered and not self._receive(2):
            return None
        self._require(2)
        self.order = sniff_byte_order(bytes(self._buffer[self._start : self._start + 2]))
        return self.order

    def read_descriptor(self) -> Descriptor | None:
        """The next frame's descriptor, or None if the stream ended where a frame may end.

        What it announces must be taken by the other methods before the next one is read.
        """
        assert self.order is not None, "the byte order comes first"
        self._window_end = None
        if not self.buffered:
            self._shrink()
            if not self._receive(DESCRIPTOR_SIZE):
                return None
        self._require(DESCRIPTOR_SIZE)
        descriptor = Descriptor.decode(self._take(DESCRIPTOR_SIZE), self.order)
        self._take_turn()
        return descriptor

    def recv_exactly(self, size: int) -> bytes:
        """The next ``size`` bytes, in memory."""
        if not size:
            return b""
        self._require(size)
        return bytes(self._take(size))

    def recv_some(self, limit: int) -> memoryview:
        """At least one byte and at most ``limit``, good until the next call: for contents that go elsewhere."""
        if not self.buffered:
            self._receive_in_frame(min(limit, _CHUNK))
        self._take_turn()
        return self._take(min(limit, self.buffered))

    def skip(self, size: int) -> None:
        """Take ``size`` bytes and forget them."""
        while size:
            size -= len(self.recv_some(size))

    def _take(self, size: int) -> memoryview:
        start = self._start
        self._start += size
        return memoryview(self._buffer)[start : self._start]

    def _require(self, size: int) -> None:
        """Receive until ``size`` bytes of the frame under way are there."""
        while self.buffered < size:
            self._receive_in_frame(size - self.buffered)

    def _receive_in_frame(self, wanted: int) -> None:
        if self._window_end is None:
            self._window_end = self._clock() + STALL_WINDOW
            self._window_bytes = 0
        received = self._receive(wanted)
        if not received:
            raise IncompleteFrame("The connection ended inside a frame.")
        self._window_bytes += received

    def _receive(self, wanted: int) -> int:
        """One recv with room for ``wanted`` bytes, maybe more; 0 at the end of the stream."""
        self._make_room(wanted)
        room = memoryview(self._buffer)[self._end :]
        while True:
            self._limit_wait()
            try:
                received = self._sock.recv_into(room)
            except TimeoutError as error:
                # With a number it is not our own limit but the kernel's ETIMEDOUT: the peer has vanished.
                if error.errno is not None:
                    raise
            else:
                self._end += received
                # A room that was just what was wanted, and is full, says nothing about what follows.
                self._was_full = received == len(room) and received > wanted
                return received

    def _limit_wait(self) -> None:
        """Let the next recv wait no longer than it may; judge what has come in if that is over."""
        if self._window_end is None and self.deadline is None:
            if self._has_timeout:
                self._has_timeout = False
                self._sock.settimeout(None)
            return
        now = self._clock()
        if self.deadline is not None and now >= self.deadline:
            raise DeadlineExceeded("It took too long.")
        if self._window_end is not None and now >= self._window_end:
            if self._window_bytes < MIN_RATE * STALL_WINDOW:
                raise StalledFrame(f"A frame came in slower than {MIN_RATE} bytes a second.")
            self._window_end = now + STALL_WINDOW
            self._window_bytes = 0
        end = min(t for t in (self.deadline, self._window_end) if t is not None)
        self._has_timeout = True
        self._sock.settimeout(end - now)

    def _make_room(self, wanted: int) -> None:
        """At least ``wanted`` bytes of free buffer; more for a peer that filled the last one."""
        kept = self.buffered
        capacity = len(self._buffer)
        if kept == 0:
            self._start = self._end = 0
        if self._was_full and capacity < _LARGE_BUFFER:
            capacity *= 2
        capacity = max(capacity, kept + wanted)
        if capacity == len(self._buffer) and capacity - self._end >= wanted:
            return
        # Never resized in place: a view that recv_some gave out may still be in use.
        target = self._buffer if capacity == len(self._buffer) else bytearray(capacity)
        target[:kept] = self._buffer[self._start : self._end]
        self._buffer, self._start, self._end = target, 0, kept

    def _shrink(self) -> None:
        """Nothing is buffered and the peer may be silent for long: keep no large buffer for it."""
        size = _LARGE_BUFFER if self._was_full else _SMALL_BUFFER
        if len(self._buffer) > size:
            self._buffer = bytearray(size)
            self._start = self._end = 0

    def _take_turn(self) -> None:
        self._turn += 1
        if self._turn >= _TURN:
            self._turn = 0
            self._pause()
