"""Hold the frames that were posted and are not flushed yet, for every audience, in one order for each user.

A user may be in several audiences: that of the server, and those of some rooms. Posted frames are held once for each
audience, whatever the number of its users. Each frame has a stamp, which counts all frames of one dialect. So the
frames of several audiences are merged, for the few users who get frames of several at once, in the order in which they
were posted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from chat.server.delivery.send_queue import Dialect, SendQueue


class AudiencePart:
    """The users of an audience with one dialect, and the frames that are pending for them.

    ``is_urgent``: the frames do not wait for the next batch of announcements.
    """

    __slots__ = ("_joined", "frames", "is_urgent", "size", "stamps", "users")

    def __init__(self) -> None:
        self.users: dict[SendQueue, None] = {}  # a set that keeps its order
        self.clear()

    def clear(self) -> None:
        """Forget all frames, after a flush."""
        self.frames: list[bytes] = []
        self.stamps: list[int] = []
        self.size = 0
        self.is_urgent = False
        # Some of the last frames, joined: from which index, up to which, and their bytes.
        self._joined = (0, 0, b"")

    def since(self, stamp: int) -> bytes:
        """Join the frames behind ``stamp``, and keep the result: each private message before the flush asks again."""
        start, end = bisect_right(self.stamps, stamp) if stamp else 0, len(self.frames)
        known_start, known_end, joined = self._joined
        if start == end:
            return b""
        if (start, end) != (known_start, known_end):
            joined = self.frames[start] if start + 1 == end else b"".join(self.frames[start:])
            self._joined = (start, end, joined)
        return joined

    def stamped_since(self, stamp: int) -> Iterator[tuple[int, bytes]]:
        """Yield the frames behind ``stamp``, each with its own."""
        start = bisect_right(self.stamps, stamp)
        yield from zip(self.stamps[start:], self.frames[start:], strict=True)


class RoomAudience:
    """The users who get the same frames: all users of the server, or those in a room."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        # Most audiences have users of one dialect only.
        self.parts: dict[Dialect, AudiencePart] = {}

    def __iter__(self) -> Iterator[SendQueue]:
        for part in self.parts.values():
            yield from part.users

    def those_who_take(self, counts: bool) -> RoomAudience:
        """Return the users who take counts in place of announcements, or the others, as they are now."""
        some = RoomAudience()
        some.parts = {
            dialect: part for dialect, part in self.parts.items() if dialect.counts is counts
        }
        return some

    def part(self, dialect: Dialect) -> AudiencePart:
        """Return the part with ``dialect``."""
        part = self.parts.get(dialect)
        if part is None:
            part = self.parts[dialect] = AudiencePart()
        return part


class Batch(NamedTuple):
    """Hold bytes that several users get."""

    data: bytes
    users: Collection[SendQueue]


