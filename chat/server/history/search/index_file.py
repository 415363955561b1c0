"""The file of the index: an SQLite database beside that of the history, and its tables.

The index consists of *shards*: full-text tables (FTS5, trigrams) of some ten thousand messages. So removed words can be
erased from one shard in a moment, and an old shard goes as a whole. A *block* has the folded texts of consecutive
messages of one log, where frequent words of one or two letters are found fast. FTS5 needs the texts again to remove
them.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from chat.files.private_files import FILE_MODE, restrict_mode
from chat.server.history.faults import HistoryFault
from chat.server.history.reader import VERSION
from chat.server.history.search.folding import TABLES
from chat.server.history.stored import LogName

INDEX_FILE = "search.db"
INDEX_VERSION = 1
# What an index must have been made with, besides the history itself. A history of another version has other rows.
FORM = f"{TABLES}, {sys.byteorder}-endian, history {VERSION}"
# Numbers of messages take the lower bits of a row's number in a shard, and the id of the log the others. So the rows of
# a log follow each other in the order of their numbers.
_NUMBER_BITS = 40

# ``facts`` has what the index is an index of (``epoch``, ``form``), and ``purging`` while a purge is under way.
# ``indexed``: all messages of the log up to this number, and no others, are in the index; before ``oldest``, none are.
# ``first`` and ``last`` of a part: the numbers of a log that a shard has. A ``stale`` shard has traces of removed
# words. In a block, ``senders`` has 32 bits for each message (see ``senders``; 0: purged), ``kinds`` a byte.
SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE logs (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        key TEXT NOT NULL,
        indexed INTEGER NOT NULL DEFAULT 0,
        oldest INTEGER NOT NULL DEFAULT 1,
        UNIQUE (kind, key)
    )
    """,
    "CREATE TABLE senders (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE)",
    """
    CREATE TABLE shards (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        messages INTEGER NOT NULL DEFAULT 0,
        stale INTEGER NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE parts (
        shard INTEGER NOT NULL,
        log INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (log, shard)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX parts_by_shard ON parts (shard)",
    """
    CREATE TABLE blocks (
        id INTEGER PRIMARY KEY,
        shard INTEGER NOT NULL,
        log INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        senders BLOB NOT NULL,
        kinds BLOB NOT NULL,
        texts BLOB NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX blocks_by_number ON blocks (log, first)",
    "CREATE INDEX blocks_by_shard ON blocks (shard)",
)


# What SQLite says if the disk or the system is at fault, or SQLite itself was made without full-text search, and not
# what is in the file.
_NOT_DAMAGE = (
    *("disk is full", "disk I/O", "unable to open", "readonly", "locked", "interrupted"),
    *("no such module", "no such tokenizer"),
)

# Stands behind each text in a full-text table. So every letter of the text is the first one of a trigram, and words of
# one or two letters are found as beginnings of trigrams.
TEXT_END = "\1\1"


class IndexFault(HistoryFault):
    """Report that the index cannot be used. The text is one line for the operator, and names the file."""


class DamagedIndex(IndexFault):
    """Report that the index is damaged."""


@contextmanager
def index_faults(path: Path) -> Iterator[None]:
    """Turn errors into IndexFault, and into DamagedIndex if they show that the index is damaged.

    A damaged file can hold anything where SQLite does not look. A fault of the history file passes.
    """
    try:
        yield
    except (sqlite3.Error, LookupError, ValueError, TypeError) as problem:
        text = f"{type(problem).__name__}: {problem}"
        is_damage = not any(each in text for each in _NOT_DAMAGE)
        raise (DamagedIndex if is_damage else IndexFault)(f"cannot use {path}: {text}") from None
    except OSError as problem:
        raise IndexFault(f"cannot use {path}: {problem.strerror or problem}") from None


def shard_table(shard: int) -> str:
    """Return the name of the full-text table of a shard."""
    return f"words_{shard}"


