"""Write the history file: an SQLite database in WAL mode, apart from that of the accounts.

All functions here wait for the disk, so the server calls them in threads. Exactly one connection writes (``Writer``);
any number of others read. Up to SQLite 3.51.2, two connections that commit and checkpoint at once could corrupt a WAL.
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from chat.files.private_files import FILE_MODE, make_private_directory, restrict_mode
from chat.files.syncing import sync_path
from chat.server.history.faults import (
    DamagedFile,
    UnsyncedCommit,
    faults,
    is_unsynced,
    refuse_newer,
)
from chat.server.history.reader import FILE_NAME, VERSION, read_state
from chat.server.history.rows import INSERT, MESSAGES_TABLE, PackedRun, rows_of
from chat.server.history.stored import Hole, LogName, LogState
from chat.server.history.versions import first

log = logging.getLogger("chat.server")

# ``head`` is the last number that the file knows to be given, and ``oldest`` the first one whose message it has; rows
# between them may be missing only in a range of ``lost``. The columns of ``messages`` are described in ``rows``.
_SCHEMA = (
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """
    CREATE TABLE logs (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('room', 'mailbox')),
        key TEXT NOT NULL,
        head INTEGER NOT NULL DEFAULT 0,
        head_time TEXT,
        oldest INTEGER NOT NULL DEFAULT 1,
        UNIQUE (kind, key)
    )
    """,
    """
    CREATE TABLE lost (
        log INTEGER NOT NULL REFERENCES logs (id),
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        PRIMARY KEY (log, first)
    ) WITHOUT ROWID
    """,
    *MESSAGES_TABLE,
)

# Reasons for a new epoch, by the mark of a file: see ``copies.put_in_place``.
_WHY_NEW = {"import": "messages were imported"}


class Opened(NamedTuple):
    """Tell what was found when the file was opened for writing.

    ``is_new``: there was no file. ``lost`` counts the numbers that were given up because the last run crashed.
    ``epoch_changed`` says why the file has another epoch than before, or is None.
    """

    epoch: str
    logs: dict[LogName, LogState]
    is_new: bool
    lost: int
    epoch_changed: str | None


class Writer:
    """The one connection that changes the file. All methods raise HistoryFault.

    ``bound``: how many messages of each log may be said and not written yet. After a crash, each log goes on behind so
    many numbers, so that no number is given twice. ``durable``: a commit is on the disk when it returns.
    """

    def __init__(
        self, directory: Path, *, bound: int, durable: bool = False, boot_id: str | None = None
    ) -> None:
        self.path = directory / FILE_NAME
        self._ids: dict[LogName, int] = {}
        self._durable = durable
        boot_id = read_boot_id() if boot_id is None else boot_id
        with faults(self.path):
            is_new = _create(self.path)
            self._connection = sqlite3.connect(
                self.path, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare()
                with self._transaction():
                    self.opened = self._recover(is_new, 0 if durable else bound, boot_id)
                if not durable:
                    self._connection.execute("PRAGMA synchronous = NORMAL")
            except BaseException:
                self._connection.close()
                raise

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._commit()
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as problem:
            if is_unsynced(problem):
                raise UnsyncedCommit(f"cannot sync {self.path}: {problem}") from None
            raise

    def _prepare(self) -> None:
        run = self._connection.execute
        [version] = run("PRAGMA user_version").fetchone()
        refuse_newer(self.path, version, VERSION)
        # With smaller pages a flood costs more, with larger ones a lone message. SQLite ignores this line behind the
        # next ones.
        run("PRAGMA page_size = 8192")
        # Before the first table: pages that a removal frees can then be given back to the file system.
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        # Also what the recovery writes must survive a power loss.
        run("PRAGMA synchronous = FULL")
        # Only macOS knows this: without it, a sync there ends in the memory of the disk.
        run("PRAGMA fullfsync = ON")
        run(f"PRAGMA journal_size_limit = {64 << 20}")
        # Pages, 32 MiB. A checkpoint waits for the disk twice. In a flood, one after every 8 MiB would cost a third of
        # all that history costs.
        run("PRAGMA wal_autocheckpoint = 4096")
        # Purged words must not stay in free pages.
        run("PRAGMA secure_delete = ON")
        if version < VERSION:
            with self._transaction():
                if version == 1:
                    log.info("the history is converted to the form of this version: %s", self.path)
                    first.convert(self._connection)
                else:
                    for statement in _SCHEMA:
                        run(statement)
                run(f"PRAGMA user_version = {VERSION}")

    def _recover(self, is_new: bool, bound: int, boot_id: str) -> Opened:
        """Find out how the last run ended, and make sure that no number is given twice.

        The result is committed before the first login. Otherwise a second crash would give the same numbers again.
        """
        facts = dict(self._connection.execute("SELECT name, value FROM facts"))
        lost, reason = 0, None
        is_unclean = facts.get("clean") == "no"
        if "epoch" not in facts:
            facts["epoch"] = _new_epoch()
        elif "copy" in facts:
            reason = _WHY_NEW.get(facts["copy"], "the file is a copy")
        elif is_unclean and facts.get("boot") != boot_id and facts.get("durable") != "yes":
            # What the disk has of the last seconds is unknown, and so is what users have seen.
            reason = "the machine stopped before the file was complete"
        if reason is not None:
            facts["epoch"] = _new_epoch()
            facts.pop("copy", None)
        if is_unclean:
            lost = self._give_up_numbers(int(facts.get("bound", "0")))
        facts.update(
            clean="no", boot=boot_id, bound=str(bound), durable="yes" if self._durable else "no"
        )
        self._connection.execute("DELETE FROM facts")
        self._connection.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
        for id, kind, key in self._connection.execute("SELECT id, kind, key FROM logs"):
            self._ids[LogName(kind, key)] = id
        logs = {name: read_state(self._connection, name) for name in self._ids}
        return Opened(facts["epoch"], logs, is_new, lost, reason)

    def _give_up_numbers(self, bound: int) -> int:
        if bound == 0:
            return 0
        run = self._connection.execute
        # Nothing was said since the last crash: its hole grows. Otherwise a server that crashes again and again would
        # fill each welcome with holes.
        run(
            "UPDATE lost SET last = last + ?"
            " WHERE last = (SELECT head FROM logs WHERE id = lost.log)",
            (bound,),
        )
        run(
            "INSERT INTO lost SELECT id, head + 1, head + ?1 FROM logs WHERE NOT EXISTS"
            " (SELECT 1 FROM lost WHERE lost.log = logs.id AND lost.last = logs.head + ?1)",
            (bound,),
        )
        [count] = run("SELECT count(*) FROM logs").fetchone()
        run("UPDATE logs SET head = head + ?", (bound,))
        return int(count) * bound

    def begin_epoch(self, epoch: str) -> None:
        """Let the numbers be those of another epoch from now on."""
        with faults(self.path), self._transaction():
            self._connection.execute("UPDATE facts SET value = ? WHERE name = 'epoch'", (epoch,))

    def add_logs(self, names: Iterable[LogName]) -> None:
        """Begin the logs ``names`` that the file does not have. Their numbers 1 are safe when this returns."""
        new = [name for name in names if name not in self._ids]
        if not new:
            return
        ids: dict[LogName, int] = {}
        with faults(self.path), self._transaction():
            for name in new:
                [ids[name]] = self._connection.execute(
                    "INSERT INTO logs (kind, key) VALUES (?, ?) RETURNING id", name
                ).fetchone()
        self._ids.update(ids)

    def write(
        self,
        runs: Sequence[PackedRun],
        holes: Iterable[tuple[LogName, Hole]] = (),
        logs: Sequence[LogName] = (),
    ) -> None:
        """Add ``runs`` and ``holes`` in one transaction, and ``logs``; all other logs must have been added before."""
        self.add_logs(logs)
        heads = {self._ids[run.log]: (run.last, run.facts.timestamp) for run in runs}
        rows = [(self._ids[log], *row) for log, row in rows_of(runs)]
        with faults(self.path), self._transaction():
            self._connection.executemany(INSERT, rows)
            self._connection.executemany(
                "UPDATE logs SET head = max(head, ?), head_time = ? WHERE id = ?",
                [(last, timestamp, id) for id, (last, timestamp) in heads.items()],
            )
            for name, hole in holes:
                id = self._ids[name]
                self._connection.execute("INSERT INTO lost VALUES (?, ?, ?)", (id, *hole))
                self._connection.execute(
                    "UPDATE logs SET head = max(head, ?) WHERE id = ?", (hole.last, id)
                )

    def write_over(self) -> None:
        """Write over what an unsynced commit has left in the write-ahead log, so that no crash completes it.

        That needs no sync. But a power loss may undo it, as long as nothing is synced.
        """
        run = self._connection.execute
        with faults(self.path):
            [pages] = run("PRAGMA wal_autocheckpoint").fetchone()
            # A checkpoint without a sync could damage the file.
            run("PRAGMA wal_autocheckpoint = 0")
            run("PRAGMA synchronous = OFF")
            try:
                self.probe()
            finally:
                run(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
                run(f"PRAGMA wal_autocheckpoint = {pages}")

    def probe(self) -> None:
        """Write something to the disk, to see whether it takes it."""
        with faults(self.path), self._transaction():
            # SQLite does not write what is there already.
            self._connection.execute(
                "REPLACE INTO facts VALUES ('probe', ?)", (secrets.token_urlsafe(12),)
            )

    @contextmanager
    def changing(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        """Run statements in one transaction, by the function that this yields."""
        with faults(self.path), self._transaction():
            yield self._connection.execute

    def id_of(self, name: LogName) -> int | None:
        """Return the id of a log in the tables; None if the file does not have the log."""
        return self._ids.get(name)

    def states(self) -> dict[LogName, LogState]:
        """Return the state of each log, as the file has it."""
        with faults(self.path):
            return {name: read_state(self._connection, name) for name in self._ids}

    def give_back(self, pages: int) -> None:
        """Give free pages back to the file system, at most so many."""
        with faults(self.path):
            # ``execute`` would take one step of this statement, which frees one page.
            self._connection.executescript(f"PRAGMA incremental_vacuum({pages})")

    def checkpoint(self) -> bool:
        """Move all changes from the write-ahead log into the file; return whether the log is empty now."""
        with faults(self.path):
            [busy, *_] = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def close(self) -> None:
        """Mark that the file is complete, and close it."""
        try:
            with faults(self.path), self._transaction():
                self._connection.execute("UPDATE facts SET value = 'yes' WHERE name = 'clean'")
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """Close the file without the mark: something said was not written."""
        self._connection.close()


def open_writer(directory: Path, *, bound: int, durable: bool) -> Writer:
    """Open the file, or create it. A damaged file is set aside. Raises HistoryFault."""
    try:
        return Writer(directory, bound=bound, durable=durable)
    except DamagedFile as problem:
        aside = set_aside(directory / FILE_NAME)
        log.error("%s; history begins anew, and the file is now %s", problem, aside)
        return Writer(directory, bound=bound, durable=durable)


def log_opened(path: Path, opened: Opened) -> None:
    """Tell the operator what was found when the server opened the file at ``path``."""
    if opened.is_new:
        log.info("made a file for the history: %s", path)
    if opened.epoch_changed is not None:
        log.warning("history begins a new epoch: %s", opened.epoch_changed)
    elif opened.lost:
        log.warning("the server had no clean stop: history may lack the last messages before it")


def set_aside(path: Path) -> Path:
    """Rename a damaged file, and return its new path. Raises HistoryFault."""
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S')}")
    with faults(path):
        # The write-ahead log first: it belongs to the file, and must not be applied to a new one.
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside


def read_boot_id() -> str:
    """Return a text that differs after each boot of the machine; empty if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _new_epoch() -> str:
    return secrets.token_urlsafe(12)


def _create(path: Path) -> bool:
    """Create the file for its owner only, unless it is there; return whether it is new."""
    make_private_directory(path.parent)
    is_new = False
    # Created here and not by SQLite, so that other users can never read the file, not even for a moment.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
        is_new = True
        sync_path(path.parent)
    restrict_mode(path)
    return is_new
