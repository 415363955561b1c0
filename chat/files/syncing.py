"""Have the disk write what the system would keep in memory for a while."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

# Bytes of a growing file that only the memory of the system has. If these were gigabytes, the disk would stand still
# for all others when it writes them at last.
MOST_UNSYNCED = 64 << 20

# macOS has no fdatasync.
_sync_data: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


class GrowingFile:
    """Keeps a file that grows by gigabytes, open as ``descriptor``, from holding up others who need the disk."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._synced = 0

    def sync_in_time(self) -> None:
        """Wait for the disk if the file has grown by ``MOST_UNSYNCED``; call this again and again. Raises OSError."""
        size = os.fstat(self._descriptor).st_size
        if size - self._synced >= MOST_UNSYNCED:
            _sync_data(self._descriptor)
            self._synced = size


def sync_path(path: Path) -> None:
    """Let a file, or the names in a directory, survive a power loss. Waits for the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
