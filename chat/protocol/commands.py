"""Define the commands of clients: a Utf8 frame without content, whose JSON header has the key ``command``.

The answer is a notice: ``done``, or the reason why the command failed. A server that does not know commands sees a text
without content, and refuses the empty text.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Verb(str, Enum):
    """List the values of the header key ``command``."""

    REGISTER = "register"  # password: makes an account of the user's own name
    PASSWD = "passwd"  # password, new_password
    KICK = "kick"  # target: a name; reason
    BAN = "ban"  # target: a name or an address; seconds (without: for ever); reason
    UNBAN = "unban"  # target
    BANS = "bans"
    MUTE = "mute"  # target: a name; seconds (without: for ever)
    UNMUTE = "unmute"  # target
    PING = "ping"  # asks for nothing but an answer


class Command(NamedTuple):
    """Hold a command as it travels.

    ``verb`` is a value of :class:`Verb`, or an unknown one from a newer client. The other fields are header keys of the
    same names: ``seconds`` is 0 or more, the passwords are as typed.
    """

    verb: str
    target: str | None = None
    seconds: int | None = None
    reason: str | None = None
    password: str | None = None
    new_password: str | None = None

    def __repr__(self) -> str:
        """Return the command without its passwords, which must not reach a log."""
        return f"<Command {self.verb!r} {self.target!r}>"
