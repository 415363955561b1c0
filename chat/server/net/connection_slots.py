"""Bound the open connections. When file descriptors run short, close the oldest connection without a login."""

from __future__ import annotations

import contextlib
import resource
import socket as plain_socket
from collections import OrderedDict
from typing import Protocol

from chat.server.attachments.spool import MAX_FILES
from chat.server.process.log_folding import FoldingLog

# Descriptors that connections never take: spooled contents, the database, sockets that listen. A quarter of all, but
# never more than the server can use.
_SHARE = 4
_MOST_FILES = MAX_FILES + 64


class SlotSocket(Protocol):
    """List what the slots need from a socket."""

    def shutdown(self, how: int, /) -> object: ...

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


class ConnectionSlots:
    """Count all connections, and remember those that have not logged in.

    An honest client logs in at once. So when more than ``capacity`` connections are open, the server shuts down the one
    that has been open longest without a login. Connections that have logged in stay.
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
        """The number of free slots; below 0 while connections that were shut down are not closed yet."""
        return self.capacity - len(self)

    def enter(self, sock: SlotSocket) -> None:
        """Count ``sock``, which has not logged in. The caller must call ``leave`` in the end."""
        self._waiting[id(sock)] = sock
        if self.room < 0:
            self._close_longest_waiting()

    def waiting(self) -> list[SlotSocket]:
        """Return the connections that have not logged in."""
        return list(self._waiting.values())

    def logged_in(self, sock: SlotSocket) -> None:
        """Note that ``sock`` has logged in. It is never shut down for a new connection from now on."""
        # A socket that was shut down may finish its login all the same. It is counted as logged in already.
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
        # One subject for all: the log must not get a line for each address of an attack.
        self._refusals.refused("new connections", "too many at once")
        # Shut down, not closed: the greenlet that reads the socket wakes up, and closes the descriptor itself.
        with contextlib.suppress(OSError):  # the peer has closed already
            oldest.shutdown(plain_socket.SHUT_RDWR)


def connection_capacity() -> int:
    """Return how many connections this process may have open and still have descriptors for files."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Without a limit the kernel's own applies (fs.nr_open), which is this number by default.
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    return max(1, limit - min(limit // _SHARE, _MOST_FILES))
