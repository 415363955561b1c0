"""How a line of the log looks: with its time for people, with its priority for the journal of systemd."""

from __future__ import annotations

import logging
import os

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


def formatter_for(descriptor: int) -> logging.Formatter:
    """Return the format for a log that goes to ``descriptor``: for the journal of systemd, or for people."""
    if _is_journal(descriptor):
        return JournalFormatter()
    return logging.Formatter("%(asctime)s %(levelname)s %(message)s")


def _is_journal(descriptor: int) -> bool:
    """Return whether ``descriptor`` is the journal: a variable names its device and inode (systemd.exec(5))."""
    try:
        status = os.fstat(descriptor)
    except OSError:  # closed
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
