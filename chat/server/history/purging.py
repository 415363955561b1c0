"""Remove the contents of messages for good: on the disk, and in the memory of the server."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from chat.protocol.names import name_key
from chat.server.history.faults import HistoryFault
from chat.server.history.pages import NO_END
from chat.server.history.stored import DEFAULT_ROOM, LogName
from chat.server.history.upkeep import Choice, purge_some
from chat.server.history.writer import Writer

# How often to try to empty the write-ahead log, while others read the file, and seconds between two tries.
_TRIES, _BETWEEN_TRIES = 50, 0.1

_FOR_EVER = "9999"  # comes after all timestamps

# Calls a function with the writer and further arguments.
Call = Callable[..., Any]
# Is told which messages of a log were purged, by their numbers.
OnPurged = Callable[[LogName, list[int]], object]


class Purge(NamedTuple):
    """Say which messages are purged: those ``before`` a timestamp, those of a ``user``, or the one with ``number``.

    Exactly one of them is given. A ``number`` is that of a message in ``log``. ``until`` is the timestamp of the last
    message that may be purged; None: all may.
    """

    before: str | None = None
    user: str | None = None
    number: int | None = None
    log: LogName = DEFAULT_ROOM
    until: str | None = None


def read_purge(fields: Mapping[str, Any]) -> Purge:
    """Read what a command names. Raises HistoryFault unless it names one thing, in the right form."""
    wanted = Purge(fields.get("before"), fields.get("user"), fields.get("number"))
    kinds = (str, str, int)
    given = [
        (value, kind) for value, kind in zip(wanted[:3], kinds, strict=True) if value is not None
    ]
    if len(given) != 1 or not isinstance(*given[0]):
        raise HistoryFault("a purge names a time, a user or a number")
    return wanted


def ignore_purged(log: LogName, numbers: list[int]) -> None:
    """Do nothing: nobody wants to know what was purged."""


def purge(
    call: Call,
    wanted: Purge,
    pause: Callable[[float], object] = time.sleep,
    on_purged: OnPurged = ignore_purged,
) -> int:
    """Remove the contents of the messages that ``wanted`` names; return how many there were.

    In many calls, each of which holds up what is said for a moment only. ``pause`` waits so many seconds. Raises
    HistoryFault.
    """
    logs = [wanted.log] if wanted.number is not None else call(Writer.states)
    numbers = range(NO_END)
    if wanted.number is not None:
        numbers = range(wanted.number, wanted.number + 1)
    choice = _choice(wanted)
    count = 0
    for log in logs:
        place: int | None = 0
        while place is not None:
            found, place = call(purge_some, log, choice, numbers, place)
            count += len(found)
            if found:
                on_purged(log, found)
    erase_traces(call, pause)
    return count


def _choice(wanted: Purge) -> Choice:
    before, until = wanted.before, wanted.until or _FOR_EVER
    if wanted.user is not None:
        key = name_key(wanted.user)
        return lambda run: run.timestamp <= until and name_key(run.sender) == key
    if before is not None:
        return lambda run: run.timestamp < before and run.timestamp <= until
    return lambda run: True


def erase_traces(call: Call, pause: Callable[[float], object] = time.sleep) -> None:
    """Overwrite what is left of purged messages outside the tables: in the write-ahead log. Raises HistoryFault."""
    for _ in range(_TRIES):
        if call(Writer.checkpoint):
            return
        pause(_BETWEEN_TRIES)
    raise HistoryFault(
        "the history is being read for too long; purge again to remove the last traces"
    )
