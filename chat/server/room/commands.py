"""What users may ask the server to do, and who does it: each part of the server adds what it can.

A command is done in the greenlet of the session that asks, so what waits (a thread, the database) holds up nobody
but him. He may be gone when it comes back.
"""

from __future__ import annotations

from collections.abc import Callable

from chat.protocol.commands import Command, Verb
from chat.protocol.notices import NoticeCode
from chat.protocol.pings import PING_ANSWER
from chat.server.directory.member import Peer

# A handler does what a user asks for, and returns the sentence of the answer. It raises CommandRefused.
Handler = Callable[[Peer, Command], str]


class CommandRefused(Exception):
    """A command that is not done; ``notice`` and ``sentence`` are the answer."""

    def __init__(self, notice: NoticeCode, sentence: str) -> None:
        super().__init__(sentence)
        self.notice = notice
        self.sentence = sentence


class Commands:
    """The table of what can be asked for on this server."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def add(self, verb: Verb, handler: Handler) -> None:
        """Let ``handler`` do what ``verb`` asks for."""
        assert verb.value not in self._handlers, f"{verb} is done already"
        self._handlers[verb.value] = handler

    def execute(self, peer: Peer, command: Command) -> str:
        """Do what ``peer`` asks for; return the sentence of the answer. Raises CommandRefused."""
        handler = self._handlers.get(command.verb)
        if handler is None:
            raise CommandRefused(NoticeCode.BAD_COMMAND, self._what_exists())
        return handler(peer, command)

    def _what_exists(self) -> str:
        if not self._handlers:
            return "This server takes no commands."
        return f"There is no such command; there are: {', '.join(self._handlers)}."


def answer_ping(peer: Peer, command: Command) -> str:
    """Answer a ping; do nothing else."""
    return PING_ANSWER
