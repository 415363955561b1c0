"""Write sizes, numbers of things and spans of time for people, in the same words in both programs."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB")
_SPANS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def byte_count(size: int) -> str:
    """Format a size with powers of 1024: ``999 bytes``, ``1.5 KiB``, ``10 MiB``; ``64 KiB`` and ``1 GiB`` are exact."""
    if size < 1024:
        return counted(size, "byte")
    power = 0
    amount = float(size)
    while amount >= 1023.5 and power < len(_UNITS):
        amount /= 1024
        power += 1
    digits = 1 if amount < 9.95 and size % 1024**power else 0
    return f"{amount:.{digits}f} {_UNITS[power - 1]}"


def over_limit(size: int, limit: int) -> str:
    """Return ``it has 3.1 GiB, and the limit is 1 GiB``, for a sentence about a size over its limit."""
    has, most = byte_count(size), byte_count(limit)
    # A size a little over the limit must not read as if it were within.
    if has.replace(".0 ", " ") == most.replace(".0 ", " "):
        return f"it has {byte_count(size - limit)} more than the limit of {most}"
    return f"it has {has}, and the limit is {most}"


def counted(number: int, what: str) -> str:
    """Return ``1 message`` or ``2 messages``: a number, and ``what`` there is."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def time_span(seconds: float) -> str:
    """Return a time of at least a second in the largest unit that it has a whole number of, such as ``36 hours``."""
    whole = max(1, round(seconds))
    size, unit = next((size, unit) for size, unit in _SPANS if not whole % size)
    return counted(whole // size, unit)
