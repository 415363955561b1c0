"""Look for messages in the files of a history and its index, and in what is not written yet.

The functions here wait for the disk and compute for a while, in a process of their own.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from chat.server.history.faults import HistoryFault
from chat.server.history.pages import PageSize
from chat.server.history.reader import Reader
from chat.server.history.rows import BETWEEN_TEXTS, PackedRun, RowMessages, facts_of, pack, unpack
from chat.server.history.search.folded_rows import KINDS, FoldedRow, fold_row
from chat.server.history.search.folding import fold_joined
from chat.server.history.search.index_file import IndexFault
from chat.server.history.search.index_reader import IndexReader
from chat.server.history.search.resting import RestingWorker
from chat.server.history.search.wanted import Wanted
from chat.server.history.stored import LogName, StoredRun

# Seconds that the searches rest for each second of their work, before the next one. Users who search all the time get
# half a core.
REST = 1.0
# Seconds that a search with a full page may look for one more message, to tell whether there is one.
_GRACE = 0.02


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


class SearchRequest(NamedTuple):
    """Say where to look for what: between the numbers ``after`` and ``before`` of ``log``, both excluded.

    ``unwritten`` are the runs that the file may lack, in order, ``beginning`` is the first number that it may lack.
    The files are those of a ``generation``: with another one than before, they are opened anew.
    """

    log: LogName
    wanted: Wanted
    after: int
    before: int
    unwritten: list[PackedRun]
    beginning: int
    size: PageSize
    generation: int = 0
    with_index: bool = True

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


class Searching(Protocol):
    """Search in files: in this process, or in another one."""

    def find(self, request: SearchRequest) -> SearchPage:
        """Return the page that was asked for. Waits. Raises HistoryFault, and IndexFault if the index is at fault."""

    def close(self) -> None:
        """Close the files."""


class FileSearch:
    """Search in the files in ``directory``. ``budget`` is in seconds: then a search ends with what it has found."""

    def __init__(self, directory: Path, budget: float) -> None:
        self._directory = directory
        self._budget = budget
        self._reader: Reader | None = None
        self._index: IndexReader | None = None
        self._generation = 0
        self._worker = RestingWorker(REST)

    def find(self, request: SearchRequest) -> SearchPage:
        with self._worker.working():
            deadline = time.monotonic() + self._budget
            if request.generation != self._generation:
                self.close()
                self._generation = request.generation
            try:
                reader = self._reader = self._reader or Reader(self._directory)
                index = self._open_index() if request.with_index else None
                if index is None:
                    return _search(request, reader, None, deadline)
                with index.snapshot(reader.epoch()) as is_of_history:
                    usable = index if is_of_history else None
                    page = _search(request, reader, usable, deadline)
                if usable is None:
                    self._close_index()
                return page
            except HistoryFault:
                self.close()
                raise

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None
        self._close_index()

    def _open_index(self) -> IndexReader | None:
        if self._index is None:
            try:
                self._index = IndexReader(self._directory)
            except IndexFault:
                # It is being made.
                return None
        return self._index

    def _close_index(self) -> None:
        if self._index is not None:
            self._index.close()
        self._index = None


def _search(
    request: SearchRequest, reader: Reader, index: IndexReader | None, deadline: float
) -> SearchPage:
    # An iterator that is left open would keep SQLite from tidying up.
    with closing(_found(request, reader, index)) as found:
        return _cut(found, request, deadline)


def _cut(found: Iterable[_Found], request: SearchRequest, deadline: float) -> SearchPage:
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
    request: SearchRequest, reader: Reader, index: IndexReader | None
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

    def __init__(self, reader: Reader, request: SearchRequest) -> None:
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
