"""Find messages in all that is kept: in the index, in the history behind it, and in what is not written yet.

The order of the steps makes the result complete: the runs that are not written yet are taken first, then the position
of the index is read. So a message is in one of the three, or it was said after the search began.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from gevent.threadpool import ThreadPool

from chat.process.offload import run_in
from chat.server.history.faults import HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.pages import PageSize
from chat.server.history.reader import Reader
from chat.server.history.rows import BETWEEN_TEXTS, PackedRun, RowMessages, facts_of, pack, unpack
from chat.server.history.search.folded_rows import KINDS, FoldedRow, fold_row
from chat.server.history.search.folding import fold_joined
from chat.server.history.search.index_file import DamagedIndex, IndexFault
from chat.server.history.search.index_reader import IndexReader
from chat.server.history.search.indexer import Indexer
from chat.server.history.search.resting import RestingWorker
from chat.server.history.search.wanted import Wanted
from chat.server.history.stored import LogName, StoredRun

# Seconds that a search may take. Then it ends with what it has found, and the user goes on.
BUDGET = 0.5
# Seconds that the thread rests for each second of its work, before the next search. Users who search all the time get
# half a core, and the event loop keeps the other half.
REST = 1.0
# Seconds that a search with a full page may look for one more message, to tell whether there is one.
_GRACE = 0.02


# Searches that may wait for the thread. A user whose search waits too long would take the server for dead.
MOST_WAITING = 100


class TooManySearches(Exception):
    """Report that very many searches wait already."""


class SearchPage(NamedTuple):
    """Hold messages that were found, newest first, each as a run of one.

    ``go_on``: to go on, search before this number. None: there are no others.
    """

    runs: list[StoredRun]
    go_on: int | None


class _Found(NamedTuple):
    """Hold messages that match, newest first. All messages down to the number ``down_to`` have been looked at."""

    messages: Iterable[StoredRun]
    down_to: int


class _Request(NamedTuple):
    """Say where to look for what: between the numbers ``after`` and ``before`` of ``log``, both excluded.

    ``unwritten`` are the runs that the file may lack, in order, ``beginning`` is the first number that it may lack.
    """

    log: LogName
    wanted: Wanted
    after: int
    before: int
    unwritten: list[PackedRun]
    beginning: int
    size: PageSize

    def numbers_in(self, row: FoldedRow[str]) -> list[int]:
        """Return the numbers of the messages in ``row`` that match, newest first."""
        words, sender, has = self.wanted
        numbers = row.matching(words, sender, KINDS[has] if has is not None else None)
        return [number for number in numbers if self.after < number < self.before]

    def numbers_in_row(self, row: tuple[Any, ...]) -> list[int]:
        """Return the numbers of the messages in a row of history that match, newest first."""
        first, count, _, _, column, _, content = row
        # What the row says of its runs is dear to read. A single message may be an attachment, with a name in there.
        if count > 1:
            texts = fold_joined(content, BETWEEN_TEXTS)
            if any(word not in texts for word in self.wanted.words):
                return []
        return self.numbers_in(fold_row(first, facts_of(column), content))


class MessageSearch:
    """Search in ``history``, whose file is in ``directory``, by the index of ``indexer``. ``budget`` is in seconds."""

    def __init__(
        self, history: HistoryStore, directory: Path, indexer: Indexer, *, budget: float = BUDGET
    ) -> None:
        self.indexer = indexer
        self._history = history
        self._directory = directory
        self._budget = budget
        # One thread: many searches at once must not take the processor from those who talk.
        self._pool = ThreadPool(1)
        self._reader: Reader | None = None
        self._index: IndexReader | None = None
        self._generation = 0
        self._thread = RestingWorker(REST)
        self._waiting = 0

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
        try:
            return self._find_between(log, wanted, size, since, until, before, after)
        finally:
            self._waiting -= 1

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
        request = _Request(log, wanted, after, end, tail.runs, tail.beginning, size)
        try:
            return run_in(self._pool, self._find, request, self.indexer.generation)
        except IndexFault as problem:
            if isinstance(problem, DamagedIndex):
                self.indexer.note_damage()
        # The history alone has all messages, too.
        without_index = partial(self._find, with_index=False)
        return run_in(self._pool, without_index, request, self.indexer.generation)

    @property
    def epoch(self) -> str:
        """The random token under which numbers are given."""
        return self._history.epoch

    def stop(self) -> None:
        """Close the files."""
        run_in(self._pool, self._close)
        self._pool.kill()

    # In the thread

    def _find(self, request: _Request, generation: int, *, with_index: bool = True) -> SearchPage:
        """Search in the files of a ``generation``."""
        with self._thread.working():
            deadline = time.monotonic() + self._budget
            if generation != self._generation:
                self._close()
                self._generation = generation
            try:
                reader = self._reader = self._reader or Reader(self._directory)
                index = self._open_index() if with_index else None
                if index is None:
                    return _search(request, reader, None, deadline)
                with index.snapshot(reader.epoch()) as is_of_history:
                    usable = index if is_of_history else None
                    page = _search(request, reader, usable, deadline)
                if usable is None:
                    self._close_index()
                return page
            except HistoryFault:
                self._close()
                raise

    def _open_index(self) -> IndexReader | None:
        if self._index is None:
            try:
                self._index = IndexReader(self._directory)
            except IndexFault:
                # It is being made.
                return None
        return self._index

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._close_index()

    def _close_index(self) -> None:
        if self._index is not None:
            self._index.close()
        self._index = None


def _search(
    request: _Request, reader: Reader, index: IndexReader | None, deadline: float
) -> SearchPage:
    # An iterator that is left open would keep SQLite from tidying up.
    with closing(_found(request, reader, index)) as found:
        return _cut(found, request, deadline)


def _cut(found: Iterable[_Found], request: _Request, deadline: float) -> SearchPage:
    """Return the page of what is ``found``; it ends at the ``deadline`` (monotonic)."""
    page: list[StoredRun] = []
    room, space = request.size
    for messages, down_to in found:
        for message in messages:
            if page and (room == 0 or message.bytes > space):
                return SearchPage(page, page[-1].first)
            page.append(message)
            room -= 1
            space -= message.bytes
            if room == 0:
                deadline = min(deadline, time.monotonic() + _GRACE)
        if time.monotonic() > deadline and down_to > request.after + 1:
            return SearchPage(page, down_to)
    return SearchPage(page, None)


def _found(
    request: _Request, reader: Reader, index: IndexReader | None
) -> Generator[_Found, None, None]:
    """Yield what matches, newest first; ``index`` is None if there is none."""
    log, wanted, after = request.log, request.wanted, request.after
    for run in reversed(request.unwritten):
        if run.first < request.before and run.last > after:
            numbers = request.numbers_in(fold_row(run.first, [run.facts], run.content))
            yield _Found(_messages_in(run, numbers), run.first)
    end = min(request.before, request.beginning)
    indexed = max(after, index.indexed(log) if index is not None else 0)
    # The index has whole rows only.
    with closing(reader.rows(log, indexed, end, newest_first=True)) as history:
        for row in history:
            numbers = request.numbers_in_row(row)
            yield _Found(_messages_in_row(log, row, numbers), row[0])
    if index is not None and indexed > after:
        cache = _Rows(reader, request)
        candidates = index.find(log, wanted, after, min(end, indexed + 1))
        with closing(candidates):
            for numbers, down_to in candidates:
                yield _Found(cache.messages(numbers), down_to)


def _messages_in_row(log: LogName, row: tuple[Any, ...], numbers: list[int]) -> Iterator[StoredRun]:
    """Yield the messages of a row of history with ``numbers``."""
    if numbers:
        yield from filter(None, map(RowMessages(log, row).message, numbers))


def _messages_in(run: PackedRun, numbers: list[int]) -> Iterator[StoredRun]:
    """Yield the messages of a run with ``numbers``."""
    if numbers:
        messages = unpack(run).messages()
        yield from (messages[number - run.first] for number in numbers)


class _Rows:
    """Rows of the history: the last one that was read is kept, since the next message is often there, too."""

    def __init__(self, reader: Reader, request: _Request) -> None:
        self._reader = reader
        self._request = request
        self._row: RowMessages | None = None

    def messages(self, numbers: list[int]) -> Iterator[StoredRun]:
        """Yield the messages with ``numbers`` that match. The index may have some that the history has no more."""
        for number in numbers:
            message = self._message(number)
            if message is None:
                continue
            packed = pack(message)
            if self._request.numbers_in(fold_row(number, [packed.facts], packed.content)):
                yield message

    def _message(self, number: int) -> StoredRun | None:
        if self._row is not None and (found := self._row.message(number)) is not None:
            return found
        log = self._request.log
        row = self._reader.row_at(log, number)
        if row is None:
            return None
        self._row = RowMessages(log, row)
        return self._row.message(number)
