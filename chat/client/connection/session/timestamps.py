"""Read the times that a server writes. No I/O."""

from __future__ import annotations

from datetime import datetime, timezone

from chat.protocol.errors import HeaderError

_OUR_LENGTH = len("2026-01-01T00:00:00.000000Z")  # of the timestamps that our server writes


def read_timestamp(text: str) -> datetime:
    """Parse a time of RFC 3339 with any number of digits after the point; return it in UTC. Raises HeaderError."""
    try:
        if len(text) == _OUR_LENGTH and text[-1] == "Z" and text[17:19] != "60":
            return datetime.fromisoformat(f"{text[:-1]}+00:00")
        return _read_foreign_timestamp(text)
    except (ValueError, OverflowError):
        raise HeaderError("The server sent an invalid time.") from None


def _read_foreign_timestamp(text: str) -> datetime:
    """Parse a time that not every version of Python reads by itself. Raises ValueError, OverflowError."""
    day, _, rest = text.partition("T")
    clock, fraction = rest[:8], ""
    zone = rest[8:]
    if zone.startswith("."):
        digits = len(zone[1:]) - len(zone[1:].lstrip("0123456789"))
        fraction, zone = zone[1 : digits + 1], zone[digits + 1 :]
    if clock.endswith(":60"):  # a leap second, which datetime does not know
        clock = f"{clock[:-2]}59"
    microseconds = fraction[:6].ljust(6, "0")
    moment = datetime.fromisoformat(
        f"{day}T{clock}.{microseconds}{'+00:00' if zone == 'Z' else zone}"
    )
    return moment.astimezone(timezone.utc)
