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
from chat.server.delivery.pending import PendingFrames, RoomAudience
from chat.server.delivery.send_queue import Dialect, SendQueue
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


class Broadcast:
    """Deliver posted frames to all users, or to an audience among them, in one order for each user.

    ``everyone`` is the audience of all users.

    ``given``: bytes of all batches, counted once for each user. ``charge`` is called with the seconds of CPU time of
    each batch that was made for announcements alone.
    """

    def __init__(self, charge: Callable[[float], object] = do_nothing) -> None:
        self.given = 0
        self._charge = charge
        self.everyone = RoomAudience()
        self._pending = {each: PendingFrames(self.everyone.part(each)) for each in Dialect}
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
        return iter(self.everyone)

    def add(self, send_queue: SendQueue, first: Iterable[Encodable] = ()) -> None:
        """Send a user the frames ``first`` now, and add them to the audience of all later posts."""
        self._pending[send_queue.dialect].add(send_queue)
        frames = []
        # Not in a comprehension, which is a call of its own: see MOST_STACK in chat/server/sessions/login.py.
        for frame in first:
            frames.append(frame.encode(send_queue.order))
        send_queue.give(b"".join(frames))

    def remove(self, send_queue: SendQueue) -> None:
        """Send a user all frames that are pending, and remove them from all audiences."""
        send_queue.give(self._pending[send_queue.dialect].remove(send_queue))

    def join(self, send_queue: SendQueue, audience: RoomAudience) -> None:
        """Add a user to an audience beside that of all users."""
        pending = self._pending[send_queue.dialect]
        if send_queue in pending.audience:
            pending.join(send_queue, audience.part(send_queue.dialect))

    def part(self, send_queue: SendQueue, audience: RoomAudience) -> None:
        """Remove a user from such an audience. They still get what was posted there before."""
        self._pending[send_queue.dialect].leave(send_queue, audience.part(send_queue.dialect))

    def post(self, frame: Frame | TextFrames, audience: RoomAudience | None = None) -> None:
        """Send all users, or those of an audience, a frame or a run of texts, with the content in memory."""
        self._append(frame, audience or self.everyone, is_urgent=True)
        self._flush_soon()

    def post_to_others(
        self, send_queue: SendQueue, frame: Frame, audience: RoomAudience | None = None
    ) -> None:
        """Send a frame to all users, or to those of an audience, but one."""
        for dialect, part in (audience or self.everyone).parts.items():
            if part.users:
                pending, encoded = self._pending[dialect], frame.encode(dialect.order)
                if send_queue in part.users:
                    pending.append_for_others(send_queue, part, encoded)
                else:
                    pending.append(part, encoded)
                part.is_urgent = True
        self._flush_soon()

    def post_attachment(
        self, frame: Frame, offer: Frame | None, audience: RoomAudience | None = None
    ) -> None:
        """Send all users ``frame``, but ``offer``, if there is one, to users who want offers for such contents."""
        if offer is None and frame.large is None:
            self.post(frame, audience)
            return
        # The bytes differ between users, or are not in memory: the frame cannot be part of a batch.
        self.flush()
        size = frame.content_size
        for send_queue in audience or self.everyone:
            send_queue.put(offer if offer and send_queue.wants_offer(size) else frame)

    def announce(
        self, frame: Frame, audience: RoomAudience | None = None, *, counts: bool | None = None
    ) -> None:
        """Send all users a frame that can wait, for 50 ms or a little longer: a user who joined or left.

        Announcements that come in quick succession share a batch. ``counts``: only for users who take counts in place
        of announcements, or only for the others.
        """
        audience = audience or self.everyone
        if counts is not None:
            audience = audience.those_who_take(counts)
        self._append(frame, audience, is_urgent=False)
        self._flush_in_a_while()

    def put(self, send_queue: SendQueue, frame: Encodable) -> None:
        """Send one user of the audience a frame, in its place among the frames for everyone."""
        pending = self._pending[send_queue.dialect]
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
        pending = self._pending[send_queue.dialect]
        if send_queue not in pending.audience:
            return
        if pending.dirty or send_queue in pending.alone:
            self._append_alone(send_queue, encoded)
        else:
            self._give_one(encoded, send_queue)

    def remind(self, send_queue: SendQueue, encoded: bytes) -> None:
        """Send one user of the audience a frame at once, before all that is pending."""
        if send_queue in self._pending[send_queue.dialect].audience:
            self._give_one(encoded, send_queue)

    def flush(self) -> None:
        """Flush pending frames to all users."""
        for pending in self._pending.values():
            self._flush(pending)

    def _append(self, frame: Frame | TextFrames, audience: RoomAudience, is_urgent: bool) -> None:
        encoded, of = b"", None
        for dialect, part in audience.parts.items():
            if part.users:
                if of is not dialect.order:
                    encoded, of = frame.encode(dialect.order), dialect.order
                pending = self._pending[dialect]
                pending.append(part, encoded)
                part.is_urgent = part.is_urgent or is_urgent
                if part.size >= _BATCH_SIZE:
                    self._flush(pending)

    def _append_alone(self, send_queue: SendQueue, encoded: bytes) -> None:
        pending = self._pending[send_queue.dialect]
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
            for send_queue, data in pending.pop_alone().items():
                self._give_one(data, send_queue)

    def _flush_soon(self) -> None:
        """Flush when all greenlets that are ready now have had their turn.

        A callback of the event loop does it. A flush never waits, so it needs no greenlet.
        """
        if self._flushes_itself and not self._will_flush:
            self._will_flush = True
            gevent.get_hub().loop.run_callback(self._flush_now)

    def _flush_now(self) -> None:
        self._will_flush = False
        # A message in one room does not hurry the announcements that wait in others.
        for pending in self._pending.values():
            self._flush(pending, only_urgent=True)

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

    def _flush(self, pending: PendingFrames, *, only_urgent: bool = False) -> None:
        for data, users in pending.pop_all(only_urgent=only_urgent):
            self._give(data, users)

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
        is_shared = size >= _WORTH_SHARING and len(send_queues) >= _SHARERS
        file = self._file.put(data) if is_shared else None
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


def _give_rest(send_queue: SendQueue, data: memoryview) -> None:
    try:
        send_queue.give(data)
    except Exception:
        # A bug, or no memory is left. Disconnect this user, so that all users after them in the loop get the batch.
        log.exception("cannot deliver to a user; their connection is closed")
        send_queue.fail(LeaveReason.DISCONNECTED)
