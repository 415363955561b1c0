"""Find messages in all that is kept: in the index, in the history behind it, and in what is not written yet.

The order of the steps makes the result complete: the runs that are not written yet are taken first, then the position
of the index is read. So a message is in one of the three, or it was said after the search began.
"""

from __future__ import annotations

import gevent
from gevent.threadpool import ThreadPool

from chat.process.offload import run_in
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.search.index_file import DamagedIndex, IndexFault
from chat.server.history.search.indexer import Indexer
from chat.server.history.search.looking import Searching, SearchPage, SearchRequest
from chat.server.history.search.wanted import Wanted
from chat.server.history.stored import LogName

# Searches that may wait. A user whose search waits too long would take the server for dead.
MOST_WAITING = 100
# Seconds without a search, after which the memory of the last ones is given back.
IDLE = 300.0


class TooManySearches(Exception):
    """Report that very many searches wait already."""


class MessageSearch:
    """Search in ``history`` and the index of ``indexer``. ``searching`` looks into their files."""

    def __init__(self, history: HistoryStore, indexer: Indexer, searching: Searching) -> None:
        self.indexer = indexer
        self._history = history
        self._searching = searching
        # One thread: many searches at once must not take the processor from those who talk.
        self._pool = ThreadPool(1)
        self._waiting = 0
        self._end_of_idling: gevent.Greenlet[..., None] | None = None

    def find(
        self,
        log: LogName,
        wanted: Wanted,
        size: PageSize,
        *,
        since: str | None = None,
        until: str | None = None,
        before: int | None = None,
        after: int = 0,
    ) -> SearchPage:
        """Return the last messages of ``log`` that match, at most a page of ``size``.

        Only those that are not older than ``since``, older than ``until`` (RFC 3339, UTC), and whose numbers are over
        ``after`` and under ``before``. Waits for a thread. Raises HistoryFault,
        and TooManySearches.
        """
        if self._waiting >= MOST_WAITING:
            raise TooManySearches
        self._waiting += 1
        if self._end_of_idling is not None:
            self._end_of_idling.kill(block=False)
        try:
            return self._find_between(log, wanted, size, since, until, before, after)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._end_of_idling = gevent.spawn_later(IDLE, self._close)

    def _find_between(
        self,
        log: LogName,
        wanted: Wanted,
        size: PageSize,
        since: str | None,
        until: str | None,
        before: int | None,
        after: int,
    ) -> SearchPage:
        tail = self._history.tail(log)
        after = max(after, self._history.state(log).oldest - 1)
        end = tail.end if before is None else min(before, tail.end)
        if since is not None:
            after = max(after, self._history.number_at(log, since) - 1)
        if until is not None:
            end = min(end, self._history.number_at(log, until))
        request = SearchRequest(
            log, wanted, after, end, tail.runs, tail.beginning, size, self.indexer.generation
        )
        try:
            return run_in(self._pool, self._searching.find, request)
        except IndexFault as problem:
            if isinstance(problem, DamagedIndex):
                self.indexer.note_damage()
        # The history alone has all messages, too.
        without_index = request._replace(generation=self.indexer.generation, with_index=False)
        return run_in(self._pool, self._searching.find, without_index)

    @property
    def epoch(self) -> str:
        """The random token under which numbers are given."""
        return self._history.epoch

    def stop(self) -> None:
        """Close the files."""
        if self._end_of_idling is not None:
            self._end_of_idling.kill()
        self._close()
        self._pool.kill()

    def _close(self) -> None:
        run_in(self._pool, self._searching.close)
