"""Change what all servers share: each part of the server adds the operations that it can carry out.

An operation is carried out when the log has committed it, on every server in the same order. So its handler decides by
what is shared alone: by the fields of the change, by the time of the entry, and by what earlier entries have made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from gevent.event import Event

from chat.process.offload import Outcome
from chat.server.directory.member import Member
from chat.server.log.log import Change, Log, LogClosed, LogFull
from chat.server.log.sharing import ALONE, Sharing

log = logging.getLogger("chat.server")

# Carries out a change; returns or raises the outcome for the server that asked.
Handler = Callable[[Change], Any]

# Seconds for which a command of the operator waits for the log; users are reminded that they wait.
OPERATOR_PATIENCE = 10.0


class NotYetCommitted(Exception):
    """A change was appended, but was not committed in time. It may be committed later. The text is a sentence."""

    def __init__(self) -> None:
        super().__init__(
            "The log has not committed this yet: the engine may be away. It may still be done later."
        )


class UnknownOperation(Exception):
    """The log has an operation that this version does not know. The text is a line for the operator."""


class Operations:
    """Hold the handlers of operations by name, and put changes into ``log``.

    An exception of a type in ``expected`` is an outcome like another; any other is a bug, which is logged. One that
    ends this server, by ``sharing``, is raised.
    """

    def __init__(self, log: Log, *expected: type[Exception], sharing: Sharing = ALONE) -> None:
        self._sharing = sharing
        self._log = log
        self._expected = expected
        self._handlers: dict[str, Handler] = {}

    @property
    def travel(self) -> bool:
        """Return whether other servers carry the operations out, too, and so need all fields."""
        return self._log.is_shared

    def add(self, name: str, handler: Handler) -> None:
        """Let ``handler`` carry out the operation ``name``."""
        assert name not in self._handlers, f"{name} has a handler already"
        self._handlers[name] = handler

    def perform(
        self,
        name: str,
        fields: Mapping[str, Any],
        actor: Member | None = None,
        local: object = None,
        patience: float | None = None,
        on_settled: Callable[[Change], object] | None = None,
    ) -> Any:
        """Have a change carried out, and wait until it is; return what its handler returned, or raise what it raised.

        The caller goes on when further entries may have been applied. ``on_settled`` is called before that, at once.
        Raises LogFull, also if the log is closed, and NotYetCommitted after ``patience`` seconds (None: never).
        """
        change = Change(name, fields, actor, local)
        change.on_settled = on_settled
        try:
            self._log.append(change)
        except LogClosed:
            # Not carried out: the other servers would not know of it.
            raise LogFull("The server is shutting down.") from None
        if change.outcome is None:
            applied = Event()

            def settled(change: Change) -> None:
                if on_settled is not None:
                    on_settled(change)
                applied.set()

            change.on_settled = settled
            applied.wait(patience)
        if change.outcome is None:
            raise NotYetCommitted
        return change.outcome.get()

    def post(
        self,
        name: str,
        fields: Mapping[str, Any],
        actor: Member | None = None,
        local: object = None,
    ) -> None:
        """Have a change carried out, and do not wait for it. Raises LogFull."""
        change = Change(name, fields, actor, local)
        try:
            self._log.append(change)
        except LogClosed:
            # The server stops: there is no order to keep any more.
            self.carry_out(change)

    def carry_out(self, change: Change, writer: str = "") -> None:
        """Carry out a committed change, which the server ``writer`` has appended. Raises UnknownOperation."""
        change.writer = writer
        handler = self._handlers.get(change.name)
        if handler is None:
            raise UnknownOperation(f"this version does not know the operation {change.name!r}")
        try:
            outcome = Outcome(handler(change), None)
        except UnknownOperation:
            raise
        except Exception as problem:
            outcome = Outcome(None, problem)
            if self._sharing.must_end(problem):
                raise
            if not isinstance(problem, self._expected):
                log.error("cannot carry out the operation %s", change.name, exc_info=problem)
        change.settle(outcome)
