"""Open files that a user named, without waiting for a FIFO or a device.

Opening a FIFO waits until another program opens its other end. A device may wait too, or never end. While a program
waits there, it shows nothing and reacts to no signal.
"""

from __future__ import annotations

import os
import select
import stat
import time
from pathlib import Path
from typing import TextIO

# Seconds in all to read a file that is not regular, such as a shell's ``<(command)``.
PATIENCE = 30.0
_PIECE = 64 * 1024
# Seconds of one wait. A signal that comes just before select() does not end it: its handler runs when select() returns.
_WAIT = 0.1


class NotAFile(OSError):
    """Report a FIFO, a terminal or a socket where a regular file is expected; ``strerror`` says so."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(0, "it is a FIFO, a terminal or a socket, not a file", os.fspath(path))


def read_beginning(
    path: str | Path, size: int, *, until: bytes | None = None, patience: float = PATIENCE
) -> tuple[bytes, int]:
    """Read at most ``size`` bytes from the beginning of ``path``; return them and its mode (``st_mode``).

    With ``until``, reading stops once these bytes have come. A FIFO is read as well, because a shell passes one for
    ``<(command)``, but the call waits at most ``patience`` seconds in all. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        deadline = time.monotonic() + patience
        data = b""
        # A FIFO without a writer looks like an empty file, but a writer may still open it.
        has_begun = not stat.S_ISFIFO(mode)
        while len(data) < size and (until is None or until not in data):
            try:
                piece = os.read(descriptor, min(_PIECE, size - len(data)))
            except BlockingIOError:
                piece, has_begun = b"", False
            if piece:
                data += piece
            elif has_begun:
                break
            else:
                left = deadline - time.monotonic()
                has_begun = bool(select.select([descriptor], [], [], max(0.0, min(left, _WAIT)))[0])
                if not has_begun and left <= _WAIT:
                    raise TimeoutError(0, f"nothing came from it within {patience:g} s")
        return data, mode
    finally:
        os.close(descriptor)


def open_to_append(path: Path, mode: int = 0o666) -> TextIO:
    """Open a text file in UTF-8 for appending, and create it with ``mode`` if it is missing.

    Raises OSError, and NotAFile for a FIFO, a terminal or a socket.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, mode)
    except OSError:
        # Opening a FIFO without a reader fails, and the system's error does not mention the FIFO.
        if path.exists() and not path.is_file() and not path.is_dir():
            raise NotAFile(path) from None
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        # Devices such as /dev/null take everything at once; a stopped terminal makes a writer wait.
        if os.isatty(descriptor) or not (stat.S_ISREG(mode) or stat.S_ISCHR(mode)):
            raise NotAFile(path)
        os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return open(descriptor, "a", encoding="utf-8", errors="replace")
