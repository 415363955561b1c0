"""Execute what the operator asks of a running server, over the control socket."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from chat.protocol.notices import NoticeCode
from chat.server.control.client import CLUSTER_STATUS, DRAIN
from chat.server.control.messages import CommandFailed
from chat.server.directory.directory import Directory
from chat.server.history.faults import HistoryFault
from chat.server.history.purging import read_purge
from chat.server.log.log import Change, LogFull
from chat.server.log.operations import OPERATOR_PATIENCE, NotYetCommitted, Operations
from chat.server.moderation.purges import Purges
from chat.server.moving.draining import Draining
from chat.server.room.announcement import BadAnnouncement, read_announcement
from chat.server.room.commands import CommandRefused
from chat.server.room.service import ChatService
from chat.server.sessions.session import Session
from chat.server.settings import Settings
from chat.server.storage.database_watch import DatabaseWatch

log = logging.getLogger("chat.server")

ANNOUNCE = "announce"  # the operation


class OperatorCommands:
    """Each method takes the fields of a command, and returns those of the answer. Raises CommandFailed.

    ``purges`` is None if no messages are kept.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory[Session],
        service: ChatService,
        operations: Operations,
        purges: Purges | None,
        watch: DatabaseWatch,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._service = service
        self._operations = operations
        self._purges = purges
        self._watch = watch
        operations.add(ANNOUNCE, self._announce)

    def _perform(self, name: str, fields: Mapping[str, Any]) -> Any:
        """Have an operation carried out; return what it returned. Raises CommandFailed."""
        try:
            return self._operations.perform(name, fields, patience=OPERATOR_PATIENCE)
        except (LogFull, NotYetCommitted) as problem:
            raise CommandFailed(str(problem)) from None

    def announce(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Say a text to everyone."""
        try:
            text = read_announcement(fields.get("text"), self._settings.max_text)
        except BadAnnouncement as problem:
            raise CommandFailed(str(problem)) from None
        self._perform(ANNOUNCE, {"text": text})
        log.info("the operator announced: %s", " / ".join(text.split("\n")))
        return {"users": self._directory.users}

    def _announce(self, change: Change) -> None:
        self._service.announce(NoticeCode.ANNOUNCEMENT, change.fields["text"])

    def change(self, name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Have the operation ``name`` of the operator carried out; return its answer."""
        try:
            answer: dict[str, Any] = self._perform(name, fields)
        except CommandRefused as refused:
            raise CommandFailed(refused.sentence) from None
        return answer

    def apply_changes(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Apply what the command line has changed in the database."""
        self._watch.look()
        return {}

    def purge(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Remove messages from history."""
        if self._purges is None:
            raise CommandFailed("This server keeps no messages.")
        try:
            count = self._purges.remove(read_purge(fields))
        except HistoryFault as problem:
            raise CommandFailed(f"{problem}.") from None
        except (LogFull, NotYetCommitted) as problem:
            raise CommandFailed(str(problem)) from None
        log.info("the operator purged %d messages", count)
        return {"messages": count}


def _refuse_alone(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse a command for a server of a cluster, since this server has no other beside it. Raises CommandFailed."""
    raise CommandFailed("This server runs alone: it was started without --cluster.")


# Commands for a server of a cluster, as a server without one answers them.
ALONE = dict.fromkeys((CLUSTER_STATUS, DRAIN), _refuse_alone)


class _HasStatus(Protocol):
    def status(self) -> dict[str, Any]: ...


def cluster_commands(
    cluster: _HasStatus, draining: Draining, ask_to_stop: Callable[[], object]
) -> dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]]:
    """Return the commands for a server of ``cluster``."""

    def drain(fields: Mapping[str, Any]) -> dict[str, Any]:
        plan = draining.plan()
        log.info("the operator asks to drain the server")
        ask_to_stop()
        return plan._asdict()

    return {CLUSTER_STATUS: lambda fields: cluster.status(), DRAIN: drain}
