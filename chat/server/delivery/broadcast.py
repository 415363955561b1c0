"""Giving one message to many: what is posted is joined once, and offered to each with one system call.

A post only appends to what is pending, which is flushed when the greenlets that are ready now have had their turn; so
the busier the room, the more messages travel in one batch, and the cheaper each becomes. What goes to one user alone
keeps its place: he is given it together with what is pending for him, and the batch is cut for him where he has got
to. It does not know what any of it means.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import gevent

from chat.protocol.descriptor import ByteOrder
from chat.protocol.frames import Frame
from chat.protocol.notices import LeaveReason
from chat.protocol.runs import TextFrames
from chat.server.delivery.batch_file import BatchFile
from chat.server.delivery.send_queue import SendQueue
from chat.server.limits.limits import TokenBucket
from chat.server.settings import Rate

log = logging.getLogger("chat.server")

# Pending bytes that are not kept waiting for the flusher: bounds what one batch holds.
_BATCH_SIZE = 256 * 1024

# Batches made for announcements alone. Thousands who come back after a restart, each told to everyone at once, would
# cost a system call for each pair of them; by TLS an encryption too.
_ANNOUNCING = Rate(per_second=20, burst=10)
# Seconds without a batch of announcements for each second that one took.
_WAIT_PER_SECOND = 5.0

# From where on it is cheaper to give references to one copy of a batch than a copy to each: bytes of it, receivers.
_WORTH_SHARING = 8 * 1024
_SHARERS = 32


def _do_nothing(seconds: float) -> None:
    """Ignore the time: nobody measures it."""


class _Pending:
    """What is posted and not yet flushed, in one byte order, and who is to get it."""

    __slots__ = ("ahead", "alone", "audience", "frames", "size", "size_alone")

    def __init__(self) -> None:
        self.audience: dict[SendQueue, None] = {}  # a set that keeps its order
        self.clear()

    def clear(self) -> None:
        """Everyone has got everything."""
        self.frames: list[bytes] = []
        self.size = 0
        # What goes to one alone, before what he has not got of ``frames``.
        self.alone: dict[SendQueue, list[bytes]] = {}
        self.size_alone = 0
        # Who needs no more of the first so many bytes: given to him already, or from before he came.
        self.ahead: dict[SendQueue, int] = {}

    def append(self, encoded: bytes) -> None:
        self.frames.append(encoded)
        self.size += len(encoded)

    def append_alone(self, send_queue: SendQueue, encoded: bytes) -> None:
        """The same for ``outbox`` alone."""
        parts = self.alone.setdefault(send_queue, [])
        parts.append(self._pop_rest(send_queue))
        parts.append(encoded)
        self.size_alone += len(encoded)

    def joined(self) -> bytes:
        """What goes to all; kept joined, since it may be asked for again before the flush."""
        if len(self.frames) != 1:
            self.frames = [b"".join(self.frames)]
        return self.frames[0]

    def pop(self, send_queue: SendQueue) -> bytes:
        """All that is pending for ``outbox``; from now on it is not."""
        return b"".join((*self.alone.pop(send_queue, ()), self._pop_rest(send_queue)))

    def pop_different(self) -> dict[SendQueue, bytes]:
        """For all of those who don't just get what goes to all."""
        return {send_queue: self.pop(send_queue) for send_queue in {**self.ahead, **self.alone}}

    def _pop_rest(self, send_queue: SendQueue) -> bytes:
        start = self.ahead.get(send_queue, 0)
        if start == self.size:
            return b""
        self.ahead[send_queue] = self.size
        return self.joined()[start:]


