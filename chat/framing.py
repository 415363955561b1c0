"""Read frames from a socket. No other module reads from a connection.

Calls block until they have what they were asked for. They work on a plain socket, and on gevent's, where only the
greenlet waits. A socket must have one reader only: two would take each other's bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from chat.protocol.descriptor import DESCRIPTOR_SIZE, ByteOrder, Descriptor, sniff_byte_order
from chat.protocol.errors import RemoteProtocolError
from chat.protocol.pings import MAX_PING, read_ping
from chat.protocol.runs import Run, split_run
from chat.sizes import byte_count

# A frame that has begun must come in at MIN_RATE bytes a second, averaged over each STALL_WINDOW seconds.
MIN_RATE = 1024
STALL_WINDOW = 60.0

# If a limit passed more than this many seconds ago, this program was stopped (SIGSTOP, a suspended machine), and bytes
# that came meanwhile wait to be read. So the peer gets more time.
LATE = 5.0

_READ = 64 * 1024  # bytes of frames in one recv, at most
_CHUNK = 256 * 1024  # bytes of a large content in one recv, at most

# A recv that finds data does not switch greenlets, so a peer that sends without a break would keep all others waiting.
# The reader yields after this many frames, or pieces of 4 KiB: 64 large frames alone would be 4 MiB, and receivers were
# once closed as too slow while they waited.
_TURN = 64
_PIECE = 4096  # bytes

# Small reads: a peer may send a frame in pieces of a few bytes, and each would cost a turn. The first few are read at
# once. Before each further one the reader waits, longer and longer, so that the bytes gather.
_FREE_SMALL_READS = 4
SMALL_READ = 512  # bytes; a shorter receive is a small read
_GATHER, _LONGEST_GATHER = 0.01, 0.25  # seconds for each small read so far; seconds at most


def gather_delay(small_reads: int) -> float:
    """Return the seconds to wait before the next receive from a peer after so many small reads."""
    return min(small_reads * _GATHER, _LONGEST_GATHER) if small_reads > _FREE_SMALL_READS else 0.0


class ReadableSocket(Protocol):
    """List what the reader needs from a socket."""

    def recv_into(self, buffer: memoryview, /) -> int: ...

    def settimeout(self, value: float | None, /) -> None: ...


class IncompleteFrame(RemoteProtocolError):
    """Report that the stream ended inside a frame."""


class StalledFrame(RemoteProtocolError):
    """Report that a frame came in slower than ``MIN_RATE``."""


class DeadlineExceeded(RemoteProtocolError):
    """Report that the reader's ``deadline`` passed before the bytes came."""


def make_scratch() -> memoryview:
    """Return a buffer for one recv."""
    return memoryview(bytearray(_CHUNK))


def _do_nothing() -> None:
    """Do nothing: for plain sockets, whose threads need no reminder to let others run."""


def _do_not_wait(seconds: float, /) -> None:
    """Do nothing: for a client, which reads one connection only and has the time for small reads."""


