"""Execute what the operator asks of a running server, over the control socket."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from chat.protocol.notices import NoticeCode
from chat.server.control.messages import CommandFailed
from chat.server.directory.directory import Directory
from chat.server.history.faults import HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.purging import read_purge
from chat.server.room.announcement import BadAnnouncement, read_announcement
from chat.server.room.room import Room
from chat.server.sessions.session import Session
from chat.server.settings import Settings
from chat.server.storage.database_watch import DatabaseWatch

log = logging.getLogger("chat.server")


class OperatorCommands:
    """Each method takes the fields of a command, and returns those of the answer. Raises CommandFailed.

    ``archive`` is None if no messages are kept. ``on_purged`` is called when messages were purged.
    """

    def __init__(
        self,
        settings: Settings,
        directory: Directory[Session],
        room: Room,
        archive: HistoryStore | None,
        watch: DatabaseWatch,
        on_purged: Callable[[], object],
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._room = room
        self._archive = archive
        self._watch = watch
        self._on_purged = on_purged

    def announce(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Say a text to everyone."""
        try:
            text = read_announcement(fields.get("text"), self._settings.max_text)
        except BadAnnouncement as problem:
            raise CommandFailed(str(problem)) from None
        log.info("the operator announces: %s", " / ".join(text.split("\n")))
        self._room.announce(NoticeCode.ANNOUNCEMENT, text)
        return {"users": self._directory.users}

    def apply_changes(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Apply what the command line has changed in the database."""
        self._watch.look()
        return {}

    def purge(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Remove messages from history."""
        if self._archive is None:
            raise CommandFailed("This server keeps no messages.")
        try:
            count = self._archive.purge(read_purge(fields))
            self._on_purged()
        except HistoryFault as problem:
            raise CommandFailed(f"{problem}.") from None
        log.info("the operator purged %d messages", count)
        return {"messages": count}
