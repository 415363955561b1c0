"""Keep what was said, and read it back.

Messages that are not written yet are read from memory, so a reader never notices that the disk is behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import gevent
from gevent.threadpool import ThreadPool

from chat.local_time import local_time
from chat.process.offload import run_in
from chat.server.history.faults import HistoryFault
from chat.server.history.follows_history import FollowsHistory
from chat.server.history.pages import Cut, PageSize, first_page, last_page
from chat.server.history.purging import OnPurged, Purge, ignore_purged, purge
from chat.server.history.queues.committing import Audience, Committing
from chat.server.history.queues.disk_queue import DiskQueue, ignore_written
from chat.server.history.queues.following import Following
from chat.server.history.queues.keeping import LINGER, PATIENCE, Keeping
from chat.server.history.reader import FILE_NAME, Reader, RunSummary
from chat.server.history.rows import PackedRun, unpack
from chat.server.history.stored import HistoryPage, Hole, LogName, LogState, StoredRun
from chat.server.process.shared_reads import SharedReads

Result = TypeVar("Result")


class HistoryStatus(NamedTuple):
    """Describe what waits for the disk, and the file.

    ``age`` is how long the oldest message has waited, in seconds. ``last_write`` is in seconds since 1970.
    """

    is_suspended: bool
    messages: int
    bytes: int
    age: float
    file_bytes: int
    last_write: float


class Tail(NamedTuple):
    """Hold the ``runs`` of a log that the file may lack, in order.

    ``beginning`` is the first number that the file may lack, ``end`` the number behind the last message.
    """

    runs: list[PackedRun]
    beginning: int
    end: int


# Pages that are kept in memory for others who ask; each has at most 256 KiB.
_SHARED_PAGES = 16
# Selects runs of a page.
Only = Callable[[StoredRun], bool]


class HistoryStore:
    """Keep runs in the history file in ``directory``, and read pages of them.

    ``audience`` hears nothing before the disk has it; None: the disk is behind the audience. ``indexer`` makes an index
    of the file; None: nobody does. ``on_epoch`` is called with the new epoch whenever numbers are given under another
    one than before.
    """

    def __init__(
        self,
        directory: Path,
        audience: Audience | None = None,
        indexer: FollowsHistory | None = None,
        *,
        patience: float = PATIENCE,
        linger: float = LINGER,
        on_epoch: Callable[[str], object] = lambda epoch: None,
        on_fault: Callable[[str], object] | None = None,
    ) -> None:
        self._directory = directory
        self._indexer = indexer
        on_written = indexer.note_written if indexer is not None else ignore_written
        self._queue: DiskQueue
        if on_fault is not None:
            self._queue = Following(directory, on_fault=on_fault, on_written=on_written)
        elif audience is not None:
            self._queue = Committing(
                directory,
                audience,
                on_epoch=on_epoch,
                on_new_file=self._note_new_file,
                on_written=on_written,
            )
        else:
            self._queue = Keeping(
                directory,
                patience=patience,
                linger=linger,
                on_epoch=on_epoch,
                on_new_file=self._note_new_file,
                on_written=on_written,
            )
        # Called with the numbers of purged messages of a log.
        self.on_purged: OnPurged = ignore_purged
        self._pool = ThreadPool(2)
        self._shared = SharedReads[HistoryPage](_SHARED_PAGES)
        self._idle: list[Reader] = []
        self.begin = self._queue.begin
        self.keep = self._queue.keep
        self.wait_for_room = self._queue.wait_for_room
        self.call = self._queue.call
        self.wait_until_written = self._queue.wait_until_written

    @property
    def epoch(self) -> str:
        """The random token under which numbers are given. A number means nothing under another one."""
        return self._queue.epoch

    @property
    def is_suspended(self) -> bool:
        """Whether the disk fails, so that nothing is kept now."""
        return self._queue.is_suspended

    @property
    def has_room(self) -> bool:
        """Whether so few messages wait for the disk that ``wait_for_room`` returns at once."""
        return self._queue.has_room

    @property
    def max_waiting(self) -> int:
        """How many messages may wait for the disk before the server stops to read from senders, or to keep messages."""
        return self._queue.max_waiting

    def start(self) -> None:
        """Open the file, or create it. Raises HistoryFault."""
        self._queue.start()
        if self._indexer is not None:
            self._indexer.start()

    def stop(self, timeout: float) -> None:
        """Write what is left, within ``timeout`` seconds, and close the file."""
        if self._indexer is not None:
            self._indexer.stop(timeout)
        self._queue.stop(timeout)
        self._close_readers()
        self._pool.kill()

    def state(self, name: LogName) -> LogState:
        """Return what is known of the log ``name``."""
        return self._queue.state(name)

    @property
    def states(self) -> Iterable[tuple[LogName, LogState]]:
        """All logs with what is known of them."""
        return self._queue.logs.items()

    def status(self, clock: Callable[[], float] = time.time) -> HistoryStatus:
        """Return the state of now. ``clock`` returns seconds since 1970."""
        waiting = self._queue.unwritten
        age = 0.0
        if waiting:
            age = max(0.0, clock() - local_time(waiting[0].facts.timestamp).timestamp())
        return HistoryStatus(
            self.is_suspended,
            sum(run.facts.messages for run in waiting),
            sum(len(run.content) for run in waiting),
            age,
            sum(map(_size, (self._directory / FILE_NAME, self._directory / f"{FILE_NAME}-wal"))),
            self._queue.last_write,
        )

    # Reading: each waits for a thread, and raises HistoryFault

    def after(
        self,
        name: LogName,
        after: int,
        before: int | None,
        size: PageSize,
        only: Only | None = None,
    ) -> HistoryPage:
        """Return the first messages with numbers over ``after`` and under ``before``, oldest first.

        With ``only``, of the runs for which it returns true; it is called in a thread.
        """
        if only is not None:
            return self._after(name, after, before, size, only)
        key = (name, after, before, size)
        return self._shared.get(self._queue.version, key, lambda: self._after(*key))

    def _after(
        self,
        name: LogName,
        after: int,
        before: int | None,
        size: PageSize,
        only: Only | None = None,
    ) -> HistoryPage:
        tail, end = self._tail(name, before, only)
        beginning = min(self._tail_begins(name), end)
        cut = Cut([], False)
        if after + 1 < beginning:
            cut = self._read(Reader.after, name, after, beginning, size, only)
        if not cut.more:
            cut = first_page([*cut.runs, *tail], after, end, size)
        return self._page(name, cut, after + 1, None if cut.more else end - 1)

    def before(
        self, name: LogName, before: int | None, size: PageSize, only: Only | None = None
    ) -> HistoryPage:
        """Return the last messages with numbers under ``before``, oldest first; see ``after`` for ``only``."""
        tail, end = self._tail(name, before, only)
        cut = last_page(reversed(tail), end, size)
        if not cut.more:
            beginning = min(self._tail_begins(name), end)
            older = self._read(Reader.before, name, beginning, size, only)
            page = last_page(reversed([*older.runs, *cut.runs]), end, size)
            cut = Cut(page.runs, page.more or older.more)
        return self._page(name, cut, None if cut.more else 1, end - 1)

    def number_at(self, name: LogName, timestamp: str) -> int:
        """Return the number of the first message of ``name`` that is not older than ``timestamp`` (RFC 3339, UTC)."""
        tail, end = self._tail(name, None)
        beginning = self._tail_begins(name)
        found = min(self._read(Reader.number_at, name, timestamp), beginning)
        if found < beginning:
            return found
        return next((run.first for run in tail if run.timestamp >= timestamp), end)

    def find_nonces(
        self, name: LogName, after: int, nonces: frozenset[bytes], author: bytes
    ) -> list[StoredRun]:
        """Return the messages of ``author`` over ``after`` that bear one of ``nonces``, each as a run of one."""
        tail, _ = self._tail(name, None)
        beginning = self._tail_begins(name)
        stored = self._read(Reader.find_nonces, name, after, beginning, nonces, author)
        return stored + [
            message
            for run in tail
            if run.author == author and not nonces.isdisjoint(filter(None, run.nonces))
            for message in run.messages()
            if message.first > after and message.nonces[0] in nonces
        ]

    def messages(self, name: LogName, numbers: Sequence[int]) -> list[StoredRun]:
        """Return the messages with ``numbers`` that are kept, each as a run of one, in this order."""
        tail, end = self._tail(name, None)
        beginning = self._tail_begins(name)
        older = [number for number in numbers if number < beginning]
        stored = self._read(Reader.messages, name, older) if older else []
        found = {run.first: run for run in stored}
        for run in tail:
            found.update({each.first: each for each in run.messages()})
        return [found[number] for number in numbers if number in found and number < end]

    def summaries(self, name: LogName, after: int, last: int, limit: int) -> list[RunSummary]:
        """Return the last ``limit`` runs with numbers over ``after`` and up to ``last``, oldest first.

        Messages that are not written yet are left out.
        """
        return self._read(Reader.summaries, name, after, last, limit)

    # Removing

    def purge(self, wanted: Purge) -> int:
        """Remove the contents of the messages that ``wanted`` names; return how many there were.

        Waits for the disk. Raises HistoryFault.
        """
        number = wanted.number
        # The writer may have the run already, and then the file has the content, too.
        had_it = number is not None and self._queue.forget(wanted.log, number)
        self._queue.wait_until_written()
        if self._indexer is None:
            return max(self._purge(wanted, self.on_purged), had_it)
        removed: dict[LogName, list[int]] = {}

        def note(log: LogName, numbers: list[int]) -> None:
            removed.setdefault(log, []).extend(numbers)
            self.on_purged(log, numbers)

        self._indexer.begin_purge()
        is_done = False
        try:
            count = self._purge(wanted, note)
            is_done = True
            return max(count, had_it)
        finally:
            # After an error, only the file knows what was removed.
            self._indexer.finish_purge(removed if is_done else None)

    def _purge(self, wanted: Purge, on_purged: OnPurged) -> int:
        count = purge(self.call, wanted, gevent.sleep, on_purged)
        if wanted.number is not None:
            # Perhaps it was purged before it was written.
            on_purged(wanted.log, [wanted.number])
        return count

    def note_removed(self, states: Mapping[LogName, LogState]) -> None:
        """Take over from ``states``, which the file has, what was removed from it."""
        self._queue.note_removed(states)
        if self._indexer is not None:
            self._indexer.note_removed()

    def tail(self, name: LogName) -> Tail:
        """Return what the file may lack of a log. Call this before reading the file, and nothing is missed."""
        end = self.state(name).head + 1
        # Not what nobody has heard yet.
        runs = [run for run in self._queue.unwritten if run.log == name and run.last < end]
        return Tail(runs, runs[0].first if runs else end, end)

    def _tail(
        self, name: LogName, before: int | None, only: Only | None = None
    ) -> tuple[list[StoredRun], int]:
        """Return the runs that the file may lack, and the end: the number behind the last message to look at.

        Taken before the file is read. So a message is in the tail, or it was written before.
        """
        end = self.state(name).head + 1
        # Not what nobody has heard yet.
        unwritten = self._queue.unwritten
        tail = [unpack(run) for run in unwritten if run.log == name and run.last < end]
        if only is not None:
            tail = list(filter(only, tail))
        return tail, end if before is None else min(before, end)

    def _tail_begins(self, name: LogName) -> int:
        """Return the first number that the file may lack."""
        numbers = (run.first for run in self._queue.unwritten if run.log == name)
        return next(numbers, self.state(name).head + 1)

    def _read(self, method: Callable[..., Result], *arguments: object) -> Result:
        found: Result = run_in(self._pool, self._read_in_thread, method, arguments)
        return found

    def _read_in_thread(
        self, method: Callable[..., Result], arguments: tuple[object, ...]
    ) -> Result:
        # Opening costs more than most queries. Taking from a list is safe in threads.
        try:
            reader = self._idle.pop()
        except IndexError:
            reader = Reader(self._directory)
        try:
            result = method(reader, *arguments)
        except HistoryFault:
            reader.close()
            raise
        self._idle.append(reader)
        return result

    def _page(self, name: LogName, cut: Cut, first: int | None, last: int | None) -> HistoryPage:
        """Return the page with the holes between ``first`` and ``last``; None: where its messages begin or end."""
        first = cut.runs[0].first if first is None and cut.runs else first or 1
        last = cut.runs[-1].last if last is None and cut.runs else last or 0
        lost = [
            Hole(max(hole.first, first), min(hole.last, last))
            for hole in self.state(name).lost
            if hole.first <= last and hole.last >= first
        ]
        return HistoryPage(cut.runs, cut.more, lost)

    def _note_new_file(self) -> None:
        self._close_readers()
        if self._indexer is not None:
            self._indexer.note_new_file()

    def _close_readers(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
