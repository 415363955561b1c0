"""Places in the logs of a server: how far a client has seen the room and its private messages."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

LogKey: TypeAlias = Literal["lobby", "private"]
ROOM: LogKey = "lobby"  # the messages to everyone, by the name that the welcome gives the room
MAILBOX: LogKey = "private"  # the user's private messages


class LogPlace(NamedTuple):
    """Name a message of a log: its number under an ``epoch``, and its timestamp (RFC 3339) as the server wrote it.

    ``time`` is None if no message is known that has the number.
    """

    epoch: str
    seq: int
    time: str | None = None
