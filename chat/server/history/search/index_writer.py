"""Change the index. All functions wait for the disk, so the server calls them in a thread."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chat.server.history.rows import MAX_ROW
from chat.server.history.search.folded_rows import FoldedRow
from chat.server.history.search.folding import BETWEEN_FOLDED
from chat.server.history.search.index_file import (
    INDEX_FILE,
    TEXT_END,
    index_faults,
    kind_token,
    log_id,
    make_shard,
    open_index,
    row_number,
    sender_token,
    shard_table,
)
from chat.server.history.stored import LogName

# Messages of a shard: a small one is erased and searched faster, but a search must look at all.
SHARD = 65_536
# Messages of a block, and bytes of their texts; a row of the history with more is a block, too.
BLOCK, BLOCK_BYTES = MAX_ROW, 64 * 1024
# Messages that are erased in one transaction.
_ERASED_AT_ONCE = 4 * BLOCK
# Names of senders whose ids are in memory.
_KNOWN_SENDERS = 4096


class _Block:
    """A block, to change it. ``id`` is None for one that the file does not have yet."""

    __slots__ = ("first", "id", "kinds", "log", "senders", "shard", "size", "texts")

    def __init__(self, id: int | None, shard: int, log: int, first: int) -> None:
        self.id = id
        self.shard = shard
        self.log = log
        self.first = first
        self.senders, self.kinds = array("I"), bytearray()
        self.texts: list[bytes] = []
        self.size = 0  # of the texts

    @property
    def stop(self) -> int:
        return self.first + len(self.texts)

    def takes(self, row: FoldedRow[str], shard: int) -> bool:
        """Return whether ``row`` can follow in this block."""
        return (
            self.stop == row.first
            and self.shard == shard
            and len(self.texts) + len(row.senders) <= BLOCK
            and self.size + len(row.texts) <= BLOCK_BYTES
        )

    def extend(self, senders: array[int], kinds: bytes, texts: bytes) -> None:
        """Add messages. NUL stands between ``texts``."""
        self.senders.extend(senders)
        self.kinds.extend(kinds)
        self.texts.extend(texts.split(BETWEEN_FOLDED))
        self.size += len(texts)

    def cut(self, first: int) -> None:
        """Let the block begin with the number ``first``."""
        gone = first - self.first
        self.first = first
        self.senders, self.kinds = self.senders[gone:], self.kinds[gone:]
        self.texts = self.texts[gone:]


class IndexWriter:
    """The one connection that changes the index in ``directory``: that of the history with ``epoch``.

    All methods raise IndexFault. Those that change something are called within ``changing``.
    """

    def __init__(self, directory: Path, epoch: str) -> None:
        self.path = directory / INDEX_FILE
        self._connection = open_index(self.path, epoch)
        self._senders: dict[str, int] = {}

    @contextmanager
    def changing(self, *, safely: bool = False) -> Iterator[None]:
        """Make one transaction. ``safely``: its changes survive a power loss."""
        with index_faults(self.path):
            if safely:
                self._run("PRAGMA synchronous = FULL")
            self._run("BEGIN IMMEDIATE")
            try:
                yield
                self._run("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._run("ROLLBACK")
                    # Ids of senders may be among what was not written.
                    self._senders.clear()
                if safely:
                    self._run("PRAGMA synchronous = NORMAL")

    @property
    def _run(self) -> Callable[..., sqlite3.Cursor]:
        return self._connection.execute

    # Facts

    def indexed(self) -> dict[LogName, int]:
        """Return the number up to which each log is indexed."""
        with index_faults(self.path):
            rows = self._run("SELECT kind, key, indexed FROM logs ORDER BY id")
            return {LogName(kind, key): indexed for kind, key, indexed in rows}

    def fact(self, name: str) -> str | None:
        """Return what the index notes under ``name``."""
        with index_faults(self.path):
            found = self._run("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return None if found is None else found[0]

    def note(self, name: str, value: str | None) -> None:
        """Note ``value`` under ``name``; None: nothing any more."""
        if value is None:
            self._run("DELETE FROM facts WHERE name = ?", (name,))
        else:
            self._run("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # Adding

    def add(self, log: LogName, rows: Iterable[FoldedRow[str]]) -> int:
        """Add ``rows``, which follow what is indexed of ``log``, in order; return how many messages they have.

        FTS5 is fastest if the logs of a transaction come in the order of their ids.
        """
        id, shard = self._id_of(log), self._open_shard()
        block: _Block | None = None
        first, count = 0, 0
        for row in rows:
            first = first or row.first
            senders = array("I", map(self._sender_of, row.senders))
            block = self._extend(block, row, senders, id, shard)
            self._index(shard, id, row, senders)
            count += len(senders)
        if block is None:
            return 0
        self._write(block)
        last = block.stop - 1
        self._run("UPDATE logs SET indexed = ? WHERE id = ?", (last, id))
        self._run("UPDATE shards SET messages = messages + ? WHERE id = ?", (count, shard))
        self._run(
            "INSERT INTO parts (shard, log, first, last) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (log, shard) DO UPDATE SET last = excluded.last",
            (shard, id, first, last),
        )
        return count

    def order_of(self, log: LogName) -> int:
        """Return the place of ``log`` in the order in which FTS5 takes messages fastest."""
        with index_faults(self.path):
            found = log_id(self._connection, log)
            return 1 << 32 if found is None else found[0]

    def _id_of(self, log: LogName) -> int:
        self._run("INSERT OR IGNORE INTO logs (kind, key) VALUES (?, ?)", log)
        found = log_id(self._connection, log)
        assert found is not None
        return found[0]

    def _sender_of(self, key: str) -> int:
        if not key:
            return 0  # purged
        id = self._senders.get(key)
        if id is None:
            if len(self._senders) >= _KNOWN_SENDERS:
                self._senders.clear()
            self._run("INSERT OR IGNORE INTO senders (key) VALUES (?)", (key,))
            [id] = self._run("SELECT id FROM senders WHERE key = ?", (key,)).fetchone()
            self._senders[key] = id
        return id

    def _open_shard(self) -> int:
        found = self._run("SELECT id, messages FROM shards ORDER BY id DESC LIMIT 1").fetchone()
        if found is not None and found[1] < SHARD:
            return int(found[0])
        if found is not None:
            # One segment is searched faster than several.
            self._optimize(found[0])
        [id] = self._run("INSERT INTO shards DEFAULT VALUES RETURNING id").fetchone()
        self._run(make_shard(id))
        return int(id)

    def _index(self, shard: int, log: int, row: FoldedRow[str], senders: array[int]) -> None:
        texts = row.texts.split(BETWEEN_FOLDED)
        self._connection.executemany(
            f"INSERT INTO {shard_table(shard)} (rowid, text, sender, kind) VALUES (?, ?, ?, ?)",
            (
                _values(log, row.first + index, texts[index], sender, row.kinds[index])
                for index, sender in enumerate(senders)
                if sender
            ),
        )

    def _extend(
        self, block: _Block | None, row: FoldedRow[str], senders: array[int], log: int, shard: int
    ) -> _Block:
        """Add ``row`` to ``block``, or to a new one; return that. None: the last block is in the file."""
        if block is None:
            block = self._read_block("log = ? AND first < ? ORDER BY first DESC", log, row.first)
        elif not block.takes(row, shard):
            self._write(block)
        if block is None or not block.takes(row, shard):
            block = _Block(None, shard, log, row.first)
        block.extend(senders, row.kinds, row.texts)
        return block

    def _read_block(self, where: str, *values: object) -> _Block | None:
        columns = "id, shard, log, first, senders, kinds, texts"
        row = self._run(f"SELECT {columns} FROM blocks WHERE {where} LIMIT 1", values).fetchone()
        if row is None:
            return None
        *place, senders, kinds, texts = row
        block = _Block(*place)
        block.extend(array("I", senders), kinds, texts)
        return block

    def _write(self, block: _Block) -> None:
        columns = (
            block.shard,
            block.log,
            block.first,
            block.stop - 1,
            block.senders.tobytes(),
            bytes(block.kinds),
            BETWEEN_FOLDED.join(block.texts),
        )
        self._run(
            "INSERT OR REPLACE INTO blocks (id, shard, log, first, last, senders, kinds, texts)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (block.id, *columns),
        )

    # Erasing

    def erase(self, log: LogName, numbers: Collection[int]) -> None:
        """Erase the messages of ``log`` with ``numbers``, as far as they are indexed."""
        known = log_id(self._connection, log)
        if known is None:
            return
        block: _Block | None = None
        gone: list[int] = []
        for number in sorted(numbers):
            if block is None or number >= block.stop:
                self._erase(block, gone)
                gone = []
                where = "log = ? AND first <= ? ORDER BY first DESC"
                block = self._read_block(where, known[0], number)
            if block is not None and number < block.stop:
                gone.append(number)
        self._erase(block, gone)

    def note_oldest(self, oldest: Mapping[LogName, int]) -> None:
        """Note that all messages before the number ``oldest`` of a log were removed."""
        self._connection.executemany(
            "UPDATE logs SET oldest = ? WHERE kind = ? AND key = ? AND oldest < ?",
            [(number, *log, number) for log, number in oldest.items()],
        )

    def expire_some(self) -> bool:
        """Erase some of the messages that are older than ``note_oldest`` says; return whether others are left."""
        where = "parts.first < logs.oldest"
        found = self._run(
            f"SELECT shard FROM parts JOIN logs ON logs.id = log WHERE {where} LIMIT 1"
        ).fetchone()
        if found is None:
            return False
        [shard] = found
        is_alive = self._run(
            "SELECT 1 FROM parts JOIN logs ON logs.id = log WHERE shard = ? AND last >= oldest"
            " LIMIT 1",
            (shard,),
        ).fetchone()
        if is_alive is None:
            self._drop(shard)
        else:
            self._expire_in(shard)
        return True

    def _drop(self, shard: int) -> None:
        self._run(f"DROP TABLE {shard_table(shard)}")
        for table, column in (("blocks", "shard"), ("parts", "shard"), ("shards", "id")):
            self._run(f"DELETE FROM {table} WHERE {column} = ?", (shard,))

    def _expire_in(self, shard: int) -> None:
        """Erase some old messages of a shard that has newer ones, too."""
        most = _ERASED_AT_ONCE // BLOCK
        rows = self._run(
            "SELECT blocks.id, oldest FROM blocks JOIN logs ON logs.id = log"
            " WHERE shard = ? AND first < oldest LIMIT ?",
            (shard, most),
        ).fetchall()
        for id, oldest in rows:
            block = self._read_block("id = ?", id)
            assert block is not None
            self._erase(block, range(block.first, min(block.stop, oldest)))
            if block.stop <= oldest:
                self._run("DELETE FROM blocks WHERE id = ?", (id,))
            else:
                block.cut(oldest)
                self._write(block)
        if len(rows) < most:
            oldest = "(SELECT oldest FROM logs WHERE id = log)"
            self._run(f"DELETE FROM parts WHERE shard = ? AND last < {oldest}", (shard,))
            self._run(f"UPDATE parts SET first = max(first, {oldest}) WHERE shard = ?", (shard,))

    def _erase(self, block: _Block | None, numbers: Iterable[int]) -> None:
        """Erase the messages with ``numbers`` in ``block``."""
        if block is None:
            return
        values = []
        for number in numbers:
            index = number - block.first
            sender = block.senders[index]
            if sender:
                text, kind = block.texts[index], block.kinds[index]
                values.append(_values(block.log, number, text, sender, kind))
                block.senders[index], block.kinds[index], block.texts[index] = 0, 0, b""
        if not values:
            return
        table = shard_table(block.shard)
        # FTS5 must get the texts that it has; the table does not store them.
        self._connection.executemany(
            f"INSERT INTO {table} ({table}, rowid, text, sender, kind)"
            " VALUES ('delete', ?, ?, ?, ?)",
            values,
        )
        self._run("UPDATE shards SET stale = 1 WHERE id = ?", (block.shard,))
        self._write(block)

    def stale_shards(self) -> list[int]:
        """Return the shards that have traces of erased messages."""
        with index_faults(self.path):
            return [id for (id,) in self._run("SELECT id FROM shards WHERE stale")]

    def erase_traces(self, shard: int) -> None:
        """Erase what is left of erased messages in a shard: until then, FTS5 only marks them as deleted."""
        self._optimize(shard)
        self._run("UPDATE shards SET stale = 0 WHERE id = ?", (shard,))

    def _optimize(self, shard: int) -> None:
        table = shard_table(shard)
        self._run(f"INSERT INTO {table} ({table}) VALUES ('optimize')")

    def give_back(self, pages: int) -> None:
        """Give free pages back to the file system, at most so many."""
        with index_faults(self.path):
            # ``execute`` would take one step of this statement, which frees one page.
            self._connection.executescript(f"PRAGMA incremental_vacuum({pages})")

    def checkpoint(self) -> bool:
        """Move all changes from the write-ahead log into the file; return whether the log is empty now."""
        with index_faults(self.path):
            [busy, *_] = self._run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _values(
    log: int, number: int, text: bytes, sender: int, kind: int
) -> tuple[int, str, str, str]:
    """Return the row of a message in a full-text table."""
    return row_number(log, number), text.decode() + TEXT_END, sender_token(sender), kind_token(kind)
