"""Keep the index in step with the history file.

All functions wait for the disk, so the server calls them in a thread.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from chat.server.history.faults import HistoryFault
from chat.server.history.pages import NO_END
from chat.server.history.reader import Reader
from chat.server.history.rows import facts_of
from chat.server.history.search.folded_rows import FoldedRow, fold_row
from chat.server.history.search.index_file import (
    INDEX_FILE,
    DamagedIndex,
    IndexFault,
    discard,
    index_faults,
)
from chat.server.history.search.index_writer import IndexWriter
from chat.server.history.stored import LogName
from chat.sizes import byte_count

log = logging.getLogger("chat.server")

# Messages of one transaction, and those of one log in it, about: so many cost some 60 ms.
_AT_ONCE, _OF_ONE = 2048, 1024
_PURGING = "purging"
# Bytes of the disk that are for messages. An index can be made anew, and a search is complete without it.
RESERVE = 64 << 20
# Pages that are given back to the file system at a time: 32 MiB, a shard of usual texts.
_GIVEN_BACK = 8192
# How often to try to empty the write-ahead log while a search reads the index, and seconds between two tries.
_TRIES, _BETWEEN_TRIES = 50, 0.1


class Added(NamedTuple):
    """Tell how many messages of each log were indexed, and which logs have no others left."""

    counts: dict[LogName, int]
    finished: set[LogName]


class IndexUpkeep:
    """Change the index in ``directory`` as the history there changes. One thread at a time calls the methods.

    All methods raise HistoryFault unless they say otherwise. Before the first one, and after ``close``, no file is
    open. ``on_discard`` is called when the file is removed.
    """

    def __init__(self, directory: Path, on_discard: Callable[[], object] = lambda: None) -> None:
        self._directory = directory
        self._on_discard = on_discard
        self._reader: Reader | None = None
        self._writer: IndexWriter | None = None
        self._purges = 0  # under way

    def open(self) -> dict[LogName, int]:
        """Open the files, and erase what was left to erase.

        Return how many messages of each log are not indexed yet.
        """
        self.close()
        writer, reader = self._files()
        if self._purges == 0 and writer.fact(_PURGING) is not None:
            # A purge ended in the middle. It may have removed messages from the history already.
            self._erase(None)
            writer, reader = self._files()
        self.expire()
        return messages_behind(reader, writer.indexed())

    def add_some(self, logs: Iterable[LogName]) -> Added:
        """Index some messages of ``logs``. One that has very many leaves room for others.

        Raises IndexFault also if the disk is nearly full.
        """
        self._leave_space()
        writer, reader = self._files()
        indexed = writer.indexed()
        added = Added({}, set())
        left = _AT_ONCE
        with writer.changing():
            for name in sorted(logs, key=writer.order_of):
                after = indexed.get(name, 0)
                with closing(reader.rows(name, after, NO_END)) as all_rows:
                    rows = _Some(all_rows, min(left, _OF_ONE))
                    added.counts[name] = writer.add(name, map(_folded, rows))
                left -= added.counts[name]
                if rows.are_all:
                    added.finished.add(name)
                if left <= 0:
                    break
        return added

    def _leave_space(self) -> None:
        with index_faults(self._directory):
            free = shutil.disk_usage(self._directory).free
        if free < RESERVE:
            text = f"the disk has {byte_count(free)} left, and the last {byte_count(RESERVE)} are for messages"
            raise IndexFault(f"{self._directory / INDEX_FILE}: {text}")

    def expire(self) -> None:
        """Erase the messages that the history has removed because they are too old or too many."""
        writer, reader = self._files()
        with writer.changing():
            writer.note_oldest({name: state.oldest for name, state in reader.logs().items()})
        has_more = True
        while has_more:
            with writer.changing():
                has_more = writer.expire_some()
        writer.give_back(_GIVEN_BACK)
        self._erase_traces()

    # Purging: between the two calls the history removes the contents

    def begin_purge(self) -> None:
        """Note that messages are being purged: after a crash in the middle, ``open`` finds out which. Raises nothing.

        An index that cannot note it is discarded.
        """
        self._purges += 1
        try:
            writer, _ = self._files()
            self._note_purging(writer)
        except HistoryFault as problem:
            self._give_up(problem)

    def finish_purge(self, purged: Mapping[LogName, Iterable[int]] | None) -> None:
        """Erase the messages that were ``purged``; None: all that the history marks as purged. Raises nothing.

        An index that cannot be erased is discarded.
        """
        self._purges -= 1
        self._erase(purged)

    def _note_purging(self, writer: IndexWriter) -> None:
        with writer.changing(safely=True):
            writer.note(_PURGING, "yes")

    def _erase(self, purged: Mapping[LogName, Iterable[int]] | None) -> None:
        try:
            writer, reader = self._files()
            if purged is None:
                purged = {name: _purged_in(reader, name) for name in reader.logs()}
            for name, numbers in purged.items():
                with writer.changing():
                    writer.erase(name, list(numbers))
            self._erase_traces()
            if self._purges == 0:
                with writer.changing(safely=True):
                    writer.note(_PURGING, None)
        except HistoryFault as problem:
            self._give_up(problem)

    def _erase_traces(self) -> None:
        """Erase what is left of removed messages outside the tables, in deleted terms and in the write-ahead log."""
        writer, _ = self._files()
        for shard in writer.stale_shards():
            with writer.changing():
                writer.erase_traces(shard)
        for _ in range(_TRIES):
            if writer.checkpoint():
                return
            time.sleep(_BETWEEN_TRIES)
        raise IndexFault(f"cannot use {writer.path}: it is being read for too long")

    # The files

    def _files(self) -> tuple[IndexWriter, Reader]:
        if self._reader is None:
            self._reader = Reader(self._directory)
        if self._writer is None:
            epoch = self._reader.epoch()
            try:
                self._writer = IndexWriter(self._directory, epoch)
            except DamagedIndex as problem:
                self._give_up(problem)
                self._writer = IndexWriter(self._directory, epoch)
            if self._purges:
                self._note_purging(self._writer)
        return self._writer, self._reader

    def _give_up(self, problem: HistoryFault) -> None:
        """Remove the index, which is damaged or cannot be changed. It is made anew behind."""
        log.warning("the search index is made anew: %s", problem)
        self.discard()

    def discard(self) -> None:
        """Close and remove the index. Logs it if the file cannot be removed; raises nothing."""
        if self._writer is not None:
            with suppress(HistoryFault):
                self._writer.close()
        self._writer = None
        try:
            discard(self._directory / INDEX_FILE)
        except HistoryFault as problem:
            log.error("cannot remove the search index, which may have purged words: %s", problem)
        self._on_discard()

    def close(self) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            self._reader.close()
        self._writer = self._reader = None


def messages_behind(reader: Reader, indexed: Mapping[LogName, int]) -> dict[LogName, int]:
    """Return how many messages of each log are not ``indexed``; logs that are wholly indexed are left out."""
    counts = {
        name: reader.count_after(name, indexed.get(name, 0))
        for name, state in reader.logs().items()
        if state.head > indexed.get(name, 0)
    }
    return {name: count for name, count in counts.items() if count}


class _Some(Iterator[tuple[Any, ...]]):
    """The first of some rows of history: until they have ``most`` messages."""

    def __init__(self, rows: Iterator[tuple[Any, ...]], most: int) -> None:
        self._rows = rows
        self._left = most
        self.are_all = False

    def __next__(self) -> tuple[Any, ...]:
        if self._left <= 0:
            raise StopIteration
        try:
            row = next(self._rows)
        except StopIteration:
            self.are_all = True
            raise
        self._left -= row[1]
        return row


def _folded(row: tuple[Any, ...]) -> FoldedRow[str]:
    first, _, _, _, column, _, content = row
    return fold_row(first, facts_of(column), content)


def _purged_in(reader: Reader, name: LogName) -> list[int]:
    """Return the numbers of the messages of a log that the history marks as purged."""
    return [number for facts in reader.facts(name) for number in facts.purged]