def make_shard(shard: int) -> str:
    """Return the statement that makes the full-text table of a shard.

    The texts are folded already, so the tokenizer must not fold them by tables of its own. The table itself has no
    texts (``content=''``) and no sizes of texts: the blocks have the texts, and nothing is ranked.
    """
    return (
        f"CREATE VIRTUAL TABLE {shard_table(shard)} USING fts5(text, sender, kind, content='',"
        " columnsize=0, detail=full, tokenize='trigram case_sensitive 1')"
    )


def row_number(log: int, number: int) -> int:
    """Return the number of the row of a message in the full-text table; ``log`` is the id of the log in the index."""
    return log << _NUMBER_BITS | number


def message_number(row: int) -> int:
    """Return the number of the message whose row in the full-text table has the number ``row``."""
    return row & ((1 << _NUMBER_BITS) - 1)


def sender_token(sender: int) -> str:
    """Return three characters, one token, by which the full-text table finds the messages of a sender."""
    return "".join(chr(0x100 + (sender >> shift & 0xFFF)) for shift in (24, 12, 0))


def kind_token(kind: int) -> str:
    """Return three characters, one token, by which the full-text table finds the messages of a kind; "" for none."""
    return sender_token(kind) if kind else ""


def open_index(path: Path, epoch: str) -> sqlite3.Connection:
    """Open the index of the history with ``epoch`` for writing. Made anew unless the file is such an index.

    Raises IndexFault.
    """
    if not path.exists():
        # A crash may have left something of a former index.
        discard(path)
    with index_faults(path):
        _former(path).unlink(missing_ok=True)
        connection = _connect(path)
        try:
            if describe(connection) != (INDEX_VERSION, epoch, FORM):
                connection.close()
                discard(path)
                connection = _connect(path)
                _make(connection, epoch)
            return connection
        except BaseException:
            connection.close()
            raise


def describe(connection: sqlite3.Connection) -> tuple[int, str, str]:
    """Return the version of an index, the epoch of its history, and the form of its texts. Raises sqlite3.Error."""
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if version != INDEX_VERSION:
        return version, "", ""
    facts = dict(connection.execute("SELECT name, value FROM facts"))
    return version, facts["epoch"], facts["form"]


def log_id(connection: sqlite3.Connection, name: LogName) -> tuple[int, int] | None:
    """Return the id of a log, and up to which number it is indexed; None if the index does not have the log."""
    query = "SELECT id, indexed FROM logs WHERE kind = ? AND key = ?"
    found: tuple[int, int] | None = connection.execute(query, name).fetchone()
    return found


def remove_index(directory: Path) -> None:
    """Remove the index in ``directory``, if there is one. Raises IndexFault."""
    discard(directory / INDEX_FILE)


def discard(path: Path) -> None:
    """Remove the index. Raises IndexFault."""
    former = _former(path)
    with index_faults(path):
        # The file first, in one step: without its write-ahead log it must not be opened.
        with suppress(FileNotFoundError):
            path.replace(former)
        for each in (f"{path}-wal", f"{path}-shm", former):
            Path(each).unlink(missing_ok=True)


def _former(path: Path) -> Path:
    """Return the path of an index that is being removed."""
    return path.with_name(f"{path.name}.old")


def _connect(path: Path) -> sqlite3.Connection:
    # Created here and not by SQLite, so that other users can never read the file.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
    restrict_mode(path)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for setting in (
            # Before the first table: pages that a removal frees can then be given back to the file system.
            "auto_vacuum = INCREMENTAL",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            f"journal_size_limit = {16 << 20}",
            # Removed words must not stay in free pages.
            "secure_delete = ON",
        ):
            with closing(connection.execute(f"PRAGMA {setting}")):
                pass
    except BaseException:
        connection.close()
        raise
    return connection


def _make(connection: sqlite3.Connection, epoch: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement in SCHEMA:
        connection.execute(statement)
    facts = (("epoch", epoch), ("form", FORM))
    connection.executemany("INSERT INTO facts VALUES (?, ?)", facts)
    connection.execute(f"PRAGMA user_version = {INDEX_VERSION}")
    connection.execute("COMMIT")
