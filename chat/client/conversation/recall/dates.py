"""Read dates as a user types them, in the local time zone."""

from __future__ import annotations

import re
from datetime import datetime

from chat.client.conversation.requests import RequestError

_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T]+(\d{1,2}):(\d{2}))?", re.ASCII)
EXPECTED_DATE = "a date such as 2026-11-20"


def parse_date(text: str) -> datetime:
    """Return the moment when the day ``text`` began, or the minute if it has a time. Raises RequestError.

    >>> parse_date("2026-11-20").isoformat()[:16]
    '2026-11-20T00:00'
    """
    match = _DATE.fullmatch(text)
    if match is None:
        raise RequestError(f"Invalid date {text!r}: expected {EXPECTED_DATE}, or 2026-11-20 14:30.")
    numbers = [int(number or 0) for number in match.groups()]
    try:
        return datetime(*numbers).astimezone()  # type: ignore[arg-type]
    # No such day, or a year that the system can't convert.
    except (ValueError, OverflowError, OSError):
        raise RequestError(f"There is no {text}: expected {EXPECTED_DATE}.") from None
