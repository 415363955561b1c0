"""Keep unrequested contents that came with their messages (from an original server) until the user asks for them.

They are kept in a private temporary directory. It is made for the first content, has a size limit, and is removed when
the client ends. A new content pushes out the oldest ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from chat.client.connection.saver import Saving
from chat.client.connection.saving import PartialFile
from chat.client.conversation.transfer_list import Transfer, TransferState
from chat.client.errors import SaveFailed, explain

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

MAX_SIZE = 64 * 1024**2  # bytes of all contents together
MAX_FILES = 500
MAX_ONE = 16 * 1024**2  # bytes; a larger content is not kept
_COST = 4096  # bytes that even the smallest file takes on a disk
# The user has asked for the content, so it must stay.
_WANTED = frozenset({TransferState.WAITING, TransferState.RUNNING})


class HeldContents:
    """The kept contents. ``run`` calls a function in the background, after the contents that were queued before."""

    def __init__(self, run: Callable[[Callable[[], object]], object]) -> None:
        self._run = run
        # A thread lock: threads save, and the task that ends the client closes. Each holds it only briefly.
        self._lock = threading.Lock()
        self._directory: TemporaryDirectory[str] | None = None
        self._is_closed = False
        self._waiting: dict[int, tuple[Transfer, Saving]] = {}  # by number, oldest first
        self._size = 0

    def open(self, filename: str) -> PartialFile:
        """Open a file for a new content. Called in a thread. Raises SaveFailed."""
        with self._lock:
            if self._is_closed:
                raise SaveFailed("It was not kept, because the client is about to end.")
            try:
                # The system may have removed old temporary files meanwhile, and the directory with them.
                if self._directory is None or not Path(self._directory.name).is_dir():
                    from tempfile import TemporaryDirectory  # takes a while, and few ever need it

                    self._directory = TemporaryDirectory(prefix="chat-", ignore_cleanup_errors=True)
            except OSError as error:
                raise SaveFailed(
                    f"Can't keep {filename!r} in a temporary directory: {explain(error)}"
                ) from None
            return PartialFile(self._directory.name, filename)

    def add(self, transfer: Transfer, saving: Saving) -> list[Transfer]:
        """Keep the content of ``transfer``; return the transfers that lose their contents for it, oldest first."""
        self._waiting[transfer.number] = transfer, saving
        self._size += transfer.size + _COST
        dropped = []
        while self._size > MAX_SIZE or len(self._waiting) > MAX_FILES:
            idle = (t for t, _ in self._waiting.values() if t.state not in _WANTED)
            # There is always one: the user can't have asked for the new content yet.
            oldest = next(idle)
            self.drop(oldest)
            dropped.append(oldest)
        return dropped

    def drop(self, transfer: Transfer) -> None:
        """Remove the content of ``transfer``, if it is kept."""
        _, saving = self._waiting.pop(transfer.number, (None, None))
        if saving is not None:
            self._size -= transfer.size + _COST
            saving.then(lambda saving: self._run(lambda: _remove(saving.path)))

    def close(self) -> None:
        """Remove the directory with all contents."""
        with self._lock:
            self._is_closed = True
            if self._directory is None:
                return
            import shutil

            # Twice: a thread that is writing a last file may rename it meanwhile.
            for _ in range(2):
                shutil.rmtree(self._directory.name, ignore_errors=True)
            self._directory.cleanup()


def _remove(path: Path | None) -> None:
    if path is not None:
        with suppress(OSError):  # already removed with the directory
            path.unlink()
