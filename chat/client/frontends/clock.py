"""Show times in the format that the user wants, and in the local time zone.

Like the time zone, the format is one for the whole process.
"""

from __future__ import annotations

from datetime import datetime

from chat.local_time import local_date
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
    return _shown(moment, _format)


def time_of_day(moment: datetime, other: datetime | None = None) -> str:
    """Return ``moment`` without seconds, unless the user has a format of their own.

    The date stands before it if ``other`` is of another day.
    """
    time = _shown(moment, "%H:%M" if _format == USUAL_FORMAT else _format)
    if other is None or local_date(other) == local_date(moment):
        return time
    return f"{local_date(moment)} {time}"


def _shown(moment: datetime, text: str) -> str:
    try:
        return sanitize(moment.astimezone().strftime(text))
    # A server may send any year, and not every system can convert it.
    except (ValueError, OverflowError, OSError):
        return UNKNOWN_TIME


def sample_time() -> str:
    """Return a time in the format, to measure how much room times take."""
    return sanitize(_SAMPLE.strftime(_format))
