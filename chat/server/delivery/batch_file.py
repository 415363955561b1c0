"""A large batch as many sockets are given it: by reference to one copy of it, where a write makes a copy for each."""

from __future__ import annotations

import logging
import os

log = logging.getLogger("chat.server")


class BatchFile:
    """A file without a disk (memfd_create(2)), out of which sendfile(2) gives sockets pages instead of copies.

    What sockets hold stays as it is: to empty a file is to let go of its pages, and what is put into it next gets
    others. A system that gives no such file, or no memory for it, costs copies, and nothing else.
    """

    def __init__(self) -> None:
        self._fd: int | None = None
        self._is_available = hasattr(os, "memfd_create")

    def put(self, batch: bytes) -> int | None:
        """A descriptor of a file that begins with ``batch``, until ``clear``; None if it is not to be had."""
        if not self._is_available:
            return None
        try:
            if self._fd is None:
                self._fd = os.memfd_create("batch")
            if os.pwrite(self._fd, batch, 0) == len(batch):
                return self._fd
            self.clear()
        except OSError as problem:
            log.warning("large batches are copied for each user: %s", problem)
            self._is_available = False
            self.close()
        return None

    def clear(self) -> None:
        """Nobody is given any more of it."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Let go of the descriptor; the next ``put`` opens another."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
