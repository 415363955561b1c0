"""Copy a data directory to a directory of the operator, and put such a copy in the place of the data.

A backup has the names of a data directory: ``chat.db``, ``history.db``, ``files``, and the server's own key. A second
backup into the same directory copies only the contents that are new. The directory ``incomplete`` has the new files
until all are there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from chat.files.private_files import (
    give_to_owner_of_directory,
    make_private_directory,
    private_opener,
)
from chat.files.syncing import sync_path
from chat.server.backup.contents import ContentCopy, CopiedContents
from chat.server.history import copies
from chat.server.history.faults import faults
from chat.server.history.files.file_directory import NAME as FILES
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.files.file_use import use_of
from chat.server.history.reader import FILE_NAME as HISTORY
from chat.server.history.reader import Reader
from chat.server.history.search.index_file import remove_index
from chat.server.net.certificates import CERTIFICATE_NAME, KEY_NAME
from chat.server.replication.stored.place import drop_tables
from chat.server.storage.data_directory import held
from chat.server.storage.database import FILE_NAME as DATABASE
from chat.server.storage.database import VERSION, Database, belongs_to_cluster

_DATABASES = (HISTORY, DATABASE)
# The certificate is made of the key, and a key without it is no use.
_KEYS = (KEY_NAME, CERTIFICATE_NAME)
_INCOMPLETE = "incomplete"
_RESTORE = "restore-"


class CannotCopy(Exception):
    """A directory cannot be backed up, or restored. The text is one line for the operator."""


class BackedUp(NamedTuple):
    """Tell what a backup has: its databases and keys by name, their bytes, and the contents that are new in it."""

    sizes: dict[str, int]
    contents: CopiedContents
    kept: int  # contents in the backup


class Restored(NamedTuple):
    """Tell what was restored: the names, the contents, and where the files are that were there before."""

    names: tuple[str, ...]
    contents: CopiedContents
    former: tuple[Path, ...]
    was_in_cluster: bool


# To a backup


def back_up(directory: Path, target: Path) -> BackedUp:
    """Copy the data in ``directory`` into the directory ``target``, which is made if it is missing.

    The server may be running. Raises CannotCopy and HistoryFault.
    """
    with faults(directory):
        names = _files_of(directory)
    if not set(names) & set(_DATABASES):
        raise CannotCopy(f"there are no data of a server in {directory}")
    with faults(target):
        make_private_directory(target)
        _require_backup(target, directory)
        with _alone(target):
            for name in _DATABASES:
                if name not in names and (target / name).exists():
                    raise CannotCopy(
                        f"{directory} has no {name} any more, and the backup in {target} has: "
                        "name another directory, or remove that backup if this is right"
                    )
            return _back_up(directory, target, names)


def _back_up(directory: Path, target: Path, names: list[str]) -> BackedUp:
    new = target / _INCOMPLETE
    shutil.rmtree(new, ignore_errors=True)  # of a backup that was interrupted
    make_private_directory(new)
    try:
        # The accounts first: so the history is not behind the place in the database of a server of a cluster.
        if DATABASE in names:
            copies.copy_database(directory / DATABASE, new / DATABASE, in_turns=False)
        if HISTORY in names:
            copies.backup(directory, new / HISTORY)
        for name in set(names) & set(_KEYS):
            _copy_file(directory / name, new / name)
        # A content is in its place before its message is written. So the history needs none that comes later.
        source, kept = FileDirectory(directory), FileDirectory(target, durable=True)
        contents = ContentCopy(source, kept).run()
        # The history first: accounts may be newer than messages, but not older.
        for name in names:
            (new / name).replace(target / name)
        sync_path(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    _remove_unused(target, source, kept)
    sizes = {name: (target / name).stat().st_size for name in names}
    return BackedUp(sizes, contents, len(kept.sizes()))


def _remove_unused(target: Path, source: FileDirectory, kept: FileDirectory) -> None:
    """Remove contents from a backup that none of its messages uses, and that the server does not have any more."""
    if not (target / HISTORY).exists():
        return
    with closing(Reader(target)) as reader:
        uses = filter(None, map(use_of, reader.attachments()))
        used = {use.digest for use in uses if not use.is_inside}
    for digest in kept.sizes().keys() - used - source.sizes().keys():
        kept.remove(digest)


# From a backup


def restore(directory: Path, source: Path) -> Restored:
    """Let the backup ``source`` be the data in ``directory``, which is made if it is missing; no server may run there.

    The former files stay under other names. Data of a cluster become those of a server alone. Raises CannotCopy,
    HistoryFault, DatabaseFault and DirectoryInUse.
    """
    with faults(source):
        names = _files_of(source)
        if not set(names) & set(_DATABASES):
            raise CannotCopy(f"there is no backup in {source}")
        if source.resolve() == directory.resolve():
            raise CannotCopy(f"{source} is the data directory itself")
    # Before anything is changed.
    if DATABASE in names:
        _require_database(source / DATABASE)
    if HISTORY in names:
        copies.require_history(source / HISTORY)
    with faults(directory):
        make_private_directory(directory)
        with held(directory):
            for former in directory.glob(f"{_RESTORE}*"):
                shutil.rmtree(former)  # of a restore that was interrupted
            with tempfile.TemporaryDirectory(dir=directory, prefix=_RESTORE) as new:
                return _restore(directory, source, names, Path(new))


def _restore(directory: Path, source: Path, names: list[str], new: Path) -> Restored:
    was_in_cluster = False
    if DATABASE in names:
        copies.copy_database(source / DATABASE, new / DATABASE, in_turns=False)
        was_in_cluster = _make_alone(Database(new))
    keys = [name for name in names if name in _KEYS]
    for name in keys:
        _copy_file(source / name, new / name)
    here = FileDirectory(directory, durable=True)
    # What is here may have been damaged.
    copying = ContentCopy(FileDirectory(source), here, has=here.is_whole)
    former: list[Path | None] = []
    try:
        contents = copying.run()
        if HISTORY in names:
            former.append(copies.replace_history(directory, source / HISTORY))
    except BaseException:
        copying.undo()
        raise
    finally:
        _give_contents(directory)
    remove_index(directory)
    changed = [name for name in keys if not _is_same(new / name, directory / name)]
    for name in [*changed, *({DATABASE} & set(names))]:
        give_to_owner_of_directory(new / name, directory)
        former.append(copies.keep_former(directory / name))
        (new / name).replace(directory / name)
    sync_path(directory)
    there = tuple(path for path in former if path is not None)
    return Restored(tuple(names), contents, there, was_in_cluster)


def _make_alone(database: Database) -> bool:
    """Let a database be that of a single server; return whether it was that of a server of a cluster."""
    was_in_cluster = belongs_to_cluster(database)
    with database.writing() as connection:
        drop_tables(connection)
    return was_in_cluster


def _require_database(path: Path) -> None:
    """Raise HistoryFault or CannotCopy unless ``path`` is a whole database of accounts that this version knows."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with faults(path), closing(sqlite3.connect(uri, uri=True)) as connection:
        [version] = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise CannotCopy(f"cannot use {path}: a newer version of this program has written it")
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE name = 'users'"
        ).fetchall()
        if version < 1 or not tables:
            raise CannotCopy(f"cannot use {path}: it does not have the accounts of a server")
        [result] = connection.execute("PRAGMA quick_check(1)").fetchone()
        if result != "ok":
            raise CannotCopy(f"cannot use {path}: {result}")


