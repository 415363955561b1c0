"""Write sizes for people, in the same words in both programs."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def byte_count(size: int) -> str:
    """Format a size with powers of 1024: ``999 bytes``, ``1.5 KiB``, ``10 MiB``; ``64 KiB`` and ``1 GiB`` are exact."""
    if size < 1024:
        return f"{size} byte" if size == 1 else f"{size} bytes"
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
