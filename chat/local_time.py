"""Show times in the local time zone, and write them in UTC, in both programs."""

from __future__ import annotations

from datetime import datetime, timezone


def local_time(timestamp: str) -> datetime:
    """Return a timestamp of the server (RFC 3339, ending in ``Z``) in the local time zone."""
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).astimezone()


def utc_timestamp(moment: datetime, timespec: str = "seconds") -> str:
    """Return ``moment`` in RFC 3339, in UTC, ending in ``Z``. ``timespec`` is that of ``datetime.isoformat``."""
    return moment.astimezone(timezone.utc).isoformat(timespec=timespec).replace("+00:00", "Z")


def exact_timestamp(moment: datetime) -> str:
    """Return ``moment`` as our server writes it, with microseconds, so that the two can be compared."""
    return utc_timestamp(moment, "microseconds")


def with_zone(moment: datetime) -> str:
    """Return a local time as ``2026-11-24 10:30:00 CET``."""
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def clock_time(moment: datetime) -> str:
    """Return ``HH:MM:SS`` in the local time zone, or ``--:--:--`` for a time that the system can't convert."""
    try:
        return moment.astimezone().strftime("%H:%M:%S")
    # A server may send any year, and not every system can convert it.
    except (ValueError, OverflowError, OSError):
        return "--:--:--"


def local_date(moment: datetime) -> str:
    """Return ``YYYY-MM-DD`` in the local time zone, or dashes for a time that the system can't convert."""
    try:
        return moment.astimezone().date().isoformat()
    except (ValueError, OverflowError, OSError):
        return "----------"
