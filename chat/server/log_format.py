"""How a line of the log looks: with its time for people, with its priority for the journal of systemd."""

from __future__ import annotations

import logging
import os
from typing import TextIO

# RFC 5424, section 6.2.1, as sd-daemon(3) wants them before a line.
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_DEBUG = 7


class JournalFormatter(logging.Formatter):
    """``<4>what happened``: the journal has its own clock, and keeps lines of each priority apart."""

    def format(self, record: logging.LogRecord) -> str:
        levels = (priority for level, priority in _PRIORITIES if record.levelno >= level)
        prefix = f"<{next(levels, _DEBUG)}>"
        return "\n".join(prefix + line for line in super().format(record).split("\n"))


def log_to(stream: TextIO, level: str) -> None:
    """Log what is as important as ``level`` to ``stream``."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        JournalFormatter()
        if _is_journal(stream)
        else logging.Formatter("%(asctime)s %(levelname)s %(message)s")
    )
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())


def _is_journal(stream: TextIO) -> bool:
    """Whether ``stream`` is what systemd.exec(5) says of it: a variable names the socket, by device and inode."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file at all
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
