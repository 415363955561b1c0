"""Keep contents on the disk: the directory, the index of it, and what goes when space is short.

Everything here runs in one thread, and waits for the disk.

A content is whole and in its place before its message is written to the history; the index learns of the message after
that. After a crash the index is made again from the history, and contents that no message uses are removed. So a crash
leaves neither a message without its content nor a content that no message uses.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from chat.server.history.faults import DamagedFile, HistoryFault, faults
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.files.file_index import FileIndex, remove_index
from chat.server.history.files.file_use import FileUse, use_of
from chat.server.history.reader import Reader
from chat.server.history.stored import LogName, LogState
from chat.sizes import byte_count, counted

log = logging.getLogger("chat.server")

# One user's files may take half of the space. All guests together count as one user: a guest can take any free name.
SHARE = 2
_ACCOUNT_ID = 16  # bytes; the hash that stands for a guest is longer


class FileKeeper:
    """The kept contents in the data directory ``parent``: at most ``limit`` bytes (None: any number).

    ``durable``: a content is on the disk when ``keep`` returns.
    """

    def __init__(self, parent: Path, limit: int | None, *, durable: bool = False) -> None:
        self.limit = limit
        self.directory = FileDirectory(parent, durable=durable)
        self._parent = parent
        self._durable = durable
        # Contents whose message is on its way to the history. They have no use yet, and stay.
        self._pinned: Counter[bytes] = Counter()
        self._index: FileIndex | None = None

    @property
    def index(self) -> FileIndex:
        """The index. Raises HistoryFault if it is not open."""
        if self._index is None:
            raise HistoryFault(f"the files in {self.directory.path} are not open")
        return self._index

    def open(self, *, again: bool = False) -> None:
        """Open the index; make it again from the history after a crash, or with ``again``. Raises HistoryFault."""
        with faults(self.directory.path):
            self.directory.prepare()
        try:
            self._index = FileIndex(self._parent, durable=self._durable)
        except DamagedFile as problem:
            log.error("%s; it is made again from the history", problem)
            remove_index(self._parent)
            self._index = FileIndex(self._parent, durable=self._durable)
        epoch = self._epoch()
        if again or self.index.fact("clean") != "yes" or self.index.fact("epoch") != epoch:
            self._make_again()
        self.index.note(clean="no", epoch=epoch)
        self._make_room(0)

    def _epoch(self) -> str:
        reader = Reader(self._parent)
        try:
            return reader.epoch()
        finally:
            reader.close()

    def _make_again(self) -> None:
        """Read from the history which contents are used, and remove the others."""
        reader, index = Reader(self._parent), self.index
        try:
            index.replace_uses(filter(None, map(use_of, reader.attachments())))
        finally:
            reader.close()
        with faults(self.directory.path):
            there = self.directory.sizes()
        known = index.sizes()
        gone = {digest for digest, size in known.items() if there.get(digest) != size}
        gone.update(index.unused())
        added, unused = [], []
        for digest, size in there.items():
            if digest in known and digest not in gone:
                continue
            author = index.sender_of(digest, size)
            if author is None:
                unused.append(digest)
            else:
                owner = author.hex() if len(author) == _ACCOUNT_ID else ""
                added.append((digest, size, owner))
        index.correct(gone, added)
        for digest in unused:
            self._remove_file(digest)
        if unused:
            log.info("removed %s that no message uses", counted(len(unused), "kept file"))

    # While users talk

    def keep(self, arrived: Path, digest: bytes, size: int, owner: str) -> bool:
        """Keep a content that has arrived whole, until ``let_go``, or as long as messages use it.

        Return whether there is space. ``owner`` is the id of an account in hex, empty for guests. Raises HistoryFault.
        """
        index = self.index
        self._pinned[digest] += 1
        try:
            is_new = not index.has(digest)
            if is_new and not (self._make_room(size, owner) and self._make_room(size)):
                self._unpin(digest)
                return False
            with faults(self.directory.path):
                self.directory.place(arrived, digest)
            if is_new:
                index.add_content(digest, size, owner)
        except BaseException:
            self._unpin(digest)
            raise
        return True

    def let_go(self, digest: bytes) -> None:
        """Undo the hold of ``keep``: from now on, only messages keep the content. Raises HistoryFault."""
        self._unpin(digest)
        self._remove_unused([digest])

    def add_uses(self, uses: Iterable[FileUse]) -> None:
        """Note messages that are in the history, or will be. Raises HistoryFault."""
        self.index.add_uses(uses)

    def forget(self, name: LogName, numbers: Iterable[int]) -> None:
        """Remove the contents of messages that were purged, unless others use them. Raises HistoryFault."""
        self._remove_unused(self.index.forget(name, numbers))
        self.index.erase_traces()

    def forget_old(self, states: Mapping[LogName, LogState]) -> None:
        """Remove the contents of messages that the history has no more, unless others use them. Raises HistoryFault."""
        # Thousands of mailboxes have a state, and few of them an attachment.
        for name, first in self.index.first_numbers().items():
            state = states.get(name)
            if state is not None and first < state.oldest:
                self._remove_unused(self.index.forget_before(name, state.oldest))

    def drop(self, digest: bytes) -> None:
        """Forget a content that is missing or damaged. Raises HistoryFault.

        One that was never here stays listed: another server of a cluster may have it, and its message is here.
        """
        if self.index.has(digest):
            self.index.remove_content(digest)

    def adapt(self, limit: int) -> None:
        """Go on with another limit, and remove what is too much. Raises HistoryFault."""
        self.limit = limit
        self._make_room(0)

    def close(self, *, clean: bool) -> None:
        """Close the index. ``clean``: the next start may trust it. Raises HistoryFault."""
        index, self._index = self.index, None
        try:
            if clean:
                index.note(clean="yes")
        finally:
            index.close()

    def _make_room(self, size: int, owner: str | None = None) -> bool:
        """Remove the oldest contents of ``owner`` (None: of all) until ``size`` more bytes fit.

        Return whether they do.
        """
        index = self.index
        if self.limit is None:
            return True
        limit = self.limit if owner is None else self.limit // SHARE
        removed = 0
        while (index.bytes if owner is None else index.owned[owner]) + size > limit:
            oldest = next((each for each in index.oldest(owner) if each not in self._pinned), None)
            if oldest is None:
                return False
            self._remove(oldest)
            removed += 1
        if removed:
            log.info(
                "removed the oldest %s: keep-files is %s",
                counted(removed, "kept file"),
                byte_count(self.limit),
            )
        return True

    def _unpin(self, digest: bytes) -> None:
        self._pinned[digest] -= 1
        if self._pinned[digest] <= 0:
            del self._pinned[digest]

    def _remove_unused(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            if digest not in self._pinned and not self.index.is_used(digest):
                self._remove(digest)

    def _remove(self, digest: bytes) -> None:
        # The index first: after a crash in between, a file that the index does not know is found and removed.
        self.index.remove_content(digest)
        self._remove_file(digest)

    def _remove_file(self, digest: bytes) -> None:
        with faults(self.directory.path):
            self.directory.remove(digest)


def attempt(action: Callable[[], object], what: str) -> bool:
    """Call ``action``, for which nobody waits; log a failure, and return whether it succeeded."""
    try:
        action()
    except HistoryFault as problem:
        log.warning("cannot %s: %s", what, problem)
        return False
    except Exception:
        log.exception("cannot %s", what)
        return False
    return True
