"""Create the socket file of a server, and connect to it, whatever the length of its path.

The address of a unix socket has room for about a hundred bytes. For a longer path, the directory is opened, and the
socket is named below ``/proc/self/fd``.
"""

from __future__ import annotations

import errno
import os
import socket as plain_socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from chat.files.private_files import FILE_MODE
from chat.server.net.listening import listen_on_file

if TYPE_CHECKING:
    from gevent.socket import socket as GeventSocket  # noqa: N812

NAME = "control.sock"
# Bytes. An address has 108 bytes for the path on Linux and 104 on other systems, with the NUL at the end.
_MAX_PATH = 103
_BACKLOG = 16
_DESCRIPTORS = Path("/proc/self/fd")


def listen_in(directory: Path) -> GeventSocket:
    """Return a listening socket in ``directory``, which only its owner (and root) can connect to.

    The caller holds the lock of the directory, so a socket file that exists was left by a server that has ended: it is
    replaced. Raises OSError.
    """
    with _short_path(directory) as path:
        _remove_stale(path)
        return listen_on_file(path, FILE_MODE, _BACKLOG)


def connect_to(directory: Path, timeout: float) -> plain_socket.socket:
    """Return a blocking connection to the server of ``directory``; ``timeout`` in seconds. Raises OSError."""
    sock = plain_socket.socket(plain_socket.AF_UNIX, plain_socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        with _short_path(directory) as path:
            sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def remove_from(directory: Path) -> None:
    """Remove the socket file, when the server stops."""
    (directory / NAME).unlink(missing_ok=True)


@contextmanager
def _short_path(directory: Path) -> Iterator[str]:
    """Yield a path of the socket file that fits into an address. Raises OSError."""
    path = str(directory / NAME)
    if len(os.fsencode(path)) <= _MAX_PATH:
        yield path
        return
    if not _DESCRIPTORS.is_dir():
        raise OSError(errno.ENAMETOOLONG, "the path is too long for a unix socket", path)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield str(_DESCRIPTORS / str(descriptor) / NAME)
    finally:
        os.close(descriptor)


def _remove_stale(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "a file that is no socket has this name", path)
    Path(path).unlink()
