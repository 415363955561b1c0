"""Share one copy of a large batch among many sockets, where write(2) would copy the batch for each socket."""

from __future__ import annotations

import logging
import os

log = logging.getLogger("chat.server")


class BatchFile:
    """A file in memory (memfd_create(2)), from which sendfile(2) gives sockets references to pages.

    A batch that a socket still holds never changes. To truncate the file only drops the file's references to its pages,
    and the next batch gets new pages. Where the system has no such file, or no memory for one, batches are copied.
    """

    def __init__(self) -> None:
        self._fd: int | None = None
        self._is_available = hasattr(os, "memfd_create")

    def put(self, batch: bytes) -> int | None:
        """Return the descriptor of a file that begins with ``batch`` until ``clear``, or None if no file can be had."""
        if not self._is_available:
            return None
        try:
            if self._fd is None:
                self._fd = os.memfd_create("batch")
            # pwrite leaves the offset of the descriptor alone, and sendfile is given an offset: nothing has to seek.
            if os.pwrite(self._fd, batch, 0) == len(batch):
                return self._fd
            self.clear()  # written in part: the caller copies this batch
        except OSError as problem:
            log.warning("large batches are copied for each user: %s", problem)
            # The next batches do not try again, so this is the only line about it in the log.
            self._is_available = False
            self.close()
        return None

    def clear(self) -> None:
        """Empty the file, after the batch has been offered to all sockets."""
        if self._fd is not None:
            os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Close the descriptor. The next ``put`` opens another."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