class FrameReader:
    """Read the frames of one connection.

    ``order`` is its byte order, None until known. ``deadline`` (by ``clock``), while set, ends any wait with
    DeadlineExceeded, also between frames; without it an idle peer may be silent between frames for ever.

    ``pause`` is called while the peer sends without a break, to let other greenlets run. ``let_gather`` waits so many
    seconds, while a peer sends in small pieces. ``wait_readable`` returns when a recv would find data, and lets other
    greenlets run until then; it is for sockets whose recv costs more than such a wait if it finds nothing. ``scratch``
    is the buffer that recv writes to, only until the bytes are copied. All readers of one thread may share it, so that
    an idle connection costs no buffer.

    Every method that waits raises OSError as the socket does, IncompleteFrame, StalledFrame or DeadlineExceeded. After
    any of them the connection is of no more use.
    """

    __slots__ = (
        "_clock",
        "_data",
        "_has_timeout",
        "_let_gather",
        "_pause",
        "_scratch",
        "_small_reads",
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
        self._data = b""  # received bytes; those before ``_start`` are taken
        self._start = 0
        self._turn = 0
        self._small_reads = 0  # small reads in the current frame
        self._has_timeout = False
        # The end of the current window by the clock (None between frames), and the bytes received in it.
        self._window_end: float | None = None
        self._window_bytes = 0

    @property
    def buffered(self) -> int:
        """Return how many bytes were received and not yet taken."""
        return len(self._data) - self._start

    def read_byte_order(self) -> ByteOrder | None:
        """Learn ``order`` from the first two bytes, without taking them; return None if they can't begin a chat.

        Also return None for a stream that ends before its first byte, as those of port scans and health checks do.
        """
        if not self.wait():
            return None
        self._require(2)
        self.order = sniff_byte_order(self._data[self._start : self._start + 2])
        return self.order

    def wait(self) -> bool:
        """Wait until the next frame has begun; return False if the stream ends instead."""
        self._window_end = None
        self._small_reads = 0
        if self.buffered:
            self._yield_to_loop()
            return True
        # A full receive means that more is waiting: then a recv finds data, and needs no wait before it.
        is_drained = len(self._data) < _READ
        self._data, self._start = b"", 0  # freed: an idle connection must not keep a buffer
        if is_drained and self.deadline is None and self._wait_readable is not None:
            self._wait_readable()
            self._turn = 0  # the wait has let others run
        else:
            self._yield_to_loop()
        # A copy, because all readers of the thread share the scratch.
        self._data = bytes(self._receive(_READ))
        return bool(self._data)

    def next_run(self, max_size: int, limit: int) -> Run | None:
        """Return the plain texts that are buffered, from the next frame on, without waiting: see ``split_run``."""
        assert self.order is not None, "the byte order comes first"
        split = split_run(self._data, self._start, self.order, max_size, min(limit, _TURN))
        if split is None:
            return None
        run, self._start = split
        self._turn += len(run.contents)
        return run

    def next_ping(self) -> bytes | None:
        """Return the nonce of a ping that is all that is buffered, without waiting: see ``read_ping``."""
        if len(self._data) - self._start > MAX_PING:
            return None  # more than a ping has come
        assert self.order is not None, "the byte order comes first"
        ping = read_ping(self._data, self._start, self.order)
        if ping is None:
            return None
        nonce, self._start = ping
        self._turn += 1
        return nonce

    def read_descriptor(self) -> Descriptor | None:
        """Return the next frame's descriptor, or None if the stream ended between frames.

        The caller must take the frame's header and content by the other methods before the next call.
        """
        assert self.order is not None, "the byte order comes first"
        if not self.wait():
            return None
        self._require(DESCRIPTOR_SIZE)
        descriptor = Descriptor.decode(self._consume(DESCRIPTOR_SIZE), self.order)
        self._turn += 1
        return descriptor

    def recv_exactly(self, size: int) -> bytes:
        """Return the next ``size`` bytes, in memory."""
        self._require(size)
        return self._consume(size)

    def recv_some(self, limit: int) -> memoryview:
        """Return at least one byte and at most ``limit``: for contents that are not kept in memory."""
        self._yield_to_loop()
        self._turn += 1
        if not self.buffered:
            self._data, self._start = bytes(self._receive_in_frame(limit)), 0
        start = self._start
        self._start = min(start + limit, len(self._data))
        return memoryview(self._data)[start : self._start]

    def skip(self, size: int) -> None:
        """Take ``size`` bytes and drop them."""
        while size:
            size -= len(self.recv_some(size))

    def _consume(self, size: int) -> bytes:
        start = self._start
        self._start += size
        return self._data[start : self._start]

    def _require(self, size: int) -> None:
        """Receive until ``size`` bytes of the current frame are buffered."""
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
        if self._small_reads > _FREE_SMALL_READS:
            self._let_gather(gather_delay(self._small_reads))
        received = self._receive(limit)
        if not received:
            raise IncompleteFrame("The connection ended inside a frame.")
        if len(received) < min(limit, SMALL_READ):
            self._small_reads += 1
        self._window_bytes += len(received)
        return received

    def _receive(self, limit: int) -> memoryview:
        """Return the bytes of one recv, none at the end of the stream; copy them before other greenlets run."""
        while True:
            self._limit_wait()
            try:
                size = self._sock.recv_into(self._scratch[:limit])
            except TimeoutError as error:
                # With an errno it is not our own timeout but the kernel's ETIMEDOUT: the peer has vanished.
                if error.errno is not None:
                    raise
            else:
                self._turn += size // _PIECE
                return self._scratch[:size]

    def _limit_wait(self) -> None:
        """Set the timeout of the next recv; if a limit has passed already, raise or begin a new window."""
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
            # Progress counts, not the total time: a large file over a slow line may take hours.
            if self._window_bytes < MIN_RATE * STALL_WINDOW and now < self._window_end + LATE:
                raise StalledFrame(f"A frame came in slower than {byte_count(MIN_RATE)} a second.")
            self._window_end = now + STALL_WINDOW
            self._window_bytes = 0
        end = min(t for t in (self.deadline, self._window_end) if t is not None)
        # settimeout is called only while a frame or a deadline is pending; most receives wait without a limit.
        self._has_timeout = True
        self._sock.settimeout(end - now)

    def _yield_to_loop(self) -> None:
        """Yield if this reader has had its share."""
        if self._turn >= _TURN:
            self._turn = 0
            self._pause()
