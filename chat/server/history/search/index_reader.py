"""Look for messages in the index, by a connection that changes nothing.

All functions wait for the disk, so the server calls them in threads.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from array import array
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from chat.server.history.rows import MAX_ROW
from chat.server.history.search.folded_rows import KINDS, FoldedRow
from chat.server.history.search.folding import BETWEEN_FOLDED
from chat.server.history.search.index_file import (
    FORM,
    INDEX_FILE,
    INDEX_VERSION,
    describe,
    index_faults,
    kind_token,
    log_id,
    message_number,
    row_number,
    sender_token,
    shard_table,
)
from chat.server.history.search.wanted import Wanted
from chat.server.history.stored import LogName

# Characters of a word in a full-text table. Shorter ones are not in it.
TRIGRAM = 3
# FTS5 takes these for unknown characters.
_NONCHARACTERS = re.compile("[\ufffe\uffff]")
# Messages whose texts are looked through at a time, which takes some milliseconds.
_SCANNED = 65_536
# Rows of a full-text table that are read at a time.
_AT_ONCE = 64


class IndexHits(NamedTuple):
    """Hold numbers of messages that match, newest first. All messages down to ``down_to`` have been looked at."""

    numbers: list[int]
    down_to: int


class IndexSummary(NamedTuple):
    """Describe an index: the messages in it, and the numbers up to which logs are indexed."""

    messages: int
    indexed: dict[LogName, int]


class _Terms(NamedTuple):
    """Hold what to look for as the index has it: ``long`` words have trigrams, ``short`` ones are parts of them."""

    long: list[bytes]
    short: list[bytes]
    sender: int | None
    kind: int | None

    @property
    def query(self) -> str:
        """The query for a full-text table, without the short words; empty if nothing else is wanted."""
        parts = [f"text : {_quoted(word.decode())}" for word in self.long]
        if self.sender is not None:
            parts.append(f"sender : {_quoted(sender_token(self.sender))}")
        if self.kind is not None:
            parts.append(f"kind : {_quoted(kind_token(self.kind))}")
        return " AND ".join(parts)


class IndexReader:
    """A connection that only reads the index in ``directory``. All methods raise IndexFault."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / INDEX_FILE
        with index_faults(self.path):
            self._connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )

    @contextmanager
    def snapshot(self, epoch: str) -> Iterator[bool]:
        """Read the index as it is now; yield whether it is that of the history with ``epoch``."""
        with index_faults(self.path):
            self._connection.execute("BEGIN")
            try:
                yield describe(self._connection) == (INDEX_VERSION, epoch, FORM)
            finally:
                self._connection.execute("ROLLBACK")

    # Within a snapshot

    def indexed(self, log: LogName) -> int:
        """Return the number up to which all messages of ``log`` are in the index; 0 for none."""
        found = log_id(self._connection, log)
        return 0 if found is None else found[1]

    def find(
        self, log: LogName, wanted: Wanted, after: int, before: int
    ) -> Generator[IndexHits, None, None]:
        """Yield the messages of ``log`` that match, between the numbers ``after`` and ``before``, newest first."""
        found = log_id(self._connection, log)
        terms = self._terms(wanted)
        if found is None or terms is None:
            return
        [id, _] = found
        if not terms.long and (terms.short or not terms.query):
            # Most such words are frequent, and are found among the newest messages.
            newest = before - _SCANNED if terms.short else 0
            yield from self._scan(id, terms, max(after, newest), before)
            before = max(after, newest) + 1
        parts = self._connection.execute(
            "SELECT shard, first, last FROM parts WHERE log = ? AND first < ? AND last > ?"
            " ORDER BY shard DESC",
            (id, before, after),
        ).fetchall()
        for shard, first, last in parts:
            numbers = (max(first, after + 1), min(last, before - 1))
            yield from self._find_in(shard, id, terms, *numbers)

    def _terms(self, wanted: Wanted) -> _Terms | None:
        """Return ``wanted`` as the index has it; None if it has no message of the sender."""
        sender = None
        if wanted.sender is not None:
            query = "SELECT id FROM senders WHERE key = ?"
            found = self._connection.execute(query, (wanted.sender,)).fetchone()
            if found is None:
                return None
            [sender] = found
        long = [word for word in wanted.words if len(word.decode()) >= TRIGRAM]
        short = [word for word in wanted.words if len(word.decode()) < TRIGRAM]
        return _Terms(long, short, sender, KINDS[wanted.has] if wanted.has else None)

    def _find_in(
        self, shard: int, log: int, terms: _Terms, first: int, last: int
    ) -> Iterator[IndexHits]:
        rows = (row_number(log, first), row_number(log, last))
        if terms.query:
            found = self._rows_that_match(shard, terms.query, *rows)
        else:
            found = self._rows_with_part(shard, max(terms.short, key=len), *rows)
        blocks = _Blocks(self._connection, log, terms.short)
        for some in found:
            numbers = list(map(message_number, some))
            yield IndexHits(list(filter(blocks.have, numbers)), numbers[-1])
        yield IndexHits([], first)

    def _rows_that_match(self, shard: int, query: str, low: int, high: int) -> Iterator[list[int]]:
        """Yield the rows of a full-text table that match, from ``high`` down to ``low``."""
        table = shard_table(shard)
        statement = (
            f"SELECT rowid FROM {table} WHERE {table} MATCH ? AND rowid BETWEEN ? AND ?"
            " ORDER BY rowid DESC"
        )
        yield from self._rows(statement, (query, low, high))

    def _rows_with_part(self, shard: int, part: bytes, low: int, high: int) -> Iterator[list[int]]:
        """Yield the rows of a full-text table with a trigram that begins with ``part``, from ``high`` down to ``low``.

        FTS5 has no such query, but the list of all its terms has.
        """
        table = f"temp.terms_{shard}"
        self._connection.execute(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {table}"
            f" USING fts5vocab(main, {shard_table(shard)}, instance)"
        )
        statement = (
            f"SELECT DISTINCT doc FROM {table}"
            " WHERE term >= ? AND term <= ? AND col = 'text' AND doc BETWEEN ? AND ?"
            " ORDER BY doc DESC"
        )
        begin = _NONCHARACTERS.sub("\N{REPLACEMENT CHARACTER}", part.decode())
        values = (begin, begin + TRIGRAM * chr(sys.maxunicode), low, high)
        yield from self._rows(statement, values)

    def _rows(self, statement: str, values: tuple[object, ...]) -> Iterator[list[int]]:
        with closing(self._connection.execute(statement, values)) as rows:
            while some := rows.fetchmany(_AT_ONCE):
                yield [row for (row,) in some]

    def _scan(self, log: int, terms: _Terms, after: int, before: int) -> Iterator[IndexHits]:
        """Look into the texts of all messages. Most searches for few letters end soon: such words are frequent."""
        # SQLite compares, since Python would hold up the other threads.
        has_words = "".join(" AND instr(texts, ?)" for _ in terms.short)
        query = (
            "SELECT first, texts, senders, kinds FROM blocks"
            f" WHERE log = ? AND first < ? AND first > ? AND last > ?{has_words} ORDER BY first DESC"
        )
        while before > after + 1:
            # A block has at most as many messages as a row of the history.
            down_to = max(after, before - _SCANNED)
            values = (log, before, down_to - MAX_ROW, down_to, *terms.short)
            for first, texts, senders, kinds in self._connection.execute(query, values):
                block = FoldedRow(first, texts, array("I", senders), kinds)
                numbers = block.matching(terms.short, terms.sender, terms.kind)
                found = [each for each in numbers if down_to < each < before]
                yield IndexHits(found, max(first, down_to + 1))
            before = down_to + 1
            yield IndexHits([], before)

    def summary(self) -> IndexSummary:
        """Return what the index has."""
        run = self._connection.execute
        [messages] = run("SELECT coalesce(sum(last - first + 1), 0) FROM blocks").fetchone()
        logs = run("SELECT kind, key, indexed FROM logs").fetchall()
        return IndexSummary(messages, {LogName(kind, key): last for kind, key, last in logs})

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class _Blocks:
    """The folded texts of messages of a log. Those of a block are kept, since the next message is often there, too."""

    def __init__(self, connection: sqlite3.Connection, log: int, words: list[bytes]) -> None:
        self._connection = connection
        self._log = log
        self._words = words
        self._first = 0
        self._texts: list[bytes] = []

    def have(self, number: int) -> bool:
        """Return whether the message with ``number`` has all words."""
        if not self._words:
            return True
        index = number - self._first
        if not 0 <= index < len(self._texts):
            row = self._connection.execute(
                "SELECT first, texts FROM blocks WHERE log = ? AND first <= ?"
                " ORDER BY first DESC LIMIT 1",
                (self._log, number),
            ).fetchone()
            if row is None:
                return False
            self._first, self._texts = row[0], row[1].split(BETWEEN_FOLDED)
            index = number - self._first
        return index < len(self._texts) and all(word in self._texts[index] for word in self._words)


def _quoted(word: str) -> str:
    """Return ``word`` as a string of FTS5, in which nothing has a meaning."""
    return '"' + word.replace('"', '""') + '"'
