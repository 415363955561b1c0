"""Tell why the history file cannot be used."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class HistoryFault(Exception):
    """Report that the file cannot be used. The text is one line for the operator, and names the file."""


class DamagedFile(HistoryFault):
    """Report that the file is not a database, or is damaged."""


class UnsyncedCommit(HistoryFault):
    """Report that a commit was written, and the disk has failed to sync it.

    The transaction did not happen, but it would after a crash: SQLite finds it in the write-ahead log as complete,
    until something else is written there.
    """


# Extended result codes of SQLite (https://sqlite.org/rescode.html): SQLITE_IOERR_FSYNC and SQLITE_IOERR_DIR_FSYNC.
_SYNC_FAILED = (1034, 1290)


def refuse_newer(path: Path, version: int, known: int) -> None:
    """Raise HistoryFault for a file of a later ``version`` than the one that is ``known``."""
    if version > known:
        raise HistoryFault(
            f"cannot use {path}: a newer version of this program has written it; use that version"
        )


def is_unsynced(problem: sqlite3.Error) -> bool:
    """Return whether a failed commit was perhaps written as a whole."""
    # Python 3.10 does not tell the code.
    code = getattr(problem, "sqlite_errorcode", None)
    return "disk I/O error" in str(problem) if code is None else code in _SYNC_FAILED


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the system into HistoryFault."""
    try:
        yield
    except sqlite3.Error as problem:
        text = str(problem)
        kind = HistoryFault
        if type(problem) is sqlite3.DatabaseError and (
            "malformed" in text or "not a database" in text
        ):
            kind = DamagedFile
        # SQLite does not tell the reason. The file is not opened here: closing it would give up locks of this process.
        if "unable to open" in text and path.exists() and not _is_readable(path):
            text = "permission denied; run this as the user that the server runs as, or as root"
        raise kind(f"cannot use {path}: {text}") from None
    except OSError as problem:
        raise HistoryFault(f"cannot use {path}: {problem.strerror or problem}") from None


def _is_readable(path: Path) -> bool:
    return os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)
