"""Remove the contents of messages for good: on the disk, and in the memory of the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from chat.server.history.faults import HistoryFault
from chat.server.history.stored import DEFAULT_ROOM
from chat.server.history.upkeep import erase_traces, purge_before, purge_message, purge_sender
from chat.server.history.writer import Writer


class Purge(NamedTuple):
    """Say which messages are purged: those ``before`` a timestamp, those of a ``user``, or the one with ``number``.

    Exactly one of them is given.
    """

    before: str | None = None
    user: str | None = None
    number: int | None = None


def read_purge(fields: Mapping[str, Any]) -> Purge:
    """Read what a command names. Raises HistoryFault unless it names one thing, in the right form."""
    wanted = Purge(fields.get("before"), fields.get("user"), fields.get("number"))
    kinds = (str, str, int)
    given = [(value, kind) for value, kind in zip(wanted, kinds, strict=True) if value is not None]
    if len(given) != 1 or not isinstance(*given[0]):
        raise HistoryFault("a purge names a time, a user or a number")
    return wanted


def purge(writer: Writer, wanted: Purge) -> int:
    """Remove the contents of the messages that ``wanted`` names; return how many there were. Raises HistoryFault."""
    if wanted.number is not None:
        count = int(purge_message(writer, DEFAULT_ROOM, wanted.number))
    elif wanted.user is not None:
        count = purge_sender(writer, wanted.user)
    else:
        count = sum(purge_before(writer, log, wanted.before or "") for log in writer.states())
    erase_traces(writer)
    return count
