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
from chat.protocol.pings import MAX_PING, read_ping
from chat.protocol.runs import Run, split_run

# A frame that has begun must come in at MIN_RATE bytes a second, averaged over each STALL_WINDOW seconds.
MIN_RATE = 1024
STALL_WINDOW = 60.0

# If a limit passed more than so many seconds ago, this program was stopped, and bytes that came meanwhile are still to
# be read. So the peer gets the same time again.
LATE = 5.0

_READ = 64 * 1024  # of frames, at most, in one recv
_CHUNK = 256 * 1024  # of a content that is not kept in memory

# A recv that finds data does not let other greenlets run. After so many frames, or pieces of one, the reader does; or
# as many bytes as they are of: of large frames so many would keep everyone else waiting for 4 MiB to be delivered.
_TURN = 64
_PIECE = 4096  # bytes

# A frame may come in so many crumbs, receives of few bytes; before each further one what comes is let gather, longer
# and longer: else a peer that sends byte by byte would have a turn for each.
_FREE_CRUMBS = 4
CRUMB = 512  # bytes
_GATHER, _LONGEST_GATHER = 0.01, 0.25  # seconds, times the crumbs; and at most


def time_to_gather(crumbs: int) -> float:
    """Return the seconds to wait before the next receive from a peer that has sent so many crumbs."""
    return min(crumbs * _GATHER, _LONGEST_GATHER) if crumbs > _FREE_CRUMBS else 0.0


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


def make_scratch() -> memoryview:
    """Room for what one recv gives."""
    return memoryview(bytearray(_CHUNK))


def _do_nothing() -> None:
    """For plain sockets: their threads need no reminding to let others run, and wait in a recv as well as anywhere."""


def _do_not_wait(seconds: float, /) -> None:
    """For who reads one peer only, and has the time."""


