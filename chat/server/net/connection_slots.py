"""A place for each connection. While descriptors are short, the oldest connections without a login make way."""

from __future__ import annotations

import contextlib
import resource
import socket as plain_socket
from collections import OrderedDict
from typing import Protocol

from chat.server.attachments.spool import MAX_FILES
from chat.server.process.log_folding import FoldingLog

_SHARE = 4  # this part of the descriptors is kept for files, if there are few
_MOST_FILES = MAX_FILES + 64  # more are never needed


class SlotSocket(Protocol):
    def shutdown(self, how: int, /) -> object: ...

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


class ConnectionSlots:
    """All connections, and those among them that have not logged in.

    An honest client logs in at once. So when more than ``capacity`` connections are open, the one that has waited for
    longest without a login is shut down. Connections that have logged in stay.
    """

    def __init__(self, capacity: int, refusals: FoldingLog) -> None:
        self.capacity = capacity
        self._refusals = refusals
        self._waiting: OrderedDict[int, SlotSocket] = OrderedDict()
        self._inside = 0

    def __len__(self) -> int:
        """Return how many connections are open, logged in or not."""
        return len(self._waiting) + self._inside

    @property
    def room(self) -> int:
        """The number of connections that may come before one has to make way; below 0 while some have yet to go."""
        return self.capacity - len(self)

    def enter(self, sock: SlotSocket) -> None:
        """Count ``sock``, which waits until it is let in. The caller must call ``leave`` in the end."""
        self._waiting[id(sock)] = sock
        if self.room < 0:
            self._close_longest_waiting()

    def waiting(self) -> list[SlotSocket]:
        """Return the connections that have not logged in."""
        return list(self._waiting.values())

    def logged_in(self, sock: SlotSocket) -> None:
        """Note that ``sock`` has logged in and no longer makes way."""
        if self._waiting.pop(id(sock), None) is not None:
            self._inside += 1

    def leave(self, sock: SlotSocket) -> None:
        """Stop counting ``sock``, which is about to be closed."""
        if self._waiting.pop(id(sock), None) is None:
            self._inside -= 1

    def _close_longest_waiting(self) -> None:
        oldest = next(iter(self._waiting.values()))
        # The connection stays counted until its greenlet has closed the descriptor, but must not be chosen again.
        self.logged_in(oldest)
        self._refusals.refused("newcomers", "too many at once")
        with contextlib.suppress(OSError):  # the peer is gone already
            oldest.shutdown(plain_socket.SHUT_RDWR)


def connection_capacity() -> int:
    """Return how many connections leave enough of this process's descriptors for files."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    return max(1, limit - min(limit // _SHARE, _MOST_FILES))