class Broadcast:
    """Gives posted frames to all users.

    ``given``: bytes of all batches, counted once for each user. ``charge`` is called with the seconds that each batch
    of only announcements took.
    """

    def __init__(self, charge: Callable[[float], object] = _do_nothing) -> None:
        self.given = 0
        self._charge = charge
        self._pending = {order: _Pending() for order in ByteOrder}
        self._flushes_itself = False
        self._will_flush = False
        self._announcements = TokenBucket(_ANNOUNCING)
        self._timer: Any = None  # of an announcement that waits for others
        self._file = BatchFile()

    def start(self) -> None:
        """Flush from now on by itself."""
        self._flushes_itself = True

    def stop(self) -> None:
        """Flush once more, and then no longer by itself."""
        self.flush()
        self._flushes_itself = False
        self._end_timer()
        self._file.close()

    def __iter__(self) -> Iterator[SendQueue]:
        for pending in self._pending.values():
            yield from pending.audience

    def add(self, send_queue: SendQueue, first: Iterable[Frame] = ()) -> None:
        """Give ``outbox`` the frames ``first``, and then everything that is posted from now on."""
        pending = self._pending[send_queue.order]
        pending.audience[send_queue] = None
        if pending.size:
            pending.ahead[send_queue] = pending.size
        send_queue.give(b"".join(frame.encode(send_queue.order) for frame in first))

    def remove(self, send_queue: SendQueue) -> None:
        """Give ``outbox`` what is pending, and nothing that is posted from now on."""
        pending = self._pending[send_queue.order]
        send_queue.give(pending.pop(send_queue))
        pending.audience.pop(send_queue, None)
        pending.ahead.pop(send_queue, None)

    def post(self, frame: Frame | TextFrames) -> None:
        """Give everyone ``frame``, whose content is in memory."""
        self._append(frame)
        self._flush_soon()

    def post_attachment(self, frame: Frame, offer: Frame | None) -> None:
        """Give everyone ``frame``, or ``offer``, if there is one, to users who want such a content offered."""
        if offer is None and frame.large is None:
            self.post(frame)
            return
        # Not the same bytes for all, or not in memory: the frame cannot travel in the batch.
        self.flush()
        size = frame.content_size
        for send_queue in self:
            send_queue.put(offer if offer and send_queue.wants_offer(size) else frame)

    def announce(self, frame: Frame) -> None:
        """The same for what everyone can wait for, 50 ms at most: where many come or go, it is joined."""
        self._append(frame)
        self._flush_in_a_while()

    def put(self, send_queue: SendQueue, frame: Frame | TextFrames) -> None:
        """Give ``frame`` to one user, in its place among what everyone gets."""
        if isinstance(frame, Frame) and frame.large is not None:
            pending = self._pending[send_queue.order]
            send_queue.give(pending.pop(send_queue))
            send_queue.put(frame)
            return
        self._append_alone(send_queue, frame.encode(send_queue.order))

    def answer(self, send_queue: SendQueue, encoded: bytes) -> None:
        """Give one user a frame that is due now: at once, without a flush, if nothing is pending before it."""
        pending = self._pending[send_queue.order]
        if pending.size or send_queue in pending.alone:
            self._append_alone(send_queue, encoded)
        else:
            self._give(encoded, (send_queue,))

    def flush(self) -> None:
        """Give everyone what is pending, now."""
        for pending in self._pending.values():
            self._flush(pending)

    def _append(self, frame: Frame | TextFrames) -> None:
        for order, pending in self._pending.items():
            if pending.audience:
                pending.append(frame.encode(order))
                if pending.size >= _BATCH_SIZE:
                    self._flush(pending)

    def _append_alone(self, send_queue: SendQueue, encoded: bytes) -> None:
        pending = self._pending[send_queue.order]
        pending.append_alone(send_queue, encoded)
        if pending.size_alone >= _BATCH_SIZE:
            self._flush(pending)
        self._flush_soon()

    def _flush_soon(self) -> None:
        """When those have had their turn who are ready now: by the event loop itself, since nothing in it waits."""
        if self._flushes_itself and not self._will_flush:
            self._will_flush = True
            gevent.get_hub().loop.run_callback(self._flush_now)

    def _flush_now(self) -> None:
        self._will_flush = False
        self.flush()

    def _flush_in_a_while(self) -> None:
        """The same, but no oftener than announcements may have a batch of their own."""
        if not self._flushes_itself or self._will_flush or self._timer is not None:
            return
        delay = self._announcements.consume(1)
        if not delay:
            self._flush_soon()
            return
        self._timer = gevent.get_hub().loop.timer(delay)
        self._timer.start(self._flush_announced)

    def _flush_announced(self) -> None:
        self._end_timer()
        began = time.thread_time()  # what other processes take meanwhile is not the batch's
        self.flush()
        took = time.thread_time() - began
        # In a large room a batch takes long, so fewer are made.
        self._announcements.consume(took * _WAIT_PER_SECOND * _ANNOUNCING.per_second)
        self._charge(took)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _flush(self, pending: _Pending) -> None:
        different = pending.pop_different()
        batch = pending.joined()
        pending.clear()
        for send_queue, data in different.items():
            self._give(data, (send_queue,))
        if not batch:
            return  # frames for single users only: skip the loop over everyone
        everyone = pending.audience
        self._give(
            batch, [each for each in everyone if each not in different] if different else everyone
        )

    def _give(self, data: bytes, send_queues: Collection[SendQueue]) -> None:
        if not data:
            return
        size = len(data)
        self.given += size * len(send_queues)
        # What is done for each delivery: so the kernel is called from here, for the calls of ours that lead to it would
        # take as long as a tenth of its work.
        file = self._share(data, len(send_queues))
        for send_queue in send_queues:
            sent = 0
            if (fd := send_queue.direct) is not None:
                try:
                    sent = os.write(fd, data) if file is None else os.sendfile(fd, file, 0, size)
                except OSError:
                    sent = 0  # the outbox will meet it too, and knows what it means
                if sent == size:
                    continue
            _give_rest(send_queue, memoryview(data)[sent:])
        if file is not None:
            self._file.clear()

    def _share(self, data: bytes, times: int) -> int | None:
        """A file of ``data``, if it pays that it is copied once rather than so many ``times``."""
        if len(data) < _WORTH_SHARING or times < _SHARERS:
            return None
        return self._file.put(data)


def _give_rest(send_queue: SendQueue, data: memoryview) -> None:
    try:
        send_queue.give(data)
    except Exception:
        # Ours, or no memory is left: it costs this user his connection, and nobody else a message.
        log.exception("giving a user what was posted failed")
        send_queue.fail(LeaveReason.DISCONNECTED)
