"""Deal the events of a connection out to those who read: readers of one room each, and readers of all the rest.

One of them fetches at a time, and deals what belongs to others into their queues; the others wait. A task that stops
to fetch wakes one that waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar, cast

from chat.client.connection.events import (
    Attachment,
    EnteredRoom,
    EventsDropped,
    Invited,
    LeftRoom,
    Text,
)
from chat.client.runtime.runtime import Event as Signal
from chat.client.runtime.runtime import Runtime

E = TypeVar("E")

# Events that wait for one reader, and characters or bytes of their contents. Further ones take the place of the oldest.
MAX_EVENTS = 10_000
MAX_SIZE = 16 * 1024 * 1024


def room_of(event: object) -> str | None:
    """Return the name of the room whose readers get ``event``; None: it belongs to no room beside the default one."""
    if isinstance(event, EnteredRoom):
        return event.facts.name
    # The user is not in a room that they are invited to.
    return None if isinstance(event, Invited) else getattr(event, "room", None)


class _Queue(Generic[E]):
    """Events that wait for the readers of one room; ``room`` is None for those of all the rest."""

    def __init__(self, room: str | None) -> None:
        self.room = room
        self.is_over = False  # the user has left the room: nothing follows
        self.is_filled = False  # there are events, or some were dropped
        self.events: deque[E] = deque()
        self._size = 0
        self._dropped = 0

    def __bool__(self) -> bool:
        return self.is_filled

    def put(self, event: E) -> None:
        """Append an event, and drop the oldest ones if there are too many."""
        self.is_filled = True
        self.events.append(event)
        self._size += size_of(event)
        while len(self.events) > MAX_EVENTS or (self._size > MAX_SIZE and len(self.events) > 1):
            self._size -= size_of(self.events.popleft())
            self._dropped += 1

    def take(self) -> E:
        """Remove and return the oldest event, or first tell how many were dropped before it."""
        if self._dropped:
            # No event of a connection, but of its readers.
            told: Any = EventsDropped(self._dropped, self.room)
            self._dropped = 0
            self.is_filled = bool(self.events)
            return cast(E, told)
        event = self.events.popleft()
        self._size -= size_of(event)
        self.is_filled = bool(self.events)
        return event

    def take_all(self) -> list[E]:
        """Remove and return all events. Whether some were dropped stays to be told."""
        events, self.events, self._size = list(self.events), deque(), 0
        self.is_filled = self._dropped > 0
        return events


class EventReaders(Generic[E]):
    """Readers of events, which ``fetch`` returns one by one.

    ``fetch`` is called by one task at a time; it returns None at the end of all events, or raises.
    """

    def __init__(self, runtime: Runtime, fetch: Callable[[], E | None]) -> None:
        self._runtime = runtime
        self._fetch = fetch
        self._reading = runtime.lock()  # held by the task that fetches
        self._main: _Queue[E] = _Queue(None)
        self._rooms: dict[str, _Queue[E]] = {}
        self._waiting: list[tuple[_Queue[E], Signal]] = []
        self.given = 0  # events that readers were given
        self._is_stopped = False
        # Around the queues and the tasks that wait. No greenlet switches while it is held.
        self._lock = Lock()

    @property
    def is_idle(self) -> bool:
        """Whether no event waits for a reader."""
        return not self._main and not any(self._rooms.values())

    @property
    def open_rooms(self) -> list[str]:
        """The rooms that have readers."""
        return [room for room, queue in list(self._rooms.items()) if not queue.is_over]

    # Reading

    def read(self) -> E | None:
        """Wait for the next event that belongs to no room with readers; None at the end. Raises what ``fetch`` does."""
        return self._next(self._main)

    def read_room(self, room: str, *, is_member: bool) -> E | None:
        """Wait for the next event of ``room``; None at the end, or once the user has left the room.

        From the first call on, the events of the room are dealt to its readers. Raises what ``fetch`` does.
        """
        queue = self._rooms.get(room)
        if queue is None:
            queue = self._open(room)
            # Nothing may follow, not even that the user has left.
            queue.is_over = queue.is_over or not is_member
        event = self._next(queue)
        if event is None:
            with self._lock:
                if self._rooms.get(room) is queue:
                    del self._rooms[room]
        return event

    def put(self, event: E) -> None:
        """Deal out an event that was fetched, and wake its reader."""
        with self._lock:
            queue = self._queue_of(event)
            queue.put(event)
            if isinstance(event, LeftRoom) and queue is not self._main:
                queue.is_over = True
        self._wake(queue)

    def stop(self) -> None:
        """Hand out no more events, and wake all who wait: they find out from ``fetch`` why."""
        self._is_stopped = True
        self.wake_all()

    def wake_all(self) -> None:
        """Wake all who wait, since there is nothing to wait for any more."""
        self._wake(None)

    # Fetching

    def acquire(self, *, timeout: float | None = None) -> bool:
        """Become the task that fetches, within ``timeout`` seconds (None: at once); return False if another one is."""
        if timeout is None:
            return self._reading.acquire(blocking=False)
        return self._reading.acquire(timeout=timeout)

    def release(self) -> None:
        """Fetch no more, and wake a task that waits, which goes on."""
        self._reading.release()
        self._wake_one()

    def _next(self, queue: _Queue[E]) -> E | None:
        while True:
            # Nearly always nothing waits, nobody else reads, and no room has readers: each call of a function here
            # would be a hundredth of what a message costs.
            if queue.is_filled:
                taken = self._take(queue)
                if taken is not None:
                    return taken
            if queue.is_over:
                return None
            if not self._reading.acquire(blocking=False) and not self._wait(queue):
                continue
            try:
                # Another task may have fetched for this one until now.
                if (queue.is_filled or queue.is_over) and self._has_news(queue):
                    continue
                event = self._fetch()
                if event is None:
                    return None
                if self._rooms and self._queue_of(event) is not queue:
                    self.put(event)
                    continue
                with self._lock:
                    self.given += 1
                if queue is not self._main and isinstance(event, LeftRoom):
                    queue.is_over = True
                    self._wake(queue)
                return event
            finally:
                self._reading.release()
                if self._waiting:
                    self._wake_one()

    def _take(self, queue: _Queue[E]) -> E | None:
        if not queue or self._is_stopped:
            return None
        with self._lock:
            if not queue:
                return None  # another task may have been faster
            self.given += 1
            return queue.take()

    def _has_news(self, queue: _Queue[E]) -> bool:
        return queue.is_over or (bool(queue) and not self._is_stopped)

    def _wait(self, queue: _Queue[E]) -> bool:
        """Wait until an event may be in ``queue``, or nobody fetches; return whether this task is to fetch."""
        signal = self._runtime.event()
        with self._lock:
            self._waiting.append((queue, signal))
        try:
            # The task that fetches may have stopped before it could see this one.
            if self._reading.acquire(blocking=False):
                return True
            if not self._has_news(queue):
                signal.wait()
            return False
        except BaseException:
            self._wake_one()  # in place of this task, which may have been woken to fetch
            raise
        finally:
            with self._lock:
                self._waiting.remove((queue, signal))

    def _wake(self, queue: _Queue[E] | None) -> None:
        """Wake the tasks that wait for ``queue``; None: all."""
        with self._lock:
            signals = [signal for other, signal in self._waiting if queue in (None, other)]
        for signal in signals:
            signal.set()

    def _wake_one(self) -> None:
        if not self._waiting:
            return  # as nearly always
        with self._lock:
            signal = next((signal for _, signal in self._waiting if not signal.is_set()), None)
        if signal is not None:
            signal.set()

    # Queues

    def _queue_of(self, event: E) -> _Queue[E]:
        room = room_of(event) if self._rooms else None
        queue = None if room is None else self._rooms.get(room)
        return self._main if queue is None or queue.is_over else queue

    def _open(self, room: str) -> _Queue[E]:
        """Begin to deal out the events of ``room``; those that wait are the first."""
        with self._lock:
            queue = self._rooms.setdefault(room, _Queue(room))
            for event in self._main.take_all():
                is_here = room_of(event) == room and not queue.is_over
                (queue if is_here else self._main).put(event)
                queue.is_over = queue.is_over or (is_here and isinstance(event, LeftRoom))
        return queue


def size_of(event: object) -> int:
    """Return how many characters or bytes the content of an event has."""
    if isinstance(event, Text):
        return len(event.text)
    return len(event.content or b"") if isinstance(event, Attachment) else 0
