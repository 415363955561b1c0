"""One user's way out: what he takes goes at once, the rest waits in his backlog, bounded.

The rules: nothing here waits except the writer, which is a greenlet of its own and exists only while something is
left over; nothing is reordered; so a socket has one writer at any time, and a slow user costs himself alone.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

import gevent
from gevent.event import Event

from chat.framing import MIN_RATE, STALL_WINDOW
from chat.protocol.descriptor import ByteOrder
from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason
from chat.server.delivery.backlog import Backlog, FileSlice
from chat.server.net.transport import Transport
from chat.server.process.fairness import yield_to_loop


class BacklogLimits:
    """How much may wait: for one user and for all together, in bytes; over the latter, the largest goes first."""

    def __init__(self, per_user: int, total: int) -> None:
        self.per_user = per_user
        self.total = total
        self.used = 0
        self._most_used = 0
        self._lagging: set[SendQueue] = set()

    def changed(self, send_queue: SendQueue, difference: int) -> None:
        """The backlog of ``outbox`` grew by ``difference`` bytes."""
        self.used += difference
        if difference > 0:
            self._most_used = max(self._most_used, self.used)
            self._lagging.add(send_queue)
            while self.used > self.total and self._lagging:
                max(self._lagging, key=_waiting).fail(LeaveReason.TOO_SLOW)

    def pop_released(self) -> int:
        """Bytes that waited at some time since the last call, and don't any more."""
        released, self._most_used = self._most_used - self.used, self.used
        return released

    def caught_up(self, send_queue: SendQueue) -> None:
        """Nothing waits for ``outbox`` any more."""
        self._lagging.discard(send_queue)