class FrameReader:
    """Reads one connection.

    ``order`` is its byte order, None until known. ``deadline`` (by ``clock``), while set, ends any wait with
    DeadlineExceeded, between frames too; without it an idle peer may be silent between frames for as long as it
    likes. ``pause`` is called now and then while the peer sends without a break, to let other greenlets run.
    ``let_gather`` waits so many seconds, while a peer sends in crumbs what would be worth one turn.
    ``wait_readable`` returns when a recv would not wait, and lets other greenlets run until then: where a recv that
    finds nothing costs more than such a wait.
    ``scratch`` is where the socket puts what comes, for no longer than it takes to copy it: all readers of one thread
    may share it, so that an idle connection costs no buffer.

    Every method that waits raises OSError as the socket does, IncompleteFrame, StalledFrame or DeadlineExceeded;
    after any of them the connection is of no more use.
    """

    __slots__ = (
        "_clock",
        "_crumbs",
        "_data",
        "_has_timeout",
        "_let_gather",
        "_pause",
        "_scratch",
        "_sock",
        "_start",
        "_turn",
        "_wait_readable",
        "_window_bytes",
        "_window_end",
        "deadline",
        "order",
    )

    def __init__(
        self,
        sock: ReadableSocket,
        order: ByteOrder | None = None,
        *,
        pause: Callable[[], object] = _do_nothing,
        let_gather: Callable[[float], object] = _do_not_wait,
        clock: Callable[[], float] = time.monotonic,
        wait_readable: Callable[[], object] | None = None,
        scratch: memoryview | None = None,
    ) -> None:
        self.order = order
        self.deadline: float | None = None
        self._sock = sock
        self._pause = pause
        self._let_gather = let_gather
        self._wait_readable = wait_readable
        self._clock = clock
        self._scratch = scratch if scratch is not None else make_scratch()
        self._data = b""  # received, and taken up to ``_start``
        self._start = 0
        self._turn = 0
        self._crumbs = 0  # of the frame under way
        self._has_timeout = False
        # The window of the frame under way, by the clock, and the bytes received in it; None between frames.
        self._window_end: float | None = None
        self._window_bytes = 0

    @property
    def buffered(self) -> int:
        """Bytes received and not yet taken."""
        return len(self._data) - self._start

    def read_byte_order(self) -> ByteOrder | None:
        """Learn ``order`` from the first two bytes, which stay to be read; None if they open no chat.

        None too for a stream that ends before its first byte, as those of port scans and health checks do.
        """
        if not self.wait():
            return None
        self._require(2)
        self.order = sniff_byte_order(self._data[self._start : self._start + 2])
        return self.order

    def wait(self) -> bool:
        """Wait until the next frame has begun; False if the stream ends instead."""
        self._window_end = None
        self._crumbs = 0
        if self.buffered:
            self._let_others_run()
            return True
        is_drained = len(self._data) < _READ
        self._data, self._start = b"", 0  # not kept while an idle peer is waited for
        if is_drained and self.deadline is None and self._wait_readable is not None:
            self._wait_readable()
            self._turn = 0  # others have had theirs
        else:
            self._let_others_run()
        self._data = bytes(self._receive(_READ))
        return bool(self._data)

    def next_run(self, max_size: int, limit: int) -> Run | None:
        """Return the plain texts that are here already, from the next frame on: see ``split_run``."""
        assert self.order is not None, "the byte order comes first"
        split = split_run(self._data, self._start, self.order, max_size, min(limit, _TURN))
        if split is None:
            return None
        run, self._start = split
        self._turn += len(run.contents)
        return run

    def next_ping(self) -> bytes | None:
        """Return the nonce of a ping that is all there is here: see ``read_ping``. Waits for nothing."""
        if len(self._data) - self._start > MAX_PING:
            return None  # it is not worth a look where there is more
        assert self.order is not None, "the byte order comes first"
        ping = read_ping(self._data, self._start, self.order)
        if ping is None:
            return None
        nonce, self._start = ping
        self._turn += 1
        return nonce

    def read_descriptor(self) -> Descriptor | None:
        """The next frame's descriptor, or None if the stream ended where a frame may end.

        What it announces must be taken by the other methods before the next one is read.
        """
        assert self.order is not None, "the byte order comes first"
        if not self.wait():
            return None
        self._require(DESCRIPTOR_SIZE)
        descriptor = Descriptor.decode(self._take(DESCRIPTOR_SIZE), self.order)
        self._turn += 1
        return descriptor

    def recv_exactly(self, size: int) -> bytes:
        """The next ``size`` bytes, in memory."""
        self._require(size)
        return self._take(size)

    def recv_some(self, limit: int) -> memoryview:
        """At least one byte and at most ``limit``: for contents that go elsewhere."""
        self._let_others_run()
        self._turn += 1
        if not self.buffered:
            self._data, self._start = bytes(self._receive_in_frame(limit)), 0
        start = self._start
        self._start = min(start + limit, len(self._data))
        return memoryview(self._data)[start : self._start]

    def skip(self, size: int) -> None:
        """Take ``size`` bytes and forget them."""
        while size:
            size -= len(self.recv_some(size))

    def _take(self, size: int) -> bytes:
        start = self._start
        self._start += size
        return self._data[start : self._start]

    def _require(self, size: int) -> None:
        """Receive until ``size`` bytes of the frame under way are there."""
        if self.buffered >= size:
            return
        gathered = bytearray(self._data[self._start :])
        while len(gathered) < size:
            gathered += self._receive_in_frame(_READ)
        self._data, self._start = bytes(gathered), 0

    def _receive_in_frame(self, limit: int) -> memoryview:
        if self._window_end is None:
            self._window_end = self._clock() + STALL_WINDOW
            self._window_bytes = 0
        if self._crumbs > _FREE_CRUMBS:
            self._let_gather(time_to_gather(self._crumbs))
        received = self._receive(limit)
        if not received:
            raise IncompleteFrame("The connection ended inside a frame.")
        if len(received) < min(limit, CRUMB):
            self._crumbs += 1
        self._window_bytes += len(received)
        return received

    def _receive(self, limit: int) -> memoryview:
        """What one recv gives, empty at the end of the stream; to be copied before others run."""
        while True:
            self._limit_wait()
            try:
                size = self._sock.recv_into(self._scratch[:limit])
            except TimeoutError as error:
                # With a number it is not our own limit but the kernel's ETIMEDOUT: the peer has vanished.
                if error.errno is not None:
                    raise
            else:
                self._turn += size // _PIECE
                return self._scratch[:size]

    def _limit_wait(self) -> None:
        """Let the next recv wait no longer than it may; judge what has come in if that is over."""
        if self._window_end is None and self.deadline is None:
            if self._has_timeout:
                self._has_timeout = False
                self._sock.settimeout(None)
            return
        now = self._clock()
        if self.deadline is not None and now >= self.deadline:
            if now < self.deadline + LATE:
                raise DeadlineExceeded("It took too long.")
            self.deadline = now + LATE
        if self._window_end is not None and now >= self._window_end:
            if self._window_bytes < MIN_RATE * STALL_WINDOW and now < self._window_end + LATE:
                raise StalledFrame(f"A frame came in slower than {MIN_RATE} bytes a second.")
            self._window_end = now + STALL_WINDOW
            self._window_bytes = 0
        end = min(t for t in (self.deadline, self._window_end) if t is not None)
        self._has_timeout = True
        self._sock.settimeout(end - now)

    def _let_others_run(self) -> None:
        """If it is their turn."""
        if self._turn >= _TURN:
            self._turn = 0
            self._pause()
