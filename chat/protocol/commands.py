"""What a client asks its server to do: a Utf8 frame without content, whose JSON header has a key ``command``.

The answer is a notice: ``done``, or why it did not come about. A server that does not know commands sees a text
without content and refuses that.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Verb(str, Enum):
    """Values of the header key ``command``."""

    REGISTER = "register"  # password: the own name becomes an account
    PASSWD = "passwd"  # password, new_password
    KICK = "kick"  # target: a name; reason
    BAN = "ban"  # target: a name or an address; seconds, for ever without; reason
    UNBAN = "unban"  # target
    BANS = "bans"
    MUTE = "mute"  # target: a name; seconds, for ever without
    UNMUTE = "unmute"  # target
    PING = "ping"  # only to be answered


class Command(NamedTuple):
    """``verb`` is a value of :class:`Verb`, or another if the client is newer than the server.

    The rest are header keys of the same names: ``seconds`` from 0 on, the passwords as they were typed.
    """

    verb: str
    target: str | None = None
    seconds: int | None = None
    reason: str | None = None
    password: str | None = None
    new_password: str | None = None

    def __repr__(self) -> str:
        """Without what must not stand in a log."""
        return f"<Command {self.verb!r} {self.target!r}>"
