"""Tell why the history file cannot be used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class HistoryFault(Exception):
    """Report that the file cannot be used. The text is one line for the operator, and names the file."""


class DamagedFile(HistoryFault):
    """Report that the file is not a database, or is damaged."""


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
        raise kind(f"cannot use {path}: {text}") from None
    except OSError as problem:
        raise HistoryFault(f"cannot use {path}: {problem.strerror or problem}") from None
