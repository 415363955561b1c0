"""The events of coming back, beside those of a connection.

The messages of one log come in the order of their numbers, each once. ``log`` is ``MAILBOX``, ``ROOM`` for the default
room, or the log of another ``room``, which is named as the server writes it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from chat.client.connection.events import Attachment, Event, Text
from chat.client.state.places import ROOM, LogKey
from chat.client.state.unanswered_line import UnansweredLine
from chat.structs import Struct

Message: TypeAlias = Text | Attachment
# lost: by a crash of the server. expired: older than what the server keeps. skipped: too many were missed.
# unavailable: the server can't read its history now.
MissingReason: TypeAlias = Literal["lost", "expired", "skipped", "unavailable"]


class CatchUpBegan(Struct):
    """At most ``expected`` earlier messages follow, up to ``CatchUpEnded``; live messages of this log wait.

    ``since`` is the time of the last message that was seen. None: they were said before the user came, or
    nobody knows whether the user has seen it.
    """

    log: LogKey
    expected: int
    since: datetime | None = None
    room: str | None = None


class CatchUpEnded(Struct):
    """The earlier messages that ``CatchUpBegan`` announced are over: so many were ``shown``.

    ``complete`` is False if some are missing, although the server may still have them.
    """

    log: LogKey
    shown: int
    complete: bool = True
    room: str | None = None


class MissingMessages(Struct):
    """The messages with the numbers ``first`` to ``last`` can't be shown, for this ``reason``."""

    log: LogKey
    first: int
    last: int
    reason: MissingReason
    room: str | None = None


class Renumbered(Struct):
    """The server began to count the messages anew, or lost some, so nobody can tell which were seen already."""

    log: LogKey = ROOM
    room: str | None = None


class LineRestored(Struct):
    """An earlier run of the client left this line without an answer. Its outcome follows, under ``tag``."""

    line: UnansweredLine
    tag: str | int | None = None


class PerhapsSaid(Struct):
    """Nobody can find out whether this line was said; only the user can say it again. ``reason`` is a sentence.

    ``tag`` is the mark of the request that said the line.
    """

    line: UnansweredLine
    reason: str
    tag: str | int | None = None


class LineFound(Struct):
    """A line that was perhaps said has turned up: it was said."""

    line: UnansweredLine
    tag: str | int | None = None


class Disconnected(Struct):
    """The connection was lost, or a reconnect failed. The next attempt follows in ``retry_in`` seconds.

    None: the next attempt waits until the user asks for it, on the screen. ``elsewhere``: it is made at other servers
    of the same chat.
    """

    reason: str
    retry_in: float | None
    elsewhere: bool = False


CatchUpEvent: TypeAlias = CatchUpBegan | CatchUpEnded | MissingMessages | Renumbered
LineEvent: TypeAlias = LineRestored | PerhapsSaid | LineFound
ResumedEvent: TypeAlias = Event | CatchUpEvent | LineEvent
RoomEvent: TypeAlias = ResumedEvent | Disconnected