# Files


def _files_of(directory: Path) -> list[str]:
    """Return the names of databases and keys that are there, the history first. Raises CannotCopy."""
    names = [name for name in (*_DATABASES, *_KEYS) if (directory / name).exists()]
    for name in names:
        if not (directory / name).is_file():
            raise CannotCopy(f"cannot use {directory / name}: it is not a file")
    return names


def _require_backup(target: Path, directory: Path) -> None:
    """Raise CannotCopy unless ``target`` is empty or has an earlier backup."""
    if target.resolve() == directory.resolve():
        raise CannotCopy(f"{target} is the data directory itself")
    known = {*_DATABASES, *_KEYS, FILES, _INCOMPLETE}
    for path in target.iterdir():
        if path.name not in known:
            raise CannotCopy(
                f"{target} has other files, such as {path.name}: name a directory for the backup alone"
            )


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep other backups away from ``target``. Raises CannotCopy."""
    descriptor = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotCopy(f"another backup into {target} is under way") from None
        yield
    finally:
        os.close(descriptor)


def _copy_file(source: Path, target: Path) -> None:
    """Copy a small file, for its owner alone."""
    with open(target, "xb", opener=private_opener) as file:
        file.write(source.read_bytes())
        file.flush()
        os.fsync(file.fileno())


def _is_same(one: Path, other: Path) -> bool:
    with suppress(FileNotFoundError):
        return one.read_bytes() == other.read_bytes()
    return False


def _give_contents(directory: Path) -> None:
    """Give contents that root has put there to the owner of ``directory``."""
    for folder, _, names in os.walk(directory / FILES):
        for path in (Path(folder), *(Path(folder) / name for name in names)):
            give_to_owner_of_directory(path, directory)
