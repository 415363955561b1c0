"""Show times in the format that the user wants, and in the local time zone.

Like the time zone, the format is one for the whole process.
"""

from __future__ import annotations

from datetime import datetime

from chat.sanitize import sanitize

USUAL_FORMAT = "%H:%M:%S"
UNKNOWN_TIME = "--:--:--"
# An afternoon of a day and a month with two digits: as wide as the time of most messages.
_SAMPLE = datetime(2026, 11, 25, 22, 34, 56)  # noqa: DTZ001

_format = USUAL_FORMAT


def use_time_format(text: str) -> None:
    """Show times by ``text``, a format of strftime, from now on."""
    global _format
    _format = text


def shown_time(moment: datetime) -> str:
    """Return ``moment`` in the local time zone, or ``--:--:--`` for a time that the system can't convert."""
    try:
        return sanitize(moment.astimezone().strftime(_format))
    # A server may send any year, and not every system can convert it.
    except (ValueError, OverflowError, OSError):
        return UNKNOWN_TIME


def sample_time() -> str:
    """Return a time in the format, to measure how much room times take."""
    return sanitize(_SAMPLE.strftime(_format))
