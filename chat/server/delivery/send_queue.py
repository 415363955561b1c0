"""Send all bytes to one user: the socket takes what it can at once, and the rest waits in a bounded backlog.

The rules:

- Nothing here waits but the writer, a greenlet that exists only while a backlog does.
- Nothing is reordered. While a backlog exists, new bytes go behind it.
- So a socket has one writer at any time, and a slow user delays nobody else.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from enum import Enum

import gevent
from gevent.event import Event

from chat.framing import MIN_RATE, STALL_WINDOW
from chat.process.fairness import yield_to_loop
from chat.protocol.descriptor import ByteOrder
from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason
from chat.server.delivery.awaited import AwaitedContent, AwaitedFrame
from chat.server.delivery.backlog import Backlog, FileSlice
from chat.server.net.transport import Transport


class Dialect(Enum):
    """Say in which form a connection takes frames: users of one dialect get equal bytes.

    The value is the byte ``order``, and whether the client ``counts``: where very many users are, it takes their number
    in place of each who comes and goes.
    """

    BIG = (ByteOrder.BIG, False)
    LITTLE = (ByteOrder.LITTLE, False)
    BIG_COUNTING = (ByteOrder.BIG, True)
    LITTLE_COUNTING = (ByteOrder.LITTLE, True)

    def __init__(self, order: ByteOrder, counts: bool) -> None:
        self.order = order
        self.counts = counts

    # Each message looks dialects up, and the hash of Enum is slow.
    __hash__ = object.__hash__


_DIALECTS = {(each.order, each.counts): each for each in Dialect}


def dialect_of(order: ByteOrder, *, counts: bool = False) -> Dialect:
    """Return the dialect with this byte order."""
    return _DIALECTS[order, counts]


class BacklogLimits:
    """Limit the memory of backlogs, in bytes: ``per_user``, and ``total`` for all users together.

    When ``total`` is exceeded, the user with the largest backlog is disconnected first.
    """

    def __init__(self, per_user: int, total: int) -> None:
        self.adapt(per_user, total)
        self.used = 0
        self._most_used = 0
        self._lagging: set[SendQueue] = set()

    def adapt(self, per_user: int, total: int) -> None:
        """Go on with other limits, which count from the next change of a backlog on."""
        self.per_user = per_user
        self.total = total

    def changed(self, send_queue: SendQueue, difference: int) -> None:
        """Count ``difference`` more bytes (or fewer, if negative) in a backlog, and enforce ``total``."""
        self.used += difference
        if difference > 0:
            self._most_used = max(self._most_used, self.used)
            self._lagging.add(send_queue)
            # Each failure calls this method again with a negative difference, so ``used`` falls in this loop.
            while self.used > self.total and self._lagging:
                max(self._lagging, key=_waiting).fail(LeaveReason.TOO_SLOW)

    def pop_released(self) -> int:
        """Return how many bytes left the backlogs since the last call: the peak since then, minus the bytes of now."""
        released, self._most_used = self._most_used - self.used, self.used
        return released

    def caught_up(self, send_queue: SendQueue) -> None:
        """Forget a user without a backlog, who can no longer be the slowest."""
        self._lagging.discard(send_queue)


class SendQueue:
    """Take frames for one user, without ever waiting.

    ``dialect``, with the byte ``order``, is that of the connection. ``inline``: the user gets larger contents
    than so many bytes as offers; None: all contents are sent. ``on_fail`` is called once, with the reason, when the
    user can no longer be served.

    ``direct``: the descriptor of a plain socket, while no backlog exists. A caller may write bytes to ``direct``, and
    must pass the bytes that the kernel does not take to ``give``. If ``direct`` is None, all bytes go to ``give``.
    """

    __slots__ = (
        "_backlog",
        "_drained",
        "_limits",
        "_on_fail",
        "_transport",
        "_writer",
        "closed",
        "dialect",
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
        *,
        counts: bool = False,
    ) -> None:
        self.order = order
        self.dialect = dialect_of(order, counts=counts)
        self.inline = inline
        self.closed = False
        self.direct = transport.descriptor
        self._transport = transport
        self._limits = limits
        self._on_fail = on_fail
        # These exist only while bytes wait: most users never need them, and an idle user should cost little memory.
        self._backlog: Backlog | None = None
        self._writer: gevent.Greenlet[[], None] | None = None
        self._drained: Event | None = None

    @property
    def waiting(self) -> int:
        """The bytes in memory that wait for this user."""
        return self._backlog.size if self._backlog is not None else 0

    @property
    def is_behind(self) -> bool:
        """Whether bytes wait for this user, or the connection has ended."""
        return self._backlog is not None or self.closed

    def wants_offer(self, size: int) -> bool:
        """Return whether the user gets a content of ``size`` bytes as an offer."""
        return self.inline is not None and size > self.inline

    def give(self, data: bytes | memoryview) -> None:
        """Send as much of ``data`` as the kernel takes, and queue the rest. ``data`` must never change."""
        if self.closed or not data:
            return
        sent = 0
        # While a backlog exists, its bytes come first, even if the socket has room again.
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
        """Send or queue a whole frame, with its large content."""
        if isinstance(frame.large, AwaitedContent) and not self.closed:
            self._ensure_backlog().append_awaited(AwaitedFrame(frame, frame.large))
            return
        self.give(frame.encode(self.order))
        if frame.large is not None and frame.content_size and not self.closed:
            # Always by the writer, which sends a file in pieces and lets other greenlets run between them.
            self._ensure_backlog().append_file(frame.large, frame.offset)

    def fail(self, reason: LeaveReason) -> None:
        """Disconnect the user, and drop the backlog now rather than when the user's greenlet runs.

        ``BacklogLimits.changed`` relies on it: it disconnects users until the memory in use is below the total.
        """
        if not self.closed:
            self._drop()
            self._transport.abort()
            self._on_fail(reason)

    def end_with(self, data: bytes, reason: LeaveReason) -> None:
        """Send last bytes, and end the connection now: without what waits, and without waiting for anybody."""
        if self.closed:
            return
        if self._backlog is None:
            try:
                sent = self._transport.try_send(data)
            except OSError:
                sent = 0
            if sent == len(data):
                self._drop()
                self._transport.hang_up()
                self._on_fail(reason)
                return
        # In the middle of a frame.
        self.fail(reason)

    def fail_if_dead(self, dead_after: float) -> None:
        """Disconnect the user if their machine owes an acknowledgement and has sent none for ``dead_after`` seconds."""
        if not self.closed and self._transport.is_dead(dead_after):
            self.fail(LeaveReason.TIMED_OUT)

    def close(self) -> None:
        """Drop the backlog and end the writer. The owner of the connection calls this before it closes the socket."""
        self._drop()
        # ``on_fail`` refers to the session, which refers to this queue. Without this line, only the garbage collector
        # would free the circle, and full collections are rare (see process/memory.py).
        self._on_fail = _do_nothing
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.kill()

    def wait_until_drained(self, timeout: float | None) -> bool:
        """Wait until the backlog is empty, at most ``timeout`` seconds (None: for ever).

        Return whether all is sent and the connection has not ended.
        """
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
        """Wake all greenlets that wait for an empty backlog. The next one to wait gets a new event."""
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    def _queue(self, data: memoryview) -> None:
        backlog = self._ensure_backlog()
        backlog.append(data)
        self._limits.changed(self, len(data))
        if not self.closed and backlog.size > self._limits.per_user:
            self.fail(LeaveReason.TOO_SLOW)

    def _ensure_backlog(self) -> Backlog:
        """Return the backlog; if there is none yet, make one and start its writer."""
        if self._backlog is None:
            self._backlog = Backlog()
            self.direct = None  # the writer is now the only one that writes to the socket
            self._writer = gevent.spawn(self._drain)
        return self._backlog

    def _drain(self) -> None:
        """Send until the backlog is empty. This is the writer's greenlet."""
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
        """Send the first item completely.

        Raises TimeoutError if the peer takes no byte for ``STALL_WINDOW`` seconds. From a file, the peer must take at
        least ``MIN_RATE`` bytes a second.
        """
        item = backlog.head()
        if isinstance(item, AwaitedFrame):
            self._await(backlog, item)
            return
        left = item.left if isinstance(item, FileSlice) else len(item)
        # A file holds space in the spool until it is sent, so its receiver has to hurry. The bytes in memory are
        # bounded by the limits of backlogs.
        demanded = MIN_RATE * STALL_WINDOW if isinstance(item, FileSlice) else 1
        window_end, taken = time.monotonic() + STALL_WINDOW, 0
        # Other greenlets run while this one waits. One of them may disconnect the user, which empties the backlog.
        while left and not self.closed:
            sent = self._try_item(backlog)
            left -= sent
            taken += sent
            # Look at the window only after another try. The kernel reports a socket as writable when a third of its
            # buffer is free. With a slow reader that takes minutes, but the socket takes some bytes earlier.
            if left and time.monotonic() >= window_end:
                if taken < demanded:
                    raise TimeoutError
                window_end, taken = time.monotonic() + STALL_WINDOW, 0
            if sent:
                yield_to_loop()
            else:
                self._transport.wait_writable(window_end - time.monotonic())

    def _await(self, backlog: Backlog, item: AwaitedFrame) -> None:
        """Wait for the content of the frame at the head, and put the frame in its place."""
        frame = item.get()
        try:
            # The user may have left meanwhile.
            if not self.closed:
                encoded = frame.encode(self.order)
                backlog.replace_awaited(frame, encoded)
                self._limits.changed(self, len(encoded))
        finally:
            if frame.large is not None:
                frame.large.release()

    def _try_item(self, backlog: Backlog) -> int:
        item = backlog.head()
        assert not isinstance(item, AwaitedFrame), (
            "the user gets nothing while the content is awaited"
        )
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
    """Return why a user leaves whose socket raised ``problem``."""
    if problem.errno == errno.ETIMEDOUT:
        return LeaveReason.TIMED_OUT  # from the kernel: the peer has vanished
    if isinstance(problem, TimeoutError):
        return LeaveReason.TOO_SLOW
    return LeaveReason.DISCONNECTED


def _do_nothing(reason: LeaveReason) -> None:
    """Ignore the failure of a connection that has already ended."""
