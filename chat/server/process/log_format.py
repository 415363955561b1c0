"""Format log lines: with the time for people, or with the priority for the journal of systemd."""

from __future__ import annotations

import logging
import os

# Severities of RFC 5424, section 6.2.1, which sd-daemon(3) reads at the beginning of a line.
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_DEBUG = 7


class JournalFormatter(logging.Formatter):
    """Format a record as ``<4>message``. The journal adds the time itself, and can filter by priority."""

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