class SendQueue:
    """Takes frames for one user and never makes the giver wait.

    ``order``: the byte order of his connection. ``inline``: contents over so many bytes go to him as offers; None:
    as they are. ``on_fail`` is called once, at once, when he can't be served any longer, with the reason.

    ``direct``: a descriptor to which whoever has something for him may write it as it is, now; None where that is to be
    left to ``give``, as it is while something waits. What the kernel does not take of it goes to ``give``.
    """

    __slots__ = (
        "_backlog",
        "_drained",
        "_limits",
        "_on_fail",
        "_transport",
        "_writer",
        "closed",
        "direct",
        "inline",
        "order",
    )

    def __init__(
        self,
        transport: Transport,
        order: ByteOrder,
        limits: BacklogLimits,
        on_fail: Callable[[LeaveReason], object],
        inline: int | None = None,
    ) -> None:
        self.order = order
        self.inline = inline
        self.closed = False
        self.direct = transport.descriptor
        self._transport = transport
        self._limits = limits
        self._on_fail = on_fail
        # Only while something waits: most users never need one.
        self._backlog: Backlog | None = None
        self._writer: gevent.Greenlet[[], None] | None = None
        self._drained: Event | None = None

    @property
    def waiting(self) -> int:
        """Bytes of memory that wait for this user."""
        return self._backlog.size if self._backlog is not None else 0

    @property
    def is_behind(self) -> bool:
        """Whether something waits for this user, or did when he was given up."""
        return self._backlog is not None or self.closed

    def wants_offer(self, size: int) -> bool:
        """Whether a content of ``size`` bytes is to be offered to him rather than sent."""
        return self.inline is not None and size > self.inline

    def give(self, data: bytes | memoryview) -> None:
        """Send ``data``, or what the kernel takes of it, and queue the rest."""
        if self.closed or not data:
            return
        sent = 0
        if self._backlog is None:
            try:
                sent = self._transport.try_send(data)
            except OSError as problem:
                self.fail(reason_of(problem))
                return
            if sent == len(data):
                return
        self._queue(memoryview(data)[sent:])

    def put(self, frame: Frame) -> None:
        """Send or queue a whole frame, its large content included."""
        self.give(frame.encode(self.order))
        if frame.large is not None and frame.content_size and not self.closed:
            self._lag().append_file(frame.large, frame.offset)

    def fail(self, reason: LeaveReason) -> None:
        """Serve him no longer. What waits is dropped now, not when his greenlet gets to it."""
        if not self.closed:
            self._drop()
            self._transport.abort()
            self._on_fail(reason)

    def fail_if_dead(self, dead_after: float) -> None:
        """Disconnect the user if their machine owes an acknowledgement and has sent none for ``dead_after`` seconds."""
        if not self.closed and self._transport.is_dead(dead_after):
            self.fail(LeaveReason.TIMED_OUT)

    def close(self) -> None:
        """The end, by the greenlet that owns the connection, before it closes the socket."""
        self._drop()
        # It leads back to whom this outbox is of: a circle, whose memory comes back when the collector gets to it.
        self._on_fail = _do_nothing
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.kill()

    def wait_until_drained(self, timeout: float | None) -> bool:
        """Whether nothing is left to be sent, after at most ``timeout`` seconds (None: ever)."""
        if self._backlog is None or self.closed:
            return not self.closed
        if self._drained is None:
            self._drained = Event()
        drained = self._drained
        return bool(drained.wait(timeout)) and not self.closed

    def _drop(self) -> None:
        self.closed = True
        self.direct = None
        if self._backlog is not None:
            self._limits.changed(self, -self._backlog.size)
            self._limits.caught_up(self)
            self._backlog.clear()
            self._backlog = None
        self._wake_waiting()

    def _wake_waiting(self) -> None:
        """Nothing is left to be sent, for now: the next who waits needs a new event."""
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    def _queue(self, data: memoryview) -> None:
        backlog = self._lag()
        backlog.append(data)
        self._limits.changed(self, len(data))
        if not self.closed and backlog.size > self._limits.per_user:
            self.fail(LeaveReason.TOO_SLOW)

    def _lag(self) -> Backlog:
        """The backlog, with a writer that drains it."""
        if self._backlog is None:
            self._backlog = Backlog()
            self.direct = None
            self._writer = gevent.spawn(self._drain)
        return self._backlog

    def _drain(self) -> None:
        """The writer: send until nothing is left."""
        try:
            while self._backlog:
                self._send_item(self._backlog)
        except OSError as problem:
            self.fail(reason_of(problem))
            return
        if not self.closed:
            self._backlog = None
            self.direct = self._transport.descriptor
            self._writer = None
            self._limits.caught_up(self)
            self._wake_waiting()

    def _send_item(self, backlog: Backlog) -> None:
        """Send the first item whole.

        Raises TimeoutError if the peer takes nothing for ``STALL_WINDOW`` seconds, or, of a file, less than
        ``MIN_RATE`` bytes a second.
        """
        item = backlog.head()
        left = item.left if isinstance(item, FileSlice) else len(item)
        demanded = MIN_RATE * STALL_WINDOW if isinstance(item, FileSlice) else 1
        window_end, taken = time.monotonic() + STALL_WINDOW, 0
        # Others run while this one waits, and may have failed him: then nothing is left to send.
        while left and not self.closed:
            sent = self._try_item(backlog)
            left -= sent
            taken += sent
            # Only after another try: a socket is called writable when a third of its buffer is free, which takes a
            # slow reader minutes, but it takes something before.
            if left and time.monotonic() >= window_end:
                if taken < demanded:
                    raise TimeoutError
                window_end, taken = time.monotonic() + STALL_WINDOW, 0
            if sent:
                yield_to_loop()
            else:
                self._transport.wait_writable(window_end - time.monotonic())

    def _try_item(self, backlog: Backlog) -> int:
        item = backlog.head()
        if isinstance(item, FileSlice):
            sent = self._transport.try_sendfile(item.content.fileno(), item.offset, item.left)
            backlog.consume(sent)
            return sent
        sent = self._transport.try_send(item)
        backlog.consume(sent)
        self._limits.changed(self, -sent)
        return sent


def _waiting(send_queue: SendQueue) -> int:
    return send_queue.waiting


def reason_of(problem: OSError) -> LeaveReason:
    """What an OSError of a user's socket means for him."""
    if problem.errno == errno.ETIMEDOUT:
        return LeaveReason.TIMED_OUT  # by the kernel: the peer has vanished
    if isinstance(problem, TimeoutError):
        return LeaveReason.TOO_SLOW
    return LeaveReason.DISCONNECTED


def _do_nothing(reason: LeaveReason) -> None:
    """It has ended: there is nobody to be told."""
