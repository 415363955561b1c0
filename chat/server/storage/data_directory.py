"""Find and check the directory in which a server keeps its accounts, bans and own certificate."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chat.config.command_line import UsageError
from chat.config.options import read_path
from chat.files.home import NoHome, data_directory
from chat.files.private_files import FILE_MODE, give_to_owner_of_directory

_NAME = "chat-server"
_LOCK_NAME = "server.lock"
_EXPECTED = "a directory to keep accounts, bans and the server's certificate in"


def default_data_directory() -> Path:
    """Return the directory that systemd made for the service (``StateDirectory=``), or else one for the user's data.

    Raises UsageError if the user has no home directory.
    """
    # The directories of a unit are separated by colons; see systemd.exec(5).
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    try:
        return data_directory(_NAME)
    except NoHome as problem:
        sentence = f"--data-directory is missing: {problem.strerror}; expected {_EXPECTED}"
        raise UsageError(sentence) from None


def read_data_directory(text: str, where: str) -> Path:
    """Return the path of a directory that the server can write to or create. Raises UsageError."""
    path = read_path(text, where, _EXPECTED)
    # Parents may be missing too: the nearest path that exists decides whether the directory can be created.
    nearest = path
    while not os.path.lexists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UsageError(f"{where}={text}: {nearest} is not a directory; expected {_EXPECTED}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(
            f"{where}={text}: no permission to write in {nearest}; expected {_EXPECTED}"
        )
    return path


class DirectoryInUse(Exception):
    """Another server uses the data directory. The text is one line for the operator."""


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold the data directory for this process, so that no two servers use it at the same time.

    The system gives up the lock when the process ends, however it ends. The file stays, with the number of the process.
    Raises DirectoryInUse, OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(directory / _LOCK_NAME, flags, FILE_MODE)
    try:
        give_to_owner_of_directory(directory / _LOCK_NAME, directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip()
            process = f" (process {holder})" if holder.isdigit() else ""
            raise DirectoryInUse(
                f"another server{process} uses {directory}; stop it, or choose another --data-directory"
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)
