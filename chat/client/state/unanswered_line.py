"""A line that the server has not answered, as it is kept over restarts of the client."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

from chat.client.state.places import LogKey, LogPlace, log_of

# What proves to the server that a line is ours: the user's account, or the device. "nothing": nothing does.
Author: TypeAlias = Literal["account", "device", "nothing"]
AUTHORS: tuple[Author, ...] = ("account", "device", "nothing")


class FirstSending(NamedTuple):
    """Tell where the log of a message was before the message was sent for the first time, and as whose message.

    ``place`` is None if the server kept no messages then.
    """

    place: LogPlace | None
    author: Author


class UnansweredLine(NamedTuple):
    """Hold a text that the server has not answered.

    ``to`` is None for a text to everyone in ``room``, the name of a room; None: the default room.

    ``sent_at`` is when the user sent it, in UTC; ``first`` is None until the client has handed it to a connection.
    ``is_perhaps``: nobody can find out whether the line was said, so only the user can say it again.
    """

    nonce: str
    text: str
    to: str | None
    sent_at: datetime
    first: FirstSending | None = None
    is_perhaps: bool = False
    room: str | None = None

    @property
    def log(self) -> LogKey:
        """The log that the line belongs to."""
        return log_of(self.to, self.room)

    @property
    def place(self) -> LogPlace | None:
        """The place of the log before the line was first sent; None if it is not known."""
        return None if self.first is None else self.first.place
