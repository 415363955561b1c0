"""The index of kept contents: which there are, how old, whose, and which messages use them.

An SQLite file apart from the history, which can be made again from the history. It belongs to one thread; all methods
wait for the disk, and raise HistoryFault.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from chat.files.private_files import FILE_MODE, make_private_directory, restrict_mode
from chat.server.history.faults import faults, refuse_newer
from chat.server.history.files.file_use import FileUse, folded
from chat.server.history.stored import LogName

FILE_NAME = "files.db"
VERSION = 1

# ``age`` grows with each use: the contents with the smallest go first. ``owner`` is the id of the account that sent the
# content first, empty for guests. A row of ``uses`` is a message with an attachment; ``inside``: its content is in the
# history itself.
_SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE contents (
        digest BLOB PRIMARY KEY,
        size INTEGER NOT NULL,
        owner TEXT NOT NULL,
        age INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX contents_by_age ON contents (age)",
    "CREATE INDEX contents_by_owner ON contents (owner, age)",
    """
    CREATE TABLE uses (
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        seq INTEGER NOT NULL,
        digest BLOB NOT NULL,
        size INTEGER NOT NULL,
        inside INTEGER NOT NULL,
        name TEXT NOT NULL,
        author BLOB NOT NULL,
        nonce BLOB,
        PRIMARY KEY (kind, key, seq)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX uses_by_digest ON uses (digest)",
    "CREATE INDEX uses_by_nonce ON uses (nonce) WHERE nonce IS NOT NULL",
)
_INSERT = "INSERT OR REPLACE INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_UNUSED = "digest NOT IN (SELECT digest FROM uses WHERE NOT inside)"


