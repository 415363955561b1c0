"""Make a copy of the data for another server, without a trace of it on the disk."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from chat.server.peers.links.answering import CopyPart

log = logging.getLogger("chat.server")

# The files of a copy, in the order in which they are sent.
COPY_FILES = ("chat.db", "history.db")
# The beginning of the names of temporary directories: copies that leave, and copies that arrive.
_OUTGOING, _INCOMING = "peer-outgoing-", "peer-incoming-"
_KEY = "peer-key-"


def open_copy(directory: Path, make_copy: Callable[[Path], None]) -> list[CopyPart]:
    """Let ``make_copy`` put the files into a new directory in ``directory``; return them, open and without names.

    Called in a thread of its own. Waits for ``make_copy``. Raises OSError, and what ``make_copy`` raises.
    """
    temporary = Path(tempfile.mkdtemp(dir=directory, prefix=_OUTGOING))
    parts: list[CopyPart] = []
    try:
        make_copy(temporary)
        for name in COPY_FILES:
            descriptor = os.open(temporary / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            parts.append(CopyPart(name, descriptor))
    except BaseException:
        for part in parts:
            os.close(part.descriptor)
        raise
    finally:
        # From here on, the space is free as soon as nobody has the files open, whatever ends before.
        shutil.rmtree(temporary)
    return parts


def make_incoming(directory: Path) -> Path:
    """Make a directory in ``directory`` for a copy that arrives. Raises OSError."""
    return Path(tempfile.mkdtemp(dir=directory, prefix=_INCOMING))


def remove_leftovers(directory: Path) -> None:
    """Remove what earlier runs, which were killed, have left in ``directory``."""
    for prefix in (_OUTGOING, _INCOMING, _KEY):
        for path in directory.glob(f"{prefix}*"):
            shutil.rmtree(path, ignore_errors=True)
            if path.exists():
                log.warning("cannot remove %s, which an earlier run has left", path)
