"""Places in the logs of a server: how far a client has seen each room and its private messages."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import NamedTuple, NewType

LogKey = NewType("LogKey", str)
ROOM = LogKey("lobby")  # the messages of the default room
MAILBOX = LogKey("private")  # the user's private messages
# Before the name of another room in the key of its log.
ROOM_PREFIX = "room:"
_MAX_CACHED = 256  # characters of a name: the cache must not hold thousands of names of 64 KiB each


class LogPlace(NamedTuple):
    """Name a message of a log: its number under an ``epoch``, and its timestamp (RFC 3339) as the server wrote it.

    ``time`` is None if no message is known that has the number.
    """

    epoch: str
    seq: int
    time: str | None = None


def log_of(to: str | None, room: str | None = None) -> LogKey:
    """Return the log of a message to the user ``to``, else to everyone in ``room`` (None: the default room)."""
    return MAILBOX if to is not None else room_log(room)


def room_log(name: str | None) -> LogKey:
    """Return the log of the room with this name, in any of its spellings; None: the default room."""
    if name is None:
        return ROOM
    return _cached_log(name) if len(name) <= _MAX_CACHED else _log(name)


def is_default_room(name: str, default_name: str) -> bool:
    """Return whether ``name`` means the default room: by the name that the server shows, or by that of its log."""
    return room_log(name) in (room_log(default_name), room_log(ROOM))


def _log(name: str) -> LogKey:
    # As the server compares names (RFC 8265): not by full case folding, which takes straße and strasse for one room.
    lower = unicodedata.normalize("NFKC", name).lower()
    return LogKey(f"{ROOM_PREFIX}{unicodedata.normalize('NFC', lower)}")


_cached_log = lru_cache(maxsize=1024)(_log)
