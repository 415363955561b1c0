"""Pass the output of curses to the terminal without blocking: catch it in memory, then write it on.

``curses.refresh`` writes to descriptor 1 until the terminal has taken everything. So descriptor 1 is a file in memory
while curses writes. At most one frame is in memory: the next frame is drawn when the terminal has taken this one. A
terminal that is behind skips frames, and nothing queues up.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import gevent

from chat.client.runtime.unblocked import UnblockedWriter

STDOUT = 1
# Seconds to wait after a terminal that had room took no byte (a line end may need room for two).
_SHORT_PAUSE = 0.01


class TerminalGone(Exception):
    """Report that the terminal was closed, or the connection to it was lost."""


class Output:
    """Send bytes to the terminal on descriptor 1."""

    def __init__(self) -> None:
        self._writer = UnblockedWriter(STDOUT)
        self._terminal = os.dup(STDOUT)
        self._memory = _memory_file()
        self._turn = 0

    def close(self) -> None:
        """Close the descriptors."""
        for fd in (self._terminal, self._memory):
            os.close(fd)
        self._writer.close()

    def caught(self, draw: Callable[[], object]) -> bytes:
        """Call ``draw``, which must not switch greenlets, and return the bytes that it wrote to descriptor 1."""
        os.ftruncate(self._memory, 0)
        os.lseek(self._memory, 0, os.SEEK_SET)
        # curses writes to descriptor 1 and can't be given another.
        os.dup2(self._memory, STDOUT)
        try:
            draw()
        finally:
            os.dup2(self._terminal, STDOUT)
        return os.pread(self._memory, os.fstat(self._memory).st_size, 0)

    def send(self, data: bytes) -> None:
        """Wait until the terminal has taken ``data``, or until ``drop``. Raises TerminalGone."""
        turn, view = self._turn, memoryview(data)
        while view and turn == self._turn:
            try:
                taken = self._writer.write_some(view)
            except OSError as problem:
                raise TerminalGone(problem.strerror) from None
            view = view[taken:]
            if view:
                self._writer.wait()
                # The terminal reports room but takes nothing: without a pause, this loop would take the whole CPU.
                if not taken:
                    gevent.sleep(_SHORT_PAUSE)

    def send_within(self, seconds: float, data: bytes) -> None:
        """Send ``data``, but give up after ``seconds``, in case the terminal takes nothing. Raises TerminalGone."""
        gevent.with_timeout(seconds, self.send, data, timeout_value=None)

    def drop(self) -> None:
        """Make every waiting ``send`` return without sending the rest of its data."""
        self._turn += 1


def _memory_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("frame", os.MFD_CLOEXEC)
    import tempfile  # on systems other than Linux

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
