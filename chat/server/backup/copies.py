"""Copy a data directory to a directory of the operator, and put such a copy in the place of the data.

A backup has the names of a data directory: ``chat.db``, ``history.db``, ``files``, and the server's own key. A second
backup into the same directory copies only the contents that are new.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from chat.files.private_files import (
    give_to_owner_of_directory,
    make_private_directory,
    private_opener,
)
from chat.files.syncing import sync_path
from chat.server.backup.contents import CopiedContents, copy_contents, remove_others
from chat.server.history import copies
from chat.server.history.faults import faults
from chat.server.history.files.file_directory import NAME as FILES
from chat.server.history.files.file_directory import FileDirectory
from chat.server.history.reader import FILE_NAME as HISTORY
from chat.server.history.search.index_file import remove_index
from chat.server.net.certificates import CERTIFICATE_NAME, KEY_NAME
from chat.server.replication.stored.place import drop_tables
from chat.server.storage.data_directory import held
from chat.server.storage.database import FILE_NAME as DATABASE
from chat.server.storage.database import Database, belongs_to_cluster

# The certificate is made of the key, and a key without it is no use.
_KEYS = (KEY_NAME, CERTIFICATE_NAME)
_NEW = ".new"


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


def back_up(directory: Path, target: Path) -> BackedUp:
    """Copy the data in ``directory`` into the directory ``target``, which is made if it is missing.

    The server may be running. Raises CannotCopy and HistoryFault.
    """
    databases = [name for name in (DATABASE, HISTORY) if (directory / name).exists()]
    if not databases:
        raise CannotCopy(f"there are no data of a server in {directory}")
    with faults(target):
        make_private_directory(target)
        _require_backup(target, directory)
        with _alone(target):
            return _back_up(directory, target, databases)


def _back_up(directory: Path, target: Path, databases: list[str]) -> BackedUp:
    keys = [name for name in _KEYS if (directory / name).exists()]
    names = [*databases, *keys]
    with _made_anew([target / f"{name}{_NEW}" for name in names]):
        contents = _copy(directory, target, databases, keys)
        for name in names:
            (target / f"{name}{_NEW}").replace(target / name)
    sync_path(target)
    kept = FileDirectory(target)
    if HISTORY in databases:
        remove_others(FileDirectory(directory), kept)
    sizes = {name: (target / name).stat().st_size for name in names}
    return BackedUp(sizes, contents, len(kept.sizes()))


def _copy(directory: Path, target: Path, databases: list[str], keys: list[str]) -> CopiedContents:
    # The accounts first: so the history is not behind the place in the database of a server of a cluster.
    if DATABASE in databases:
        copies.copy_database(directory / DATABASE, target / f"{DATABASE}{_NEW}")
    if HISTORY in databases:
        copies.backup(directory, target / f"{HISTORY}{_NEW}")
    for name in keys:
        _copy_file(directory / name, target / f"{name}{_NEW}")
    # A content is in its place before its message is written. So the history needs none that comes later.
    return copy_contents(FileDirectory(directory), FileDirectory(target, durable=True))


def restore(directory: Path, source: Path) -> Restored:
    """Let the backup ``source`` be the data in ``directory``, which is made if it is missing; no server may run there.

    The former files stay under other names. Data of a cluster become those of a server alone. Raises CannotCopy,
    HistoryFault, DatabaseFault and DirectoryInUse.
    """
    databases = [name for name in (DATABASE, HISTORY) if (source / name).is_file()]
    if not databases:
        raise CannotCopy(f"there is no backup in {source}")
    with faults(directory):
        make_private_directory(directory)
        with held(directory), tempfile.TemporaryDirectory(dir=directory, prefix="restore-") as new:
            return _restore(directory, source, databases, Path(new))


def _restore(directory: Path, source: Path, databases: list[str], new: Path) -> Restored:
    was_in_cluster = False
    if DATABASE in databases:
        # Before anything is changed: a copy that cannot be used is found here.
        copies.copy_database(source / DATABASE, new / DATABASE)
        was_in_cluster = _make_alone(Database(new))
    former: list[Path | None] = []
    contents = copy_contents(FileDirectory(source), FileDirectory(directory, durable=True))
    if HISTORY in databases:
        former.append(copies.restore(directory, source / HISTORY))
        remove_index(directory)
    keys = [name for name in _KEYS if (source / name).is_file()]
    for name in keys:
        _copy_file(source / name, new / name)
    changed = [name for name in keys if not _is_same(new / name, directory / name)]
    if DATABASE in databases:
        changed.append(DATABASE)
    for name in changed:
        give_to_owner_of_directory(new / name, directory)
        former.append(copies.keep_former(directory / name))
        (new / name).replace(directory / name)
    sync_path(directory)
    _give_contents(directory)
    there = tuple(path for path in former if path is not None)
    return Restored((*databases, *keys), contents, there, was_in_cluster)


def _make_alone(database: Database) -> bool:
    """Let a database be that of a single server; return whether it was that of a server of a cluster."""
    was_in_cluster = belongs_to_cluster(database)
    with database.writing() as connection:
        drop_tables(connection)
    return was_in_cluster


def _require_backup(target: Path, directory: Path) -> None:
    """Raise CannotCopy unless ``target`` is empty or has an earlier backup."""
    if target.resolve() == directory.resolve():
        raise CannotCopy(f"{target} is the data directory itself")
    known = {DATABASE, HISTORY, FILES, *_KEYS}
    for path in target.iterdir():
        if path.name.removesuffix(_NEW) not in known:
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


@contextmanager
def _made_anew(paths: list[Path]) -> Iterator[None]:
    """Let a block make files that an interrupted backup may have left; remove them if the block fails."""
    for path in paths:
        path.unlink(missing_ok=True)
    try:
        yield
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise


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
