"""Contents that came unasked with their messages, as an original server sends them, and wait to be asked for.

They wait in a private temporary directory, which nobody else can look into. It is made for the first of them, has a
bound, and is gone when the client ends. The oldest content makes room for a new one.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from chat.client.errors import SaveFailed, explain
from chat.client.saver import Saving
from chat.client.saving import PartialFile
from chat.client.transfer_list import State, Transfer

MAX_SIZE = 64 * 1024**2  # bytes, of all of them
MAX_FILES = 500
MAX_ONE = 16 * 1024**2  # bytes; a larger one is not held at all
_COST = 4096  # bytes that even the smallest takes on a disk
# Somebody has asked for the content and is being given it.
_WANTED = frozenset({State.WAITING, State.RUNNING})


class Held:
    """``run`` calls a function beside the caller, after what was to be saved before."""

    def __init__(self, run: Callable[[Callable[[], object]], object]) -> None:
        self._run = run
        # Threads that save and the task that ends the client meet here; none holds it for long.
        self._lock = threading.Lock()
        self._directory: TemporaryDirectory[str] | None = None
        self._is_closed = False
        self._waiting: dict[int, tuple[Transfer, Saving]] = {}  # by number, oldest first
        self._size = 0

    def open(self, filename: str) -> PartialFile:
        """Begin to write one, in a thread. Raises SaveFailed."""
        with self._lock:
            if self._is_closed:
                raise SaveFailed("The client is about to end.")
            try:
                if self._directory is None:
                    self._directory = TemporaryDirectory(prefix="chat-", ignore_cleanup_errors=True)
            except OSError as error:
                raise SaveFailed(
                    f"Can't keep {filename!r} until it is asked for: {explain(error)}"
                ) from None
            return PartialFile(self._directory.name, filename)

    def add(self, transfer: Transfer, saving: Saving) -> list[Transfer]:
        """Hold the content of ``transfer``; returns those whose contents are dropped for it, oldest first."""
        self._waiting[transfer.number] = transfer, saving
        self._size += transfer.size + _COST
        dropped = []
        while self._size > MAX_SIZE or len(self._waiting) > MAX_FILES:
            idle = (t for t, _ in self._waiting.values() if t.state not in _WANTED)
            oldest = next(
                idle
            )  # there is one: at worst the new one, which nobody can have asked for yet
            self.drop(oldest)
            dropped.append(oldest)
        return dropped

    def drop(self, transfer: Transfer) -> None:
        """Hold its content no longer. Does nothing for one that is not held."""
        _, saving = self._waiting.pop(transfer.number, (None, None))
        if saving is not None:
            self._size -= transfer.size + _COST
            saving.then(lambda saving: self._run(lambda: _remove(saving.path)))

    def close(self) -> None:
        """Remove the directory and all that is in it."""
        with self._lock:
            self._is_closed = True
            if self._directory is None:
                return
            # A thread may be about to rename the last file, so the directory may not be empty at once.
            for _ in range(2):
                shutil.rmtree(self._directory.name, ignore_errors=True)
            self._directory.cleanup()


def _remove(path: Path | None) -> None:
    if path is not None:
        with suppress(OSError):  # it is gone already, with the directory
            path.unlink()