class PendingFrames:
    """The frames of one dialect that are posted and not yet flushed, and the ``audience`` of all users.

    ``alone`` and ``ahead`` have entries only for users whose bytes differ from those of their audience. So to post a
    message costs the same however many users are here.
    """

    __slots__ = (
        "_further",
        "_in_rooms",
        "_stamp",
        "ahead",
        "alone",
        "audience",
        "dirty",
        "everyone",
        "size_alone",
    )

    def __init__(self, everyone: AudiencePart) -> None:
        self.everyone = everyone
        self.audience = everyone.users
        # The parts with frames that are pending.
        self.dirty: dict[AudiencePart, None] = {}
        # Of users who are in other audiences beside that of all users.
        self._further: dict[SendQueue, list[AudiencePart]] = {}
        self._in_rooms: set[SendQueue] = set()  # of users who are in several others
        self._clear()

    def _clear(self) -> None:
        self._stamp = 0  # of the last frame
        # Bytes for single users, in order: their own frames, and the frames for all that come before those.
        self.alone: dict[SendQueue, list[bytes]] = {}
        self.size_alone = 0
        # Up to which stamp a user must not get the frames of their audiences again: they are already in ``alone``, were
        # sent before, or were posted before the user came.
        self.ahead: dict[SendQueue, int] = {}

    def join(self, send_queue: SendQueue, part: AudiencePart) -> None:
        """Add a user of the server to another audience. They get nothing that was posted there before."""
        if send_queue not in part.users:
            self._take_over(send_queue)
            part.users[send_queue] = None
            parts = self._further.setdefault(send_queue, [])
            parts.append(part)
            if len(parts) > 1:
                self._in_rooms.add(send_queue)

    def leave(self, send_queue: SendQueue, part: AudiencePart) -> None:
        """Remove a user from such an audience. They still get all that was posted there before."""
        if send_queue in part.users:
            self._take_over(send_queue)
            del part.users[send_queue]
            parts = self._further[send_queue]
            parts.remove(part)
            if len(parts) < 2:
                self._in_rooms.discard(send_queue)
            if not parts:
                del self._further[send_queue]

    def add(self, send_queue: SendQueue) -> None:
        """Add a user to the server."""
        self.audience[send_queue] = None
        if self.dirty:
            # Posted before this user came. They must not get it, and nobody else's batch is cut for them.
            self.ahead[send_queue] = self._stamp

    def remove(self, send_queue: SendQueue) -> bytes:
        """Remove a user from all audiences; return what is pending for them."""
        rest = self.pop(send_queue)
        for part in self._further.pop(send_queue, ()):
            part.users.pop(send_queue, None)
        self._in_rooms.discard(send_queue)
        self.audience.pop(send_queue, None)
        self.ahead.pop(send_queue, None)
        return rest

    def append(self, part: AudiencePart, encoded: bytes) -> None:
        """Append a frame for all users of an audience."""
        if not part.size:
            self.dirty[part] = None
        self._stamp += 1
        part.stamps.append(self._stamp)
        part.frames.append(encoded)
        part.size += len(encoded)

    def append_for_others(self, send_queue: SendQueue, part: AudiencePart, encoded: bytes) -> None:
        """Append a frame for all users of an audience but one."""
        # What was pending before stays due to them.
        self._take_over(send_queue)
        self.append(part, encoded)
        self.ahead[send_queue] = self._stamp

    def append_alone(self, send_queue: SendQueue, encoded: bytes) -> None:
        """Append a frame for one user, behind all frames that are pending for their audiences now."""
        self._take_over(send_queue)
        self.alone.setdefault(send_queue, []).append(encoded)
        self.size_alone += len(encoded)

    def pop(self, send_queue: SendQueue) -> bytes:
        """Return all bytes that are pending for one user, and mark them as sent."""
        return b"".join((*self.alone.pop(send_queue, ()), self._pop_rest(send_queue)))

    def pop_alone(self) -> dict[SendQueue, bytes]:
        """Pop the pending bytes of each user who gets a frame alone. Other users go on to wait."""
        self.size_alone = 0
        popped = {send_queue: self.pop(send_queue) for send_queue in [*self.alone]}
        if not self.dirty:
            self._clear()
        return popped

    def pop_all(self, *, only_urgent: bool = False) -> list[Batch]:
        """Pop all that is pending. The bytes of each user are in one batch.

        ``only_urgent``: without audiences for which nothing urgent is pending, apart from users who get other frames.
        """
        if not self.dirty and not self.alone:
            return []
        if len(self.dirty) > 1 or self.ahead or self.alone:
            return self._pop_mixed(only_urgent=only_urgent)
        [part] = self.dirty
        if only_urgent and not part.is_urgent:
            return []
        batch = Batch(part.since(0), part.users)
        part.clear()
        self.dirty.clear()
        return [batch]

    def _pop_mixed(self, *, only_urgent: bool) -> list[Batch]:
        """Pop what ``pop_all`` pops, where not all users get the same."""
        dirty = dict.fromkeys(part for part in self.dirty if part.is_urgent or not only_urgent)
        is_partial = len(dirty) < len(self.dirty)
        different: dict[SendQueue, bytes] = {}
        for send_queue in {**self.ahead, **self.alone}:
            if not is_partial or send_queue in self.alone or _is_in(send_queue, dirty):
                different[send_queue] = self.pop(send_queue)
        several: Collection[SendQueue] = ()
        if len(self.dirty) > 1:
            several = self._in_several(dirty)
        batches: list[Batch] = []
        for part in dirty:
            users: Collection[SendQueue] = part.users
            if different or several:
                users = [each for each in users if each not in different and each not in several]
            if users:
                batches.append(Batch(part.since(0), users))
        if several:
            batches += self._merged(each for each in several if each not in different)
        batches += [Batch(data, (user,)) for user, data in different.items() if data]
        if is_partial:
            self.size_alone = 0
            # From now on they are ahead of what is still pending for others.
            for send_queue in several:
                self.ahead[send_queue] = self._stamp
            for part in dirty:
                part.clear()
                del self.dirty[part]
        else:
            for part in dirty:
                part.clear()
            self.dirty.clear()
            self._clear()
        return batches

    def _in_several(self, dirty: Collection[AudiencePart]) -> set[SendQueue]:
        """Return the users of a ``dirty`` part who also get frames that are pending in another part."""
        if self.everyone in self.dirty:
            # All users of rooms are among these.
            parts = self.dirty if self.everyone in dirty else dirty
            return {user for part in parts if part is not self.everyone for user in part.users}
        # Most users are in one room: those are not looked at, unless they are fewer.
        users: Iterable[SendQueue] = self._in_rooms
        if len(self._in_rooms) > sum(len(part.users) for part in dirty):
            users = {user for part in dirty for user in part.users if user in self._in_rooms}
        return {user for user in users if self._gets_several(user, dirty)}

    def _gets_several(self, send_queue: SendQueue, dirty: Collection[AudiencePart]) -> bool:
        parts = [part for part in self._further[send_queue] if part.size]
        return len(parts) > 1 and any(part in dirty for part in parts)

    def _merged(self, send_queues: Iterable[SendQueue]) -> Iterator[Batch]:
        """Yield the bytes of users who get frames of several audiences: merged once for all who get the same."""
        groups: dict[frozenset[AudiencePart], list[SendQueue]] = {}
        for send_queue in send_queues:
            parts = frozenset(part for part in self._parts_of(send_queue) if part.size)
            groups.setdefault(parts, []).append(send_queue)
        for parts, users in groups.items():
            yield Batch(_merge(parts, 0), users)

    def _take_over(self, send_queue: SendQueue) -> None:
        """Move what is pending for one user to ``alone``, in its order."""
        if self.dirty and (rest := self._pop_rest(send_queue)):
            self.alone.setdefault(send_queue, []).append(rest)

    def _pop_rest(self, send_queue: SendQueue) -> bytes:
        if not self.dirty:
            return b""
        ahead = self.ahead.get(send_queue, 0)
        if ahead == self._stamp:
            return b""
        self.ahead[send_queue] = self._stamp
        if send_queue not in self._further:
            return self.everyone.since(ahead)
        return _merge([part for part in self._parts_of(send_queue) if part.size], ahead)

    def _parts_of(self, send_queue: SendQueue) -> Iterator[AudiencePart]:
        yield self.everyone
        yield from self._further.get(send_queue, ())


def _is_in(send_queue: SendQueue, parts: Collection[AudiencePart]) -> bool:
    return any(send_queue in part.users for part in parts)


def _merge(parts: Collection[AudiencePart], stamp: int) -> bytes:
    """Join the frames of ``parts`` behind ``stamp``, in the order in which they were posted."""
    if len(parts) == 1:
        [part] = parts
        return part.since(stamp)
    # Sorted by the stamps alone, since no two are equal.
    frames = sorted(frame for part in parts for frame in part.stamped_since(stamp))
    return b"".join([encoded for _, encoded in frames])
