"""Keep the contents of attachments beside the history, for the event loop: nothing here waits but what says so."""

from __future__ import annotations

import logging
import shutil
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from chat.server.attachments.spool import NoSpaceError
from chat.server.history.faults import HistoryFault
from chat.server.history.files.file_keeper import SHARE, FileKeeper, attempt
from chat.server.history.files.file_use import FileUse, use_of
from chat.server.history.files.opened_files import OpenedFiles
from chat.server.history.files.worker import FileWorker
from chat.server.history.stored import LogName, LogState, StoredRun
from chat.server.process.log_folding import FoldingLog

log = logging.getLogger("chat.server")

_FAILED = "The server cannot write the attachment to its disk; try again later."


class FilesStatus(NamedTuple):
    """Tell what is kept: the number of contents, their bytes, the most bytes, and how many were found damaged."""

    files: int
    bytes: int
    max_bytes: int
    damaged: int


class KeptFiles:
    """The contents in the data directory ``parent``, at most ``limit`` bytes of them; 0: none.

    ``durable``: a content is on the disk before its message is said.
    """

    def __init__(
        self, parent: Path, limit: int, *, durable: bool = False, troubles: FoldingLog | None = None
    ) -> None:
        self._is_durable = durable
        self._troubles = troubles if troubles is not None else FoldingLog()
        self._limit = limit
        self._keeper = FileKeeper(parent, limit, durable=durable)
        self._worker = FileWorker()
        self._opened = OpenedFiles(self._keeper.directory, self._drop)
        self.open = self._opened.open
        self._new_uses: deque[FileUse] = deque()
        self._is_open = False
        self._is_certain = True

    # From the start to the end

    def start(self) -> None:
        """Open the index, after the history was opened. Raises HistoryFault."""
        self._worker.call(self._keeper.open)
        self._is_open = True

    def stop(self, timeout: float) -> None:
        """Write what is left, within ``timeout`` seconds."""
        if self._is_open:
            self._is_open = False
            close = partial(self._keeper.close, clean=self._is_certain)
            self._worker.do(lambda: attempt(close, "close the index of files"))
        if not self._worker.stop(timeout):
            log.error("files: the disk makes no progress; the index is not closed")
            return
        self._opened.close()

    def doubt(self) -> None:
        """Note that the history may lack messages that were noted: the next start makes the index again."""
        self._is_certain = False

    def adapt(self, limit: int) -> None:
        """Go on with another limit."""
        if limit != self._limit:
            self._limit = limit
            self._do("remove kept files", self._keeper.adapt, limit)

    def status(self) -> FilesStatus:
        """Return what is kept now."""
        try:
            index = self._keeper.index
        except HistoryFault:
            return FilesStatus(0, 0, self._limit, self._opened.damaged)
        return FilesStatus(index.count, index.bytes, self._limit, self._opened.damaged)

    # Contents that arrive

    @property
    def parts(self) -> Path:
        """The directory of interrupted uploads."""
        return self._keeper.directory.parts

    @property
    def most_in_parts(self) -> int:
        """The bytes that interrupted uploads may have together."""
        return self._limit // SHARE

    def place_for(self, size: int, part: str | None = None) -> Path | None:
        """Return the path of a file for a content of ``size`` bytes; None if the content cannot be kept.

        ``part`` is the name of a file that an interrupted upload leaves. None: the file is new.
        """
        directory = self._keeper.directory
        if not self._is_open or size > self._limit // SHARE:
            return None
        try:
            if shutil.disk_usage(directory.incoming).free < size:
                return None
        except OSError:
            return None
        return directory.new_path() if part is None else directory.parts / part

    def keep(self, arrived: Path, digest: bytes, size: int, owner: str) -> bool:
        """Keep a content that has arrived whole at ``arrived``, until ``let_go`` or as long as messages use it.

        ``owner`` is the id of an account in hex, empty for guests. Return whether the content is kept. Waits for the
        disk. Raises NoSpaceError on a durable server whose disk fails; another server says the message all the same.
        """
        try:
            return self._worker.call(self._keeper.keep, arrived, digest, size, owner)
        except HistoryFault as problem:
            self._troubles.log_event_of("files", f"cannot keep one: {problem}", logging.WARNING)
            if self._is_durable:
                raise NoSpaceError(_FAILED) from None
            return False

    def let_go(self, digest: bytes) -> None:
        """Undo the hold of ``keep``."""
        self._do("remove a kept file", self._keeper.let_go, digest)

    # Messages

    def note(self, run: StoredRun) -> None:
        """Note an attachment that is in the history, or will be."""
        use = use_of(run)
        if use is None:
            return
        self._new_uses.append(use)
        # Others that come before the thread has time are written together.
        if len(self._new_uses) == 1:
            self._do("note an attachment", self._write_uses)

    def _write_uses(self) -> None:
        """Write all uses that were noted; called in the thread."""
        uses = []
        while self._new_uses:
            uses.append(self._new_uses.popleft())
        self._keeper.add_uses(uses)

    def forget(self, log: LogName, numbers: Iterable[int]) -> None:
        """Remove the contents of purged messages, unless others use them. Waits for the disk. Raises HistoryFault."""
        self._worker.call(self._keeper.forget, log, list(numbers))

    def forget_old(self, states: Mapping[LogName, LogState]) -> None:
        """Remove the contents of messages that the history has no more, unless others use them."""
        self._do("remove old files", self._keeper.forget_old, dict(states))

    def find(self, log: LogName, words: str, before: int | None, limit: int) -> list[int]:
        """Return the numbers of attachments in ``log``; see ``FileIndex.find``. Waits. Raises HistoryFault."""
        return self._worker.call(lambda: self._keeper.index.find(log, words, before, limit))

    def said(
        self, logs: Iterable[LogName], authors: Collection[bytes], nonce: bytes
    ) -> tuple[LogName, int] | None:
        """Return the place of an attachment that was said; see ``FileIndex.said``. Waits. Raises HistoryFault."""
        return self._worker.call(lambda: self._keeper.index.said(logs, authors, nonce))

    def _drop(self, digest: bytes) -> None:
        self._do("forget a file", self._keeper.drop, digest)

    def _do(self, what: str, function: Callable[..., Any], *arguments: Any) -> None:
        """Call ``function`` in the thread, and do not wait for it."""
        if self._is_open:
            self._worker.do(partial(attempt, partial(function, *arguments), what))
