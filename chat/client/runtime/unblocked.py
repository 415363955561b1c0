"""Write to a terminal or a pipe without ever waiting inside the kernel.

A terminal that is stopped (Ctrl-S), or that nobody reads, takes no bytes. A blocking write to such a terminal stops the
whole process: the connection, and the handlers of signals too. ``poll`` does not help, because it tells that there is
room, not how much. O_NONBLOCK belongs to the open file description, which the other programs of the terminal share. If
it were set on an inherited descriptor, the shell would get errors from its reads afterwards. So the terminal is opened
once more, for this program alone.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterator
from contextlib import suppress

from gevent.socket import wait_write

# A pipe that ``poll`` reports as ready takes this many bytes without blocking (POSIX, write).
_PIPE_SIZE = select.PIPE_BUF


class UnblockedWriter:
    """Writes to ``fd`` without blocking, and without changing the mode that other programs share.

    A terminal is opened anew in non-blocking mode. If that is not allowed (after ``su``, the terminal belongs to
    another user), bytes are written one by one, each after ``poll`` found room. Regular files and devices such as
    ``/dev/null`` take everything at once.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._own = _opened_anew(fd) if os.isatty(fd) else None
        self._watched = fd if self._own is None else self._own
        mode = os.fstat(fd).st_mode
        if os.isatty(fd):
            self._at_once = None if self._own is not None else 1
        else:
            self._at_once = _PIPE_SIZE if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None
        # Regular files are always ready, and epoll refuses to watch them.
        self._waits = os.isatty(fd) or self._at_once is not None

    def close(self) -> None:
        """Close the descriptor that this writer has opened; ``fd`` stays open."""
        if self._own is not None:
            os.close(self._own)
            self._own, self._watched, self._at_once = None, self._fd, 1

    def write_some(self, data: memoryview) -> int:
        """Write as many bytes as are taken now, and return their number, which may be 0. Raises OSError."""
        if self._own is None and self._waits and not _has_room(self._fd):
            return 0
        try:
            # One system call, even if it takes few bytes: the caller lets other greenlets run before the next one.
            return os.write(self._watched, data if self._at_once is None else data[: self._at_once])
        except BlockingIOError:
            return 0

    def wait(self) -> None:
        """Let other greenlets run until ``fd`` may take bytes."""
        if self._waits:
            wait_write(self._watched)


def _has_room(fd: int) -> bool:
    """Return whether ``fd`` takes at least one byte now."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _opened_anew(fd: int) -> int | None:
    """Open the terminal ``fd`` once more, in non-blocking mode; return None if that is not allowed."""
    wanted = os.fstat(fd)
    for path in _paths(fd):
        with suppress(OSError):
            own = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
            # The name may mean another terminal, in a container or after a hang-up: compare the devices.
            found = os.fstat(own)
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return own
            os.close(own)
    return None


def _paths(fd: int) -> Iterator[str]:
    # /proc works in a container too, where the name of the terminal may not exist.
    yield f"/proc/self/fd/{fd}"
    with suppress(OSError):
        yield os.ttyname(fd)
