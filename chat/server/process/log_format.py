"""Format log lines: with the time for people, or with the priority for the journal of systemd."""

from __future__ import annotations

import logging
import os
import time

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


class TimedFormatter(logging.Formatter):
    """Format a record as ``2026-11-24 14:35:00,123 +0100 INFO message``: local time with its zone."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging calls it so
        """Return the time of the record. The zone tells what other times to compare the line with."""
        moment = time.localtime(record.created)
        return f"{time.strftime('%Y-%m-%d %H:%M:%S', moment)},{int(record.msecs):03} {time.strftime('%z', moment)}"


def formatter_for(descriptor: int) -> logging.Formatter:
    """Return the format for a log that goes to ``descriptor``: for the journal of systemd, or for people."""
    if _is_journal(descriptor):
        return JournalFormatter()
    return TimedFormatter()


def _is_journal(descriptor: int) -> bool:
    """Return whether ``descriptor`` is the journal: a variable names its device and inode (systemd.exec(5))."""
    try:
        status = os.fstat(descriptor)
    except OSError:  # closed
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
