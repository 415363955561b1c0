"""Note what changes of the shared state, for the database to follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ujson

from chat.server.directory.directory import Directory
from chat.server.directory.member import Member
from chat.server.entrance.joining import Joining
from chat.server.history.stored import LogName
from chat.server.log.log import Sequences
from chat.server.replication.stored.place import SessionRow, StateChanges
from chat.server.rooms.rooms import Rooms
from chat.server.sessions.session import Session


class SharedSequences(Sequences):
    """Number messages by the log alone: history may be ahead of it, when a server that was away catches up.

    ``changed`` has the last numbers that were taken since somebody emptied it; None for a log that is forgotten.
    """

    def __init__(self) -> None:
        super().__init__()
        self.changed: dict[LogName, int | None] = {}

    def assign(self, log: LogName, count: int) -> int:
        first = super().assign(log, count)
        self.changed[log] = first + count - 1
        return first

    def go_on_after(self, log: LogName, last: int) -> None:
        """Do nothing: ``restore`` has what counts."""

    def restore(self, log: LogName, last: int) -> None:
        """Let the next number of ``log`` come after ``last``, as the database has it."""
        super().go_on_after(log, last)

    def forget(self, log: LogName) -> None:
        if self.last(log):
            self.changed[log] = None
        super().forget(log)


class StateNotes:
    """Collect changes. ``facts`` return other shared state, by its name in the database, as JSON can hold it."""

    def __init__(
        self,
        sequences: SharedSequences,
        directory: Directory[Session],
        rooms: Rooms,
        facts: Mapping[str, Callable[[], Any]],
    ) -> None:
        self._sequences = sequences
        self._rooms = rooms
        self._directory = directory
        self._facts = facts
        self._written: dict[str, str] = {}
        # Sessions, by the server run that is their home and their number there.
        self._changed: set[tuple[str, int]] = set()
        directory.on_change = rooms.on_change = self._note

    def _note(self, member: Member) -> None:
        self._changed.add((member.home, member.number))

    def take(self) -> StateChanges:
        """Return what has changed since the last call."""
        heads, self._sequences.changed = self._sequences.changed, {}
        changed, self._changed = self._changed, set()
        members = {id: self._directory.at(*id) for id in changed}
        sessions = {
            id: None if member is None else self._row(member) for id, member in members.items()
        }
        facts = {name: fact() for name, fact in self._facts.items()}
        texts = {name: ujson.dumps(value) for name, value in facts.items()}
        news = {
            name: facts[name] for name, text in texts.items() if self._written.get(name) != text
        }
        self._written = texts
        return StateChanges(heads, sessions, news)

    def begin(self) -> None:
        """Take what is there now for written, besides the facts: a new cluster has none of them in its database."""
        self.take()
        self._written.clear()

    def give_back(self, changes: StateChanges) -> None:
        """Take back changes that could not be written. ``take`` returns them as they are by then."""
        self._sequences.changed = {**changes.heads, **self._sequences.changed}
        self._changed.update(changes.sessions)
        self._written.clear()

    def _row(self, member: Member) -> SessionRow:
        rooms = None
        if member.knows_rooms:
            # Those of registered users are stored with the rooms.
            own = () if member.registered else self._rooms.of_user(member)
            rooms = tuple(room.name for room in own)
        joining = Joining(
            member.number,
            member.name,
            account=member.account_id,
            device=member.device,
            token=member.token_digest,
            host=member.host,
            rooms=rooms,
        )
        return SessionRow(member.home, member.number, member.serial, joining.fields())
