"""Decide where attachments of others go: automatically into a directory that the user named, else only on request.

Nothing goes unrequested into the current directory: a file of any user there may be run. A ``GNUmakefile`` is run by
the next ``make``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from chat.client.connection.events import Attachment
from chat.client.connection.incoming import MAX_IN_MEMORY
from chat.client.connection.saver import Saver, Saving
from chat.client.connection.saving import PartialFile, is_unfinished
from chat.client.conversation.disk.held import MAX_ONE, HeldContents
from chat.client.conversation.transfer_list import Transfer
from chat.client.errors import SaveFailed, explain
from chat.client.runtime.gevent_runtime import GEVENT

_PIECE = 256 * 1024
_LAST_MOMENT = 1.0  # seconds at the end: enough for a healthy disk, and the client does not wait for a hanging one


class Inbox:
    """The destination of attachments. ``named`` is the directory that the user named, or None.

    Contents of at most ``max_save`` bytes are saved in ``named`` automatically. Other contents are saved when the user
    asks: in ``named``, or else in the current directory. ``can_ask``: the user can ask, so contents that come with
    their messages are kept until then. ``saver`` takes these contents from the connections; it is None if they are
    neither saved nor kept.
    """

    def __init__(self, named: Path | None, max_save: int, *, can_ask: bool = True) -> None:
        self.is_named = named is not None
        self.directory = named or Path()
        self.can_ask = can_ask
        # -1 without a named directory: not even an empty file is saved automatically.
        self._max_save = max_save if named is not None else -1
        self._held = HeldContents(self._run)
        limit = max(self._max_save, MAX_ONE if can_ask else -1)
        self.saver = Saver(GEVENT, self, limit) if limit >= 0 else None

    @property
    def why_not_saved(self) -> str | None:
        """The reason why an attachment is not saved, if the user can't ask for it; None if the user can."""
        if self.can_ask:
            return None
        if not self.is_named:
            return "not saved: use --save-directory=DIR to save attachments"
        return "not saved: larger than --max-save allows"

    @property
    def inline(self) -> int:
        """Bytes over which the server must offer contents: sending contents that are not saved would be a waste."""
        return max(0, min(self._max_save, MAX_IN_MEMORY))

    def is_saved_unasked(self, size: int) -> bool:
        """Return whether a content of ``size`` bytes is saved automatically."""
        return size <= self._max_save

    def open(self, filename: str, size: int) -> PartialFile:
        """Open a file for a content that came with its message. For the saver. Raises SaveFailed."""
        if self.is_saved_unasked(size):
            return PartialFile(self.directory, filename)
        return self._held.open(filename)

    def hold(self, transfer: Transfer, saving: Saving) -> list[Transfer]:
        """Keep the content of ``saving`` until the user asks; return the transfers that lose their contents for it."""
        return self._held.add(transfer, saving)

    def drop(self, transfer: Transfer) -> None:
        """Remove the kept content of ``transfer``."""
        self._held.drop(transfer)

    def save_held(self, saving: Saving, filename: str) -> Path:
        """Save a kept content, since the user asked; return its path. Raises SaveFailed."""
        return GEVENT.offload(_copy, saving.wait(), self.directory, filename)

    def save(self, content: bytes, filename: str) -> Path:
        """Save a content that is in memory, since the user asked; return its path. Raises SaveFailed."""
        return GEVENT.offload(_write, content, self.directory, filename)

    def is_unfinished(self, attachment: Attachment) -> bool:
        """Return whether an earlier run has begun to save an offered attachment, and was interrupted."""
        digest = attachment.sha256
        if digest is None or attachment.offer is None:
            return False
        return GEVENT.offload(is_unfinished, self.directory, attachment.filename, digest)

    def close(self) -> None:
        """Wait up to a second for files that are being written, and remove all kept contents."""
        if self.saver is not None:
            self.saver.wait(_LAST_MOMENT)
        self._held.close()

    def _run(self, function: Callable[[], object]) -> None:
        assert self.saver is not None, "only a saver delivers kept contents"
        self.saver.run(function)


def _write(content: bytes, directory: Path, filename: str) -> Path:
    part = PartialFile(directory, filename)
    try:
        part.write(content)
        return part.finish()
    finally:
        part.discard()


def _copy(source: Path, directory: Path, filename: str) -> Path:
    """Copy a kept content to ``directory``, which may be on another file system. Raises SaveFailed."""
    part = PartialFile(directory, filename)
    try:
        with open(source, "rb") as file:
            for piece in iter(partial(file.read, _PIECE), b""):
                part.write(piece)
        return part.finish()
    except OSError as error:
        raise SaveFailed(f"{filename!r} is no longer available: {explain(error)}") from None
    finally:
        part.discard()
