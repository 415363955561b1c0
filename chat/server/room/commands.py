"""Execute the commands of users. Each part of the server adds handlers for its commands.

A handler runs in the greenlet of the session that sent the command. So a handler that waits (for a thread, for the
database) holds up only its own user. The user may have left when the wait is over.

Commands that change what all users share are operations in the log. Servers that share a log execute them all alike,
and then no handler waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import gevent

from chat.protocol.command_fields import read_shared_command, shared_command_fields
from chat.protocol.commands import Command, Verb
from chat.protocol.notices import NoticeCode
from chat.protocol.pings import PING_ANSWER
from chat.server.delivery.broadcast import Encodable
from chat.server.directory.member import Member, Peer
from chat.server.limits.waits import REMINDER
from chat.server.log.log import Change, LogFull
from chat.server.log.operations import Operations, UnknownOperation
from chat.server.log.sharing import ALONE, Sharing
from chat.server.log.unicode_13 import TOO_NEW, in_unicode_13, is_in_unicode_13

# The operation of a command that changes what users share.
COMMAND = "command"


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
_Executed = Callable[[Member, Command, "str | None"], "CommandAnswer | None"]
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
    """Hold the handlers of the commands, by the name of the command.

    ``is_here`` tells whether a user is still connected. ``remind`` tells a user whose command still waits for the log.
    ``notify`` sends a notice to a user.
    """

    def __init__(
        self,
        operations: Operations,
        is_here: Callable[[Member], bool],
        remind: Callable[[Member], object] = lambda member: None,
        sharing: Sharing = ALONE,
        notify: Callable[..., object] | None = None,
    ) -> None:
        self._handlers: dict[str, _Executed] = {}
        # Those of commands that are operations.
        self._shared: dict[str, Handler] = {}
        self._operations = operations
        self._is_here = is_here
        self._remind = remind
        self._sharing = sharing
        self._notify = notify
        operations.add(COMMAND, self._carry_out)

    def add(self, verb: Verb, handler: _Executed) -> None:
        """Let ``handler`` execute the command ``verb``, at the server of the user only."""
        assert verb.value not in self._handlers, f"{verb} has a handler already"
        self._handlers[verb.value] = handler

    def add_plain(self, verb: Verb, handler: PlainHandler) -> None:
        """Let ``handler`` execute the command ``verb``, and answer with a sentence."""
        self.add(verb, _answering(handler))

    def add_waiting(self, verb: Verb, handler: Handler) -> None:
        """Let ``handler`` execute the command ``verb`` as ``add`` does, and wait for the log. The user is reminded."""

        def execute(member: Member, command: Command, nonce: str | None) -> CommandAnswer:
            with self._reminding(member):
                return handler(member, command, nonce)

        self.add(verb, execute)

    def add_waiting_plain(self, verb: Verb, handler: PlainHandler) -> None:
        """Let ``handler`` execute the command ``verb`` as ``add_waiting`` does, and answer with a sentence."""
        self.add_waiting(verb, _answering(handler))

    def add_shared(
        self,
        verb: Verb,
        handler: Handler,
        changes_nothing: Callable[[Member, Command], bool] | None = None,
    ) -> None:
        """Let ``handler`` execute the command ``verb``, which changes what users share, when the log has committed it.

        It runs on every server, with a user who may be connected to another one. It decides by what is shared alone.
        A command of which ``changes_nothing`` is true now is executed at once, at the server of the user only.
        """
        self._shared[verb.value] = handler
        if changes_nothing is None:
            self.add(verb, self._share)
            return

        def execute(member: Member, command: Command, nonce: str | None) -> CommandAnswer | None:
            if changes_nothing(member, command):
                return handler(member, command, nonce)
            return self._share(member, command, nonce)

        self.add(verb, execute)

    def add_shared_plain(
        self,
        verb: Verb,
        handler: PlainHandler,
        changes_nothing: Callable[[Member, Command], bool] | None = None,
    ) -> None:
        """Let ``handler`` execute the command ``verb`` as ``add_shared`` does, and answer with a sentence."""
        self.add_shared(verb, _answering(handler), changes_nothing)

    def execute(self, member: Member, command: Command, nonce: str | None) -> CommandAnswer | None:
        """Execute ``command`` of ``member``; return the answer, or None if it was sent. Raises CommandRefused."""
        handler = self._handlers.get(command.verb)
        if handler is None:
            raise CommandRefused(NoticeCode.BAD_COMMAND, self._unknown_command())
        return handler(member, command, nonce)

    def _share(self, member: Member, command: Command, nonce: str | None) -> CommandAnswer | None:
        """Have a command executed, and send the answer at its place in the order of all that the user hears.

        Later, when the greenlet of the session runs, the user may have heard more: messages of a room before the answer
        to ``join``, and users whom the answer does not name.
        """
        if self._sharing.is_shared:
            command = _readable_everywhere(command)
        fields = shared_command_fields(command)
        if nonce is not None:
            fields["nonce"] = nonce
        is_answered = False

        def answer(change: Change) -> None:
            nonlocal is_answered
            is_answered = self._answer(member, change, nonce)

        try:
            with self._reminding(member):
                reply: CommandAnswer = self._operations.perform(
                    COMMAND, fields, member, on_settled=answer
                )
        except LogFull as problem:
            raise CommandRefused(NoticeCode.NO_SPACE, str(problem)) from None
        except CommandRefused:
            if is_answered:
                return None
            raise
        return None if is_answered else reply

    def _answer(self, member: Member, change: Change, nonce: str | None) -> bool:
        """Send the answer to a command that was executed, or refused; return whether it was sent."""
        outcome = change.outcome
        if self._notify is None or outcome is None or not self._is_here(member):
            return False
        refused = outcome.problem
        if refused is None:
            reply: CommandAnswer = outcome.get()
            self._notify(member, NoticeCode.DONE, reply.sentence, nonce, reply.facts, reply.found)
        elif isinstance(refused, CommandRefused):
            self._notify(member, refused.notice, refused.sentence, nonce)
        else:
            return False  # a bug, which was logged; the session raises it
        return True

    def _carry_out(self, change: Change) -> CommandAnswer:
        command, member = read_shared_command(change.fields), change.actor
        handler = self._shared.get(command.verb)
        if handler is None:
            raise UnknownOperation(f"this version does not know the command {command.verb!r}")
        if member is None or not self._is_here(member):
            raise CommandRefused(NoticeCode.GONE, "Your session has ended.")
        return handler(member, command, change.fields.get("nonce"))

    @contextmanager
    def _reminding(self, member: Member) -> Iterator[None]:
        """Remind ``member`` from time to time that the block still waits."""
        if not self._sharing.is_shared or member.token is None:
            yield
            return
        timer = gevent.get_hub().loop.timer(REMINDER, REMINDER)
        timer.start(self._remind, member)
        try:
            yield
        finally:
            timer.stop()
            timer.close()

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


def _readable_everywhere(command: Command) -> Command:
    """Return ``command`` in characters that every server knows. Raises CommandRefused for a name with others."""
    change = command.change
    names = (command.target, command.room, command.partner, change.owner if change else None)
    if not all(is_in_unicode_13(name) for name in names if name is not None):
        raise CommandRefused(NoticeCode.BAD_COMMAND, TOO_NEW)
    reason = command.reason
    return command._replace(reason=in_unicode_13(reason) if reason is not None else None)


def _answering(handler: PlainHandler) -> Handler:
    return lambda member, command, nonce: CommandAnswer(handler(member, command), {})
