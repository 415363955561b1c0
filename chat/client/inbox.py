"""Where what others send goes: into the directory that the user named; into one that nobody named, only when asked.

Files of strangers in a directory that nobody chose for them can run: a ``GNUmakefile`` does at the next ``make``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from chat.client.errors import SaveFailed, explain
from chat.client.gevent_runtime import GEVENT
from chat.client.held import MAX_ONE, Held
from chat.client.incoming import MAX_IN_MEMORY
from chat.client.saver import Saver, Saving
from chat.client.saving import PartialFile
from chat.client.transfer_list import Transfer

_PIECE = 256 * 1024
_LAST_MOMENT = 1.0  # seconds; a healthy disk needs no more, and one that hangs is not waited for


class Inbox:
    """``named``: the directory that the user named; there, up to ``max_save`` bytes are saved as they come.

    What was not is saved when it is asked for, in ``directory``: the same one, or the current one if none is named.
    ``can_ask``: somebody can ask for it, so contents that come with their messages wait until then. ``saver`` is for
    the connections; None: nothing of what comes with its message is of any use.
    """

    def __init__(self, named: Path | None, max_save: int, *, can_ask: bool = True) -> None:
        self.is_named = named is not None
        self.directory = named or Path()
        self.can_ask = can_ask
        self._max_save = max_save if named is not None else -1
        self._held = Held(self._run)
        limit = max(self._max_save, MAX_ONE if can_ask else -1)
        self.saver = Saver(GEVENT, self, limit) if limit >= 0 else None

    @property
    def why_not_saved(self) -> str | None:
        """Why something is not saved that nobody can ask for; None: somebody can."""
        if self.can_ask:
            return None
        if not self.is_named:
            return "not saved: --save-directory=DIR saves what comes"
        return "not saved: --max-save=SIZE is the limit"

    @property
    def inline(self) -> int:
        """Bytes over which a server is to offer contents, not send them: what is not saved would be sent in vain."""
        return max(0, min(self._max_save, MAX_IN_MEMORY))

    def is_saved_unasked(self, size: int) -> bool:
        """Whether a content of ``size`` bytes is saved as it comes."""
        return size <= self._max_save

    def open(self, filename: str, size: int) -> PartialFile:
        """For the saver: where a content goes that came with its message. Raises SaveFailed."""
        if self.is_saved_unasked(size):
            return PartialFile(self.directory, filename)
        return self._held.open(filename)

    def hold(self, transfer: Transfer, saving: Saving) -> list[Transfer]:
        """Keep what ``saving`` holds until it is asked for; returns those that are dropped for it."""
        return self._held.add(transfer, saving)

    def drop(self, transfer: Transfer) -> None:
        """Keep it no longer."""
        self._held.drop(transfer)

    def save_held(self, saving: Saving, filename: str) -> Path:
        """Save what was kept, because somebody asked for it; returns where it is. Raises SaveFailed."""
        return GEVENT.offload(_copy, saving.wait(), self.directory, filename)

    def close(self) -> None:
        """Give what is being written a moment to be whole, and drop all that was kept."""
        if self.saver is not None:
            self.saver.wait(_LAST_MOMENT)
        self._held.close()

    def _run(self, function: Callable[[], object]) -> None:
        assert self.saver is not None, "what is held has come from it"
        self.saver.run(function)


def _copy(source: Path, directory: Path, filename: str) -> Path:
    """Another file system may be there, so it can't be renamed."""
    part = PartialFile(directory, filename)
    try:
        with open(source, "rb") as file:
            for piece in iter(partial(file.read, _PIECE), b""):
                part.write(piece)
        return part.finish()
    except OSError as error:
        raise SaveFailed(f"{filename!r} is not kept any more: {explain(error)}") from None
    finally:
        part.discard()
