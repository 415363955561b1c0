"""Execute the commands of users. Each part of the server adds handlers for its commands.

A handler runs in the greenlet of the session that sent the command. So a handler that waits (for a thread, for the
database) holds up only its own user. The user may have left when the wait is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gevent

from chat.process.offload import Outcome, Result, outcome_of
from chat.protocol.commands import Command, Verb
from chat.protocol.notices import NoticeCode
from chat.protocol.pings import PING_ANSWER
from chat.server.delivery.broadcast import Encodable
from chat.server.directory.member import Member, Peer


class FoundMessages(NamedTuple):
    """Hold earlier messages that a user asked for, with ``size`` bytes of contents."""

    frames: Encodable
    size: int


class CommandAnswer(NamedTuple):
    """Hold the sentence of an answer, and further facts for its header: fields of ``ServerHeader``.

    ``found`` goes before the answer, and not before the answers to earlier frames.
    """

    sentence: str
    facts: Mapping[str, Any]
    found: FoundMessages | None = None


# A handler executes a command of a user, with its nonce, and returns the answer. Raises CommandRefused.
Handler = Callable[[Member, Command, "str | None"], CommandAnswer]
# Most commands are answered by a sentence, whatever their nonce is.
PlainHandler = Callable[[Member, Command], str]


class CommandRefused(Exception):
    """Report that a command was not executed; ``notice`` and ``sentence`` are the answer to the user."""

    def __init__(self, notice: NoticeCode, sentence: str) -> None:
        super().__init__(sentence)
        self.notice = notice
        self.sentence = sentence


class NotSaved(CommandRefused):
    """Report that a command was not executed since the disk refuses the change."""

    def __init__(self) -> None:
        sentence = "The server can't save this now; nothing was changed."
        super().__init__(NoticeCode.NO_SPACE, sentence)


class Commands:
    """Hold the handlers of the commands, by the name of the command."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def add(self, verb: Verb, handler: Handler) -> None:
        """Let ``handler`` execute the command ``verb``."""
        assert verb.value not in self._handlers, f"{verb} has a handler already"
        self._handlers[verb.value] = handler

    def add_plain(self, verb: Verb, handler: PlainHandler) -> None:
        """Let ``handler`` execute the command ``verb``, and answer with a sentence."""
        self.add(verb, lambda member, command, nonce: CommandAnswer(handler(member, command), {}))

    def execute(self, member: Member, command: Command, nonce: str | None) -> CommandAnswer:
        """Execute ``command`` of ``member``; return the answer. Raises CommandRefused."""
        handler = self._handlers.get(command.verb)
        if handler is None:
            raise CommandRefused(NoticeCode.BAD_COMMAND, self._unknown_command())
        return handler(member, command, nonce)

    def _unknown_command(self) -> str:
        if not self._handlers:
            return "This server accepts no commands."
        # Without the name that the user sent: it may be long, and may hold control characters.
        return f"Unknown command; expected one of: {', '.join(self._handlers)}."


def answer_ping(peer: Peer, command: Command) -> str:
    """Answer a ping, and do nothing else.

    For pings that are not in their usual form. Sessions answer the others without parsing JSON.
    """
    return PING_ANSWER


def run_to_the_end(change: Callable[..., Result], *arguments: Any) -> Result:
    """Call ``change`` in a greenlet of its own; return its result or raise its exception.

    So a change that has begun is finished even if the session that asked for it ends meanwhile.
    """
    outcome: Outcome[Result] = gevent.spawn(outcome_of, change, *arguments).get()
    return outcome.get()
