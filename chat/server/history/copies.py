"""Make a copy of the history file while the server runs, and put a copy in its place."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from chat.files.private_files import (
    FILE_MODE,
    give_to_owner_of_directory,
    make_private_directory,
)
from chat.files.syncing import GrowingFile
from chat.server.history.faults import HistoryFault, faults
from chat.server.history.reader import FILE_NAME, VERSION
from chat.server.process.short_turns import ShortTurns

_PATIENCE = 30.0  # seconds for whoever else has locked the file
# After so many instructions of SQLite, a copy looks whether it has to make way. A row of messages takes about as many.
_STEPS = 10


def backup(directory: Path, target: Path) -> int:
    """Copy the history of ``directory`` into the new file ``target``; return its size in bytes.

    The server may be running. The copy is marked: a server that gets it begins a new epoch, because users have seen
    messages that the copy lacks. Raises HistoryFault.
    """
    source = directory / FILE_NAME
    if not source.exists():
        raise HistoryFault(f"there is no history in {directory}")
    copy_database(source, target)
    with faults(target):
        try:
            with closing(sqlite3.connect(target)) as copy, copy:
                copy.execute("INSERT OR REPLACE INTO facts VALUES ('copy', 'yes')")
            return target.stat().st_size
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def restore(directory: Path, source: Path) -> Path | None:
    """Replace the history of ``directory`` by the copy ``source``. No server may run.

    Returns the new path of the file that was there, or None. Raises HistoryFault.
    """
    require_history(source)
    return replace_history(directory, source)


def replace_history(directory: Path, source: Path) -> Path | None:
    """Do what ``restore`` does with a copy that ``require_history`` has checked, which reads all of it."""
    target = directory / FILE_NAME
    new = target.with_name(f"{FILE_NAME}.new")
    with faults(target):
        make_private_directory(directory)
        new.unlink(missing_ok=True)
        # Not a copy of bytes, which would lack what is in a write-ahead log beside ``source``.
        copy_database(source, new)
        try:
            return put_in_place(new, directory, "yes")
        except BaseException:
            new.unlink(missing_ok=True)
            raise


def require_history(source: Path) -> None:
    """Raise HistoryFault unless ``source`` is a whole history that this version knows."""
    with faults(source):
        if not stat.S_ISREG(source.stat().st_mode):
            # SQLite would wait for a FIFO.
            raise HistoryFault(f"cannot use {source}: it is not a file")
    with faults(source), closing(_read_only(source)) as copy:
        [version] = copy.execute("PRAGMA user_version").fetchone()
        if not 0 < version <= VERSION:
            raise HistoryFault(f"cannot use {source}: it is not a history of this program")
        [result] = copy.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise HistoryFault(f"cannot use {source}: {result}")


def copy_database(source: Path, target: Path, *, lasts: bool = True, in_turns: bool = True) -> None:
    """Copy a database, as it is at one moment, into the new file ``target``. A program may be writing ``source``.

    Without ``lasts`` the copy need not survive a power loss. A large copy makes way for others ``in_turns``: not for a
    database that nobody can write until it is copied, as one without a write-ahead log. Waits for the disk. Raises
    HistoryFault.
    """
    with faults(target):
        # The copy is secret too, from the first moment. SQLite writes into an empty file only.
        flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
        descriptor = os.open(target, flags, FILE_MODE)
        failures: list[OSError] = []
        try:
            with faults(source), closing(_read_only(source)) as connection:
                if not lasts:
                    connection.execute("PRAGMA synchronous = OFF")
                if in_turns:
                    look = partial(_make_way, GrowingFile(descriptor), ShortTurns(), failures)
                    connection.set_progress_handler(look, _STEPS)
                connection.execute("VACUUM INTO ?", (os.fspath(target),))
        except BaseException:
            target.unlink(missing_ok=True)
            if failures:
                raise failures[0] from None
            raise
        finally:
            # Not before: it gives up the locks that SQLite has on the file.
            os.close(descriptor)


def _make_way(file: GrowingFile, turns: ShortTurns, failures: list[OSError]) -> bool:
    """Let others have the disk and the processor; return whether SQLite must give up."""
    try:
        if turns.rest_in_time():
            file.sync_in_time()
    except OSError as problem:
        failures.append(problem)
    return bool(failures)


def put_in_place(new: Path, directory: Path, mark: str) -> Path | None:
    """Make ``new``, which is complete and closed, the history of ``directory``. No server may run.

    ``mark`` is the value of the fact ``copy``, by which the server begins a new epoch at its next start: users may have
    seen messages that this file lacks, or has under other numbers. Returns the new path of the file that was there, or
    None. Raises HistoryFault.
    """
    target = directory / FILE_NAME
    with faults(target):
        with closing(sqlite3.connect(new)) as copy, copy:
            copy.execute("INSERT OR REPLACE INTO facts VALUES ('copy', ?)", (mark,))
        # If that was in WAL mode, closing the last connection has emptied the log and removed it.
        with new.open("rb") as file:
            os.fsync(file.fileno())
        give_to_owner_of_directory(new, directory)
        former = keep_former(target)
        new.replace(target)
    return former


def keep_former(target: Path) -> Path | None:
    """Give the file ``target`` another name beside its own; return that, or None if there is no file."""
    if not target.exists():
        return None
    name = f"{target.name}.before-{time.strftime('%Y%m%dT%H%M%S')}"
    # A script may do this twice in a second.
    names = (f"{name}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 1000))))
    former = next(path for path in map(target.with_name, names) if not path.exists())
    # A crash must not leave a server without a history: the file keeps its name until the new one takes it.
    try:
        os.link(target, former)
    except OSError:
        # This file system has no links.
        target.rename(former)
    # Neither the write-ahead log nor the journal of an interrupted change must be applied to the new file.
    for suffix in ("-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            Path(f"{target}{suffix}").rename(f"{former}{suffix}")
    return former


def _read_only(path: Path) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE)
