"""Files and directories that nobody but their owner can read, from the moment they are made, whatever the umask is."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def make_private_directory(path: Path) -> None:
    """Make ``path`` and those of its parents that are missing. One that is there keeps its mode. Raises OSError."""
    if path.is_dir():
        return
    if path.parent != path:
        make_private_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(DIRECTORY_MODE)
    # Another process may have been faster; a file is no directory.
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(path))


def private_opener(path: str, flags: int) -> int:
    """Open a file for ``open(opener=)``; one that has to be made is made for its owner alone."""
    return os.open(path, flags, FILE_MODE)


def tighten(path: Path) -> bool:
    """Take a secret of ours from everyone but its owner if everyone can read it; return whether that was so.

    A mode that lets in a group alone is an operator's choice, and stays. Raises OSError.
    """
    # By its name: to close a descriptor of a database would take SQLite's locks from this process.
    status = path.stat()
    is_exposed = bool(status.st_mode & stat.S_IRWXO) and status.st_uid == os.geteuid()
    if is_exposed:
        path.chmod(FILE_MODE)
    return is_exposed
