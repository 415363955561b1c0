"""Deliver one run of messages to many users: join pending frames once, and offer the batch to each socket.

This is the hottest path of the server. A message to N users causes N deliveries. So all work that is the same for all
users is done once, before the loop over users. A post only appends the encoded frame to a list, once for each byte
order. The flush comes when all greenlets that are ready have had their turn. So in a busy room more messages share a
batch, and each message costs fewer system calls. The loop itself (``Broadcast._give``) has one system call for each
user, and no Python call around the system call. A user whose socket takes the whole batch costs nothing else: no
queue, no greenlet, no event.

A frame for one user keeps its place among the frames for all. The user gets their frames and their part of the batch
in one write, and the batch is split only for that user. So a private message or a login does not make the batch of all
other users smaller.

Nothing here knows what a frame means.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Protocol

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

# Once so many bytes are pending, they are flushed at once. This bounds the memory of a batch.
_BATCH_SIZE = 256 * 1024

# The rate of batches that hold only announcements. After a restart thousands of users log in again. A batch for each
# login would cost a system call for each pair of users, and with TLS an encryption too.
_ANNOUNCING = Rate(per_second=20, burst=10)
# The pause after a batch of announcements, in seconds for each second that the batch took.
_WAIT_PER_SECOND = 5.0

# The smallest batch (bytes) and audience (users) for which references to one copy are cheaper than a copy for each.
_WORTH_SHARING = 8 * 1024
_SHARERS = 32


def do_nothing(seconds: float) -> None:
    """Ignore the time of a batch, in a server without a loop share."""


class Encodable(Protocol):
    """Frames that are in memory, and are encoded for each byte order in use."""

    def encode(self, order: ByteOrder) -> bytes: ...


class _Pending:
    """The frames of one byte order that are posted and not yet flushed, and the audience that gets them.

    ``frames`` is shared by the whole audience. ``ahead`` and ``alone`` have entries only for users whose bytes differ.
    So to post a message costs the same however many users are here.
    """

    __slots__ = ("ahead", "alone", "audience", "frames", "size", "size_alone")

    def __init__(self) -> None:
        self.audience: dict[SendQueue, None] = {}  # a set that keeps its order
        self.clear()

    def clear(self) -> None:
        """Forget all frames, after a flush."""
        self.frames: list[bytes] = []
        self.size = 0
        # Bytes for single users, in order: their own frames, and the parts of ``frames`` that come before those.
        self.alone: dict[SendQueue, list[bytes]] = {}
        self.size_alone = 0
        # How many of the first bytes of ``frames`` a user must not get again: they are already in ``alone``, were sent
        # before, or were posted before the user came.
        self.ahead: dict[SendQueue, int] = {}

    def append(self, encoded: bytes) -> None:
        self.frames.append(encoded)
        self.size += len(encoded)

    def append_for_others(self, send_queue: SendQueue, encoded: bytes) -> None:
        """Append a frame for everyone but one user."""
        if self.size:
            # What was pending before stays due to them.
            self.alone.setdefault(send_queue, []).append(self._pop_rest(send_queue))
        self.append(encoded)
        self.ahead[send_queue] = self.size

    def append_alone(self, send_queue: SendQueue, encoded: bytes) -> None:
        """Append a frame for one user, behind all frames for everyone that are pending now."""
        parts = self.alone.setdefault(send_queue, [])
        if self.size:
            parts.append(self._pop_rest(send_queue))
        parts.append(encoded)
        self.size_alone += len(encoded)

    def joined(self) -> bytes:
        """Join the frames for all, and keep the result: each private message before the flush asks for it again."""
        if len(self.frames) != 1:
            self.frames = [b"".join(self.frames)]
        return self.frames[0]

    def pop(self, send_queue: SendQueue) -> bytes:
        """Return all bytes that are pending for one user, and mark them as sent."""
        return b"".join((*self.alone.pop(send_queue, ()), self._pop_rest(send_queue)))

    def pop_different(self) -> dict[SendQueue, bytes]:
        """Pop the pending bytes of each user who gets something else than the common batch."""
        return {send_queue: self.pop(send_queue) for send_queue in {**self.ahead, **self.alone}}

    def _pop_rest(self, send_queue: SendQueue) -> bytes:
        start = self.ahead.get(send_queue, 0)
        if start == self.size:
            return b""
        self.ahead[send_queue] = self.size
        return self.joined()[start:]


class Broadcast:
    """Deliver posted frames to all users, in one order.

    ``given``: bytes of all batches, counted once for each user. ``charge`` is called with the seconds of CPU time of
    each batch that was made for announcements alone.
    """

    def __init__(self, charge: Callable[[float], object] = do_nothing) -> None:
        self.given = 0
        self._charge = charge
        self._pending = {order: _Pending() for order in ByteOrder}
        self._flushes_itself = False
        self._will_flush = self._will_flush_alone = False
        self._announcements = TokenBucket(_ANNOUNCING)
        self._timer: Any = None  # of announcements that wait for their batch
        self._file = BatchFile()

    def start(self) -> None:
        """Begin to flush by itself after each post. Until then, only ``flush`` sends what is posted."""
        self._flushes_itself = True

    def stop(self) -> None:
        """Flush a last time. Afterwards only ``flush`` sends what is posted."""
        self.flush()
        self._flushes_itself = False
        self._end_timer()
        self._file.close()

    def __iter__(self) -> Iterator[SendQueue]:
        for pending in self._pending.values():
            yield from pending.audience

    def add(self, send_queue: SendQueue, first: Iterable[Encodable] = ()) -> None:
        """Send a user the frames ``first`` now, and add them to the audience of all later posts."""
        pending = self._pending[send_queue.order]
        pending.audience[send_queue] = None
        if pending.size:
            # Posted before this user came. They must not get it, and nobody else's batch is cut for them.
            pending.ahead[send_queue] = pending.size
        send_queue.give(b"".join(frame.encode(send_queue.order) for frame in first))

    def remove(self, send_queue: SendQueue) -> None:
        """Send a user all frames that are pending, and remove them from the audience of later posts."""
        pending = self._pending[send_queue.order]
        send_queue.give(pending.pop(send_queue))
        pending.audience.pop(send_queue, None)
        pending.ahead.pop(send_queue, None)

    def post(self, frame: Frame | TextFrames) -> None:
        """Send all users a frame or a run of texts, with the content in memory, at the next flush."""
        self._append(frame)
        self._flush_soon()

    def post_to_others(self, send_queue: SendQueue, frame: Frame) -> None:
        """Send a frame to all users but one."""
        own = self._pending[send_queue.order]
        if send_queue not in own.audience:
            self.post(frame)
            return
        own.append_for_others(send_queue, frame.encode(send_queue.order))
        for order, pending in self._pending.items():
            if pending is not own and pending.audience:
                pending.append(frame.encode(order))
        self._flush_soon()

    def post_attachment(self, frame: Frame, offer: Frame | None) -> None:
        """Send all users ``frame``, but ``offer``, if there is one, to users who want offers for such contents."""
        if offer is None and frame.large is None:
            self.post(frame)
            return
        # The bytes differ between users, or are not in memory: the frame cannot be part of a batch.
        self.flush()
        size = frame.content_size
        for send_queue in self:
            send_queue.put(offer if offer and send_queue.wants_offer(size) else frame)

    def announce(self, frame: Frame) -> None:
        """Send all users a frame that can wait, for 50 ms or a little longer: a user who joined or left.

        Announcements that come in quick succession share a batch.
        """
        self._append(frame)
        self._flush_in_a_while()

    def put(self, send_queue: SendQueue, frame: Encodable) -> None:
        """Send one user of the audience a frame, in its place among the frames for everyone."""
        pending = self._pending[send_queue.order]
        if send_queue not in pending.audience:
            # Nothing may follow the last frame of a user who was removed.
            return
        if isinstance(frame, Frame) and frame.large is not None:
            # The content is in a file, so the frame cannot wait in ``pending``: everything before it goes first.
            send_queue.give(pending.pop(send_queue))
            send_queue.put(frame)
            return
        self._append_alone(send_queue, frame.encode(send_queue.order))

    def answer(self, send_queue: SendQueue, encoded: bytes) -> None:
        """Send one user of the audience a frame: at once, or in its place if other frames for that user are pending."""
        pending = self._pending[send_queue.order]
        if send_queue not in pending.audience:
            return
        if pending.size or send_queue in pending.alone:
            self._append_alone(send_queue, encoded)
        else:
            self._give_one(encoded, send_queue)

    def remind(self, send_queue: SendQueue, encoded: bytes) -> None:
        """Send one user of the audience a frame at once, before all that is pending."""
        if send_queue in self._pending[send_queue.order].audience:
            self._give_one(encoded, send_queue)

    def flush(self) -> None:
        """Flush pending frames to all users."""
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
        if self._flushes_itself and not (self._will_flush or self._will_flush_alone):
            # Announcements that are pending for everyone can wait: very many users who come at once ask for what they
            # missed, and each answer would cost a batch of announcements for all of them.
            self._will_flush_alone = True
            gevent.get_hub().loop.run_callback(self._flush_alone_now)

    def _flush_alone_now(self) -> None:
        """Give the users who get a frame alone all that is pending for them."""
        self._will_flush_alone = False
        if self._will_flush:
            return  # at the end of this turn of the loop, and users who get frames of both kinds get them in one write
        for pending in self._pending.values():
            if not pending.size:
                self._flush(pending)
                continue
            pending.size_alone = 0
            for send_queue in [*pending.alone]:
                self._give_one(pending.pop(send_queue), send_queue)

    def _flush_soon(self) -> None:
        """Flush when all greenlets that are ready now have had their turn.

        A callback of the event loop does it. A flush never waits, so it needs no greenlet.
        """
        if self._flushes_itself and not self._will_flush:
            self._will_flush = True
            gevent.get_hub().loop.run_callback(self._flush_now)

    def _flush_now(self) -> None:
        self._will_flush = False
        self.flush()

    def _flush_in_a_while(self) -> None:
        """Flush as soon as the rate of batches for announcements allows."""
        if not self._flushes_itself or self._will_flush or self._timer is not None:
            return
        # With a delay of 0 the timer ends when all greenlets that are ready now have had their turn.
        self._timer = gevent.get_hub().loop.timer(self._announcements.consume(1))
        self._timer.start(self._flush_announced)

    def _flush_announced(self) -> None:
        self._end_timer()
        # CPU time, not time of day: on a busy machine other processes run during a batch.
        began = time.thread_time()
        self.flush()
        took = time.thread_time() - began
        # In a large room a batch takes long. So fewer are made, and announcements leave the loop to messages.
        self._announcements.consume(took * _WAIT_PER_SECOND * _ANNOUNCING.per_second)
        self._charge(took)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _flush(self, pending: _Pending) -> None:
        if not pending.size:
            if pending.alone:
                self._flush_alone(pending)
            return
        different = pending.pop_different()
        batch = pending.joined()
        pending.clear()
        for send_queue, data in different.items():
            if data:
                self._give_one(data, send_queue)
        everyone = pending.audience
        self._give(
            batch, [each for each in everyone if each not in different] if different else everyone
        )

    def _flush_alone(self, pending: _Pending) -> None:
        """Flush the frames for single users, such as private messages, when nothing is pending for everyone."""
        alone = pending.alone
        pending.clear()
        for send_queue, parts in alone.items():
            self._give_one(b"".join(parts), send_queue)

    def _give_one(self, data: bytes, send_queue: SendQueue) -> None:
        """Give one user their bytes. ``_give`` does the same for many users, who share a batch."""
        size = len(data)
        self.given += size
        sent = 0
        if (fd := send_queue.direct) is not None:
            try:
                sent = os.write(fd, data)
            except OSError:
                sent = 0  # the send queue meets the same error, and knows what it means
        if sent != size:
            _give_rest(send_queue, memoryview(data)[sent:])

    def _give(self, data: bytes, send_queues: Collection[SendQueue]) -> None:
        size = len(data)
        self.given += size * len(send_queues)
        # This loop runs once for each batch and user. The system call is made here, through the raw descriptor, and not
        # by SendQueue.give and Transport.try_send: the Python calls on that way would add a tenth to the work of the
        # kernel. ``direct`` is None where the raw way would be wrong: under TLS, while a backlog exists (its bytes come
        # first), and after the end of a connection.
        file = self._share(data, len(send_queues))
        for send_queue in send_queues:
            sent = 0
            if (fd := send_queue.direct) is not None:
                try:
                    sent = os.write(fd, data) if file is None else os.sendfile(fd, file, 0, size)
                except OSError:
                    sent = 0  # a full socket or a broken one: the send queue meets it again, and handles it
            if sent != size:
                # A view, not a copy: users who are behind share the memory of the batch.
                _give_rest(send_queue, memoryview(data)[sent:])
        if file is not None:
            # Sockets keep their references to the pages that are on their way.
            self._file.clear()

    def _share(self, data: bytes, times: int) -> int | None:
        """Return a file that holds ``data`` if that is cheaper than to copy ``data`` so many ``times``, or None."""
        if len(data) < _WORTH_SHARING or times < _SHARERS:
            return None
        return self._file.put(data)


def _give_rest(send_queue: SendQueue, data: memoryview) -> None:
    try:
        send_queue.give(data)
    except Exception:
        # A bug, or no memory is left. Disconnect this user, so that all users after them in the loop get the batch.
        log.exception("cannot deliver to a user; their connection is closed")
        send_queue.fail(LeaveReason.DISCONNECTED)
