"""Create files and directories that only their owner can read, from the first moment and with any umask."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def make_private_directory(path: Path) -> None:
    """Create ``path`` and its missing parents. A directory that exists keeps its mode. Raises OSError."""
    if path.is_dir():
        return
    if path.parent != path:
        make_private_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(DIRECTORY_MODE)
    # Another process may have created it meanwhile, and not as a directory.
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(path))


def private_opener(path: str, flags: int) -> int:
    """Open a file for ``open(opener=)``; a new file is created for its owner alone."""
    return os.open(path, flags, FILE_MODE)


def restrict_mode(path: Path) -> bool:
    """Set the mode of our secret file to 0600 if everyone could use it; return whether that was so.

    A mode that gives access to a group only is the operator's choice, and stays. Raises OSError.
    """
    # By name, not by descriptor: closing a descriptor of the database would drop this process's SQLite locks.
    status = path.stat()
    is_exposed = bool(status.st_mode & stat.S_IRWXO) and status.st_uid == os.geteuid()
    if is_exposed:
        path.chmod(FILE_MODE)
    return is_exposed


def give_to_owner_of_directory(path: Path, directory: Path) -> None:
    """Give a new file of root to the owner of ``directory``, if that is another user. Raises OSError.

    An operator may run a command as root. The server runs as the owner of its directory, and must be able to open the
    file.
    """
    if os.geteuid() == 0:
        owner = directory.stat()
        if owner.st_uid and not path.lstat().st_uid:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
