"""What users may ask the server to do, and who does it: each part of the server adds what it can.

A command is done in the greenlet of the session that asks, so what waits (a thread, the database) holds up nobody
but him. He may be gone when it comes back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from chat.protocol.commands import Command, Verb
from chat.protocol.notices import Notice
from chat.protocol.pings import PING_ANSWER

if TYPE_CHECKING:
    from chat.server.session import Session

    # What comes back is the sentence of the answer.
    Handler = Callable[[Session, Command], str]


# Seconds between two pings of a user that do not count for their rate.
FREE_PING_EVERY = 5.0


class CommandRefused(Exception):
    """A command that is not done; ``notice`` and ``sentence`` are the answer."""

    def __init__(self, notice: Notice, sentence: str) -> None:
        super().__init__(sentence)
        self.notice = notice
        self.sentence = sentence


class Commands:
    """The table of what can be asked for on this server."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def add(self, verb: Verb, handler: Handler) -> None:
        """From now on ``handler`` does it. It raises CommandRefused."""
        assert verb.value not in self._handlers, f"{verb} is done already"
        self._handlers[verb.value] = handler

    def obey(self, session: Session, command: Command) -> str:
        """Do it; the sentence of the answer. Raises CommandRefused."""
        handler = self._handlers.get(command.verb)
        if handler is None:
            raise CommandRefused(Notice.BAD_COMMAND, self._what_exists())
        return handler(session, command)

    def _what_exists(self) -> str:
        if not self._handlers:
            return "This server takes no commands."
        return f"There is no such command; there are: {', '.join(self._handlers)}."


def answer_ping(session: Session, command: Command) -> str:
    """Answer a ping; do nothing else."""
    return PING_ANSWER
