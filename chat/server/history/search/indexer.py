"""Make the index behind the history, in a thread, with a bounded share of the processor."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import gevent
from gevent.event import Event
from gevent.threadpool import ThreadPool

from chat.process.offload import run_in
from chat.server.history.faults import HistoryFault
from chat.server.history.rows import PackedRun
from chat.server.history.search.index_file import INDEX_FILE, DamagedIndex
from chat.server.history.search.index_upkeep import IndexUpkeep
from chat.server.history.stored import LogName

log = logging.getLogger("chat.server")

Result = TypeVar("Result")

# The part of one core that indexing may use.
SHARE = 0.1
# Seconds between a message and its indexing. Searches look through what is not indexed yet, so there is no hurry, and a
# transaction for many messages costs each of them less.
LINGER = 2.0
# Messages of a log that are indexed together, at least. Nearly all that a few messages cost is for their log, and there
# may be thousands of rooms with a message now and then. A search looks through so few messages within a moment.
STEP = 64
# Seconds until the next try, after the index could not be changed.
RETRY = 30.0


class IndexStatus(NamedTuple):
    """Describe the index: how many messages are not in it yet, and the size of the file in bytes.

    ``has_failed``: the index cannot be changed now.
    """

    messages: int
    file_bytes: int
    has_failed: bool


class Indexer:
    """Keep an index of the history in ``directory``.

    ``generation`` changes whenever another file takes the place of the index, or of the history.
    """

    def __init__(self, directory: Path) -> None:
        self.generation = 0
        self._path = directory / INDEX_FILE
        self._pool = ThreadPool(1)
        self._upkeep = IndexUpkeep(directory, self._note_discarded)
        self._is_open = False
        # How many messages of each log are not indexed yet; some may be counted twice. ``_taken``: on their way now.
        # ``_due``: the logs with enough of them.
        self._behind: dict[LogName, int] = {}
        self._due: dict[LogName, None] = {}
        self._taken: dict[LogName, int] = {}
        self._is_working = False
        self._has_expired = self._has_failed = False
        self._wake, self._is_stopping = Event(), Event()
        self._task: gevent.Greenlet[..., object] | None = None

    # From the start to the end

    def start(self) -> None:
        """Begin to work, behind. The history file exists."""
        self._wake.set()
        self._task = gevent.spawn(self._run)

    def stop(self, timeout: float) -> None:
        """End the work within ``timeout`` seconds, and close the files."""
        if self._task is None:
            return
        self._is_stopping.set()
        self._wake.set()
        self._task.join(timeout)
        if not self._task.dead:
            log.error("the search index is not closed: the disk makes no progress")
            return
        self._task = None
        run_in(self._pool, self._upkeep.close)
        self._pool.kill()

    def status(self) -> IndexStatus:
        """Return the state of now."""
        size = 0
        for path in (self._path, self._path.with_name(f"{INDEX_FILE}-wal")):
            try:
                size += path.stat().st_size
            except OSError:
                continue
        behind = sum(self._behind.values()) + sum(self._taken.values())
        return IndexStatus(behind, size, self._has_failed)

    @property
    def is_idle(self) -> bool:
        """Whether the index has all that it can have, but for the last few messages of each log."""
        return not self._has_work and not self._is_working

    # What the history tells; none of these waits, except for purges

    def note_written(self, runs: Sequence[PackedRun]) -> None:
        """Note that the history file has ``runs``."""
        for run in runs:
            self._note_behind(run.log, run.facts.messages)
        if self._due:
            self._wake.set()

    def note_removed(self) -> None:
        """Note that old messages were removed from the history file."""
        self._has_expired = True
        self._wake.set()

    def note_new_file(self) -> None:
        """Note that another file took the place of the history file."""
        self.generation += 1
        self._is_open = False
        self._wake.set()

    def begin_purge(self) -> None:
        """Note that the history removes contents now. Waits for the disk."""
        run_in(self._pool, self._upkeep.begin_purge)

    def finish_purge(self, purged: Mapping[LogName, Iterable[int]] | None) -> None:
        """Erase what the history has ``purged`` since ``begin_purge``; None: all that it marks as purged.

        Waits for the disk.
        """
        run_in(self._pool, self._upkeep.finish_purge, purged)
        # An index that could not be erased is made anew.
        self._wake.set()

    def note_damage(self) -> None:
        """Note that a search has found the index damaged."""
        run_in(self._pool, self._upkeep.discard)
        self._wake.set()

    def _note_discarded(self) -> None:
        # Called in the thread.
        self.generation += 1
        self._is_open = False

    # The greenlet

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            # Gather more.
            self._is_stopping.wait(LINGER)
            while self._has_work and not self._is_stopping.is_set():
                self._is_stopping.wait(self._work())

    @property
    def _has_work(self) -> bool:
        return bool(self._due) or self._has_expired or not self._is_open

    def _work(self) -> float:
        """Do a part of the work; return how many seconds to rest then."""
        self._is_working = True
        try:
            return self._do_some() * (1 / SHARE - 1)
        except DamagedIndex as problem:
            log.warning("the search index is made anew: %s", problem)
            run_in(self._pool, self._upkeep.discard)
            if not self._has_failed:
                self._has_failed = True
                return LINGER
        except HistoryFault as problem:
            if not self._has_failed:
                log.warning("messages are not indexed for search now: %s", problem)
        except Exception:
            # A bug. If this greenlet ended, nothing would be indexed, and nobody would know.
            log.exception("cannot index messages for search")
        finally:
            self._is_working = False
        self._has_failed = True
        return RETRY

    def _do_some(self) -> float:
        """Do a part of the work; return its cost in seconds of a core. Raises HistoryFault."""
        if not self._is_open:
            self._behind, self._due = {}, {}
            self._is_open = True
            try:
                found, cost = self._call(self._upkeep.open)
            except BaseException:
                self._is_open = False
                raise
            self._count(found)
        elif self._has_expired:
            self._has_expired = False
            _, cost = self._call(self._upkeep.expire)
        else:
            cost = self._add_some()
        self._has_failed = False
        return cost

    def _add_some(self) -> float:
        # Messages that are written from now on may come too late for this part of the work.
        taken = self._taken = {name: self._behind.pop(name) for name in self._due}
        self._due = {}
        try:
            added, cost = self._call(self._upkeep.add_some, taken)
        except BaseException:
            self._count(taken)
            raise
        finally:
            self._taken = {}
        for name, count in taken.items():
            if name not in added.finished:
                self._count({name: max(1, count - added.counts.get(name, 0))})
        return cost

    def _count(self, messages: Mapping[LogName, int]) -> None:
        for name, count in messages.items():
            self._note_behind(name, count)

    def _note_behind(self, name: LogName, messages: int) -> None:
        behind = self._behind[name] = self._behind.get(name, 0) + messages
        if behind >= STEP:
            self._due[name] = None

    def _call(self, function: Callable[..., Result], *arguments: object) -> tuple[Result, float]:
        return run_in(self._pool, _measured, function, *arguments)


def _measured(function: Callable[..., Result], *arguments: object) -> tuple[Result, float]:
    """Call ``function``; return its result and the time of the processor that this thread used, in seconds."""
    start = time.thread_time()
    result = function(*arguments)
    return result, time.thread_time() - start