class FileIndex:
    """The index in ``directory``. ``bytes`` and ``count`` are those of all contents, ``owned`` has bytes by owner.

    ``durable``: a change is on the disk when its method returns.
    """

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        self.path = directory / FILE_NAME
        self.bytes = self.count = 0
        self.owned: Counter[str] = Counter()
        with faults(self.path):
            _create(self.path)
            self._connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(durable=durable)
                self.recount()
            except BaseException:
                self._connection.close()
                raise

    def _prepare(self, *, durable: bool) -> None:
        run = self._connection.execute
        [version] = run("PRAGMA user_version").fetchone()
        refuse_newer(self.path, version, VERSION)
        run("PRAGMA journal_mode = WAL")
        run(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        run("PRAGMA fullfsync = ON")
        run(f"PRAGMA journal_size_limit = {16 << 20}")
        # Names of purged files must not stay in free pages.
        run("PRAGMA secure_delete = ON")
        if version < VERSION:
            with self._transaction():
                for statement in _SCHEMA:
                    run(statement)
                run(f"PRAGMA user_version = {VERSION}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with faults(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def recount(self) -> None:
        """Count the contents again, after a change that failed."""
        with faults(self.path):
            rows = self._connection.execute(
                "SELECT owner, sum(size), count(*) FROM contents GROUP BY owner"
            ).fetchall()
        self.owned = Counter({owner: size for owner, size, _ in rows})
        self.bytes = sum(self.owned.values())
        self.count = sum(count for _, _, count in rows)

    def fact(self, name: str) -> str | None:
        """Return a fact about the index."""
        with faults(self.path):
            row = self._connection.execute(
                "SELECT value FROM facts WHERE name = ?", (name,)
            ).fetchone()
        return row[0] if row is not None else None

    def note(self, **facts: str) -> None:
        """Note facts about the index."""
        with self._transaction():
            self._connection.executemany("REPLACE INTO facts VALUES (?, ?)", facts.items())

    # Contents

    def has(self, digest: bytes) -> bool:
        """Return whether the index has a content."""
        with faults(self.path):
            query = "SELECT 1 FROM contents WHERE digest = ?"
            return self._connection.execute(query, (digest,)).fetchone() is not None

    def add_content(self, digest: bytes, size: int, owner: str) -> None:
        """Add a content that the index does not have, as the youngest."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO contents SELECT ?, ?, ?, coalesce(max(age), 0) + 1 FROM contents",
                (digest, size, owner),
            )
        self._count(size, owner, 1)

    def remove_content(self, digest: bytes) -> None:
        """Remove a content. Messages that used it are listed no more."""
        with self._transaction():
            row = self._connection.execute(
                "DELETE FROM contents WHERE digest = ? RETURNING size, owner", (digest,)
            ).fetchone()
            self._connection.execute("DELETE FROM uses WHERE digest = ? AND NOT inside", (digest,))
        if row is not None:
            self._count(-row[0], row[1], -1)

    def correct(self, removed: Iterable[bytes], added: Iterable[tuple[bytes, int, str]]) -> None:
        """Remove contents, and add others with their sizes and owners, all in one transaction."""
        with self._transaction():
            run = self._connection.executemany
            run("DELETE FROM contents WHERE digest = ?", ((digest,) for digest in removed))
            [age] = self._connection.execute(
                "SELECT coalesce(max(age), 0) FROM contents"
            ).fetchone()
            run(
                "INSERT INTO contents VALUES (?, ?, ?, ?)",
                ((*content, age + number) for number, content in enumerate(added, 1)),
            )
        self.recount()

    def oldest(self, owner: str | None) -> Iterator[bytes]:
        """Yield the contents of ``owner`` (None: of all), the oldest first."""
        where, values = ("", ()) if owner is None else ("WHERE owner = ?", (owner,))
        query = f"SELECT digest FROM contents {where} ORDER BY age"
        # Callers take the first ones. Before Python 3.11, only the garbage collector would free the rows then.
        with faults(self.path), closing(self._connection.execute(query, values)) as rows:
            for [digest] in rows:
                yield digest

    def sizes(self) -> dict[bytes, int]:
        """Return the sizes of all contents."""
        with faults(self.path):
            return dict(self._connection.execute("SELECT digest, size FROM contents"))

    def unused(self) -> list[bytes]:
        """Return the contents that no message uses."""
        with faults(self.path):
            rows = self._connection.execute(f"SELECT digest FROM contents WHERE {_UNUSED}")
            return [digest for [digest] in rows]

    def is_used(self, digest: bytes) -> bool:
        """Return whether a message uses the content."""
        with faults(self.path):
            query = "SELECT 1 FROM uses WHERE digest = ? AND NOT inside LIMIT 1"
            return self._connection.execute(query, (digest,)).fetchone() is not None

    def _count(self, size: int, owner: str, number: int) -> None:
        self.bytes += size
        self.count += number
        self.owned[owner] += size

    # Messages

    def add_uses(self, uses: Iterable[FileUse]) -> None:
        """Add messages. Their contents are the youngest now."""
        uses = list(uses)
        with self._transaction():
            self._connection.executemany(_INSERT, map(_row, uses))
            self._connection.executemany(
                "UPDATE contents SET age = (SELECT max(age) FROM contents) + 1 WHERE digest = ?",
                [(use.digest,) for use in uses if not use.is_inside],
            )

    def replace_uses(self, uses: Iterable[FileUse]) -> None:
        """Begin anew with the messages ``uses``."""
        with self._transaction():
            self._connection.execute("DELETE FROM uses")
            self._connection.executemany(_INSERT, map(_row, uses))

    def sender_of(self, digest: bytes, size: int) -> bytes | None:
        """Return the author of a message that uses the content of this size; None if there is none."""
        with faults(self.path):
            query = "SELECT author FROM uses WHERE digest = ? AND size = ? AND NOT inside LIMIT 1"
            row = self._connection.execute(query, (digest, size)).fetchone()
        return row[0] if row is not None else None

    def forget(self, log: LogName, numbers: Iterable[int]) -> list[bytes]:
        """Remove messages of ``log``; return the contents that no message uses any more."""
        query = "DELETE FROM uses WHERE kind = ? AND key = ? AND seq = ? RETURNING digest"
        with self._transaction():
            gone = {
                digest
                for number in numbers
                for [digest] in self._connection.execute(query, (*log, number)).fetchall()
            }
        return self._now_unused(gone)

    def forget_before(self, log: LogName, oldest: int) -> list[bytes]:
        """Remove the messages of ``log`` before number ``oldest``; see ``forget``."""
        query = "DELETE FROM uses WHERE kind = ? AND key = ? AND seq < ? RETURNING digest"
        with self._transaction():
            rows = self._connection.execute(query, (*log, oldest)).fetchall()
        return self._now_unused({digest for [digest] in rows})

    def first_numbers(self) -> dict[LogName, int]:
        """Return the first number of each log that has a message."""
        query = "SELECT kind, key, min(seq) FROM uses GROUP BY kind, key"
        with faults(self.path):
            rows = self._connection.execute(query).fetchall()
        return {LogName(kind, key): seq for kind, key, seq in rows}

    def _now_unused(self, digests: set[bytes]) -> list[bytes]:
        return [digest for digest in digests if self.has(digest) and not self.is_used(digest)]

    def find(self, log: LogName, words: str, before: int | None, limit: int) -> list[int]:
        """Return the last ``limit`` numbers before ``before`` of messages whose content is kept, the newest first.

        The name of the file has each of ``words``, perhaps as a part of a word; case and width make no difference.
        """
        wanted = folded(words).split()
        query = (
            "SELECT seq FROM uses WHERE kind = ? AND key = ? AND seq < ?"
            f"{' AND instr(name, ?)' * len(wanted)}"
            " AND (inside OR digest IN (SELECT digest FROM contents))"
            " ORDER BY seq DESC LIMIT ?"
        )
        values = (*log, 1 << 62 if before is None else before, *wanted, limit)
        with faults(self.path):
            return [seq for [seq] in self._connection.execute(query, values)]

    def said(
        self, logs: Iterable[LogName], authors: Collection[bytes], nonce: bytes
    ) -> tuple[LogName, int] | None:
        """Return the log, one of ``logs``, and the number of a message with ``nonce`` of one of ``authors``.

        None if there is none.
        """
        query = "SELECT seq, author FROM uses WHERE nonce = ? AND kind = ? AND key = ?"
        with faults(self.path):
            for log in logs:
                for seq, author in self._connection.execute(query, (nonce, *log)):
                    if author in authors:
                        return log, seq
        return None

    # The end

    def erase_traces(self) -> None:
        """Empty the write-ahead log, which may still have the names of purged files."""
        with faults(self.path):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class FileTotals:
    """Read the number and the size of the kept contents, while a server may run. Raises HistoryFault."""

    def __init__(self, directory: Path) -> None:
        self.count = self.bytes = 0
        path = directory / FILE_NAME
        if not path.exists():
            return
        with faults(path):
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
            try:
                query = "SELECT count(*), coalesce(sum(size), 0) FROM contents"
                self.count, self.bytes = connection.execute(query).fetchone()
            finally:
                connection.close()


def remove_index(directory: Path) -> None:
    """Remove a damaged index: it is made again from the history."""
    path = directory / FILE_NAME
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").unlink()


def _row(use: FileUse) -> tuple[object, ...]:
    return (
        *use.log,
        use.seq,
        use.digest,
        use.size,
        use.is_inside,
        use.name,
        use.author,
        use.nonce,
    )


def _create(path: Path) -> None:
    make_private_directory(path.parent)
    # Created here and not by SQLite, so that other users can never read the file.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
    restrict_mode(path)
