"""Remove contents of messages by an operation in the log, so that every server that has the messages removes them.

Each server has a history of its own. Servers that share a log do not wait for their disks when they carry out a purge:
it is done behind.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gevent
from gevent.event import AsyncResult, Event

from chat.protocol.notices import NoticeCode
from chat.server.attachments.offers import OfferStore
from chat.server.directory.member import Member
from chat.server.history.faults import HistoryFault
from chat.server.history.purging import Purge
from chat.server.history.stored import DEFAULT_ROOM, LogName
from chat.server.log.log import Change
from chat.server.log.operations import OPERATOR_PATIENCE, Operations
from chat.server.log.sharing import ALONE, Sharing
from chat.server.moderation.moderation import require_moderator
from chat.server.process.lasting_fault import LastingFault
from chat.server.room.commands import CommandRefused
from chat.server.room.replay import Recent
from chat.server.room.service import ChatService

log = logging.getLogger("chat.server")

PURGE = "purge"  # the operation
_RETRY = 5.0  # seconds until the next try, if the disk fails

# Removes messages from history, and returns how many. Waits for the disk. Raises HistoryFault.
FromHistory = Callable[[Purge], int]


class PurgesBehind:
    """Remove messages from history one purge after the other, without a wait for the caller."""

    def __init__(self, from_history: FromHistory) -> None:
        self._from_history = from_history
        self._waiting: list[tuple[Purge, AsyncResult[int]]] = []
        self._more = Event()
        self._fault = LastingFault("cannot remove messages; trying again")

    def begin(self, wanted: Purge) -> AsyncResult[int]:
        """Have ``wanted`` removed soon; return the number of messages, which is known later."""
        count: AsyncResult[int] = AsyncResult()
        self._waiting.append((wanted, count))
        self._more.set()
        return count

    def waiting(self) -> list[tuple[Any, ...]]:
        """Return the purges that are not done, as JSON can hold them: a restart must not forget them."""
        return [(*wanted[:3], *wanted.log, wanted.until) for wanted, _ in self._waiting]

    def restore(self, waiting: Sequence[Sequence[Any]]) -> None:
        """Begin the purges again that ``waiting`` of an earlier run has."""
        for before, user, number, kind, key, until in waiting:
            self.begin(Purge(before, user, number, LogName(kind, key), until))

    def run(self) -> None:
        """Remove messages, for ever. Runs in a greenlet of its own."""
        while True:
            while self._waiting:
                wanted, count = self._waiting[0]
                try:
                    count.set(self._from_history(wanted))
                    self._fault.clear()
                except HistoryFault as fault:
                    self._fault.note(fault)
                    gevent.sleep(_RETRY)
                    continue
                del self._waiting[0]
            self._more.clear()
            self._more.wait()


class Purges:
    """Carry out the operation ``purge``. ``recent`` has the last messages of the default room in memory.

    ``from_history`` removes messages of this server.
    """

    def __init__(
        self,
        operations: Operations,
        service: ChatService,
        recent: Recent,
        offers: OfferStore,
        from_history: FromHistory,
        timestamp: Callable[[], str],
        sharing: Sharing = ALONE,
    ) -> None:
        self._operations = operations
        self._service = service
        self._recent = recent
        self._offers = offers
        self._from_history = from_history
        self._timestamp = timestamp
        self._sharing = sharing
        self.behind = PurgesBehind(from_history)
        operations.add(PURGE, self._carry_out)

    def remove(self, wanted: Purge) -> int:
        """Remove what the operator names; return how many messages of this server there were. Waits for the disk.

        Raises HistoryFault, LogFull and NotYetCommitted.
        """
        fields = {"before": wanted.before, "user": wanted.user, "number": wanted.number}
        count: int | AsyncResult[int] = self._operations.perform(
            PURGE, _present(fields), patience=OPERATOR_PATIENCE
        )
        return count if isinstance(count, int) else count.get() or 0

    def remove_message(
        self, member: Member, name: LogName, number: int, sender: str, *, again: bool
    ) -> str:
        """Remove a message of ``sender`` at the wish of a moderator; return the answer.

        ``again``: it was removed before. Raises CommandRefused, HistoryFault and LogFull.
        """
        fields = {"log": list(name), "number": number, "sender": sender, "again": again or None}
        self._operations.perform(PURGE, _present(fields), member)
        what = f"Message {number} of {sender}"
        return f"{what} was removed before." if again else f"{what} was removed."

    def _carry_out(self, change: Change) -> AsyncResult[int] | int:
        fields, member = change.fields, change.actor
        name = LogName(*fields["log"]) if "log" in fields else DEFAULT_ROOM
        number = fields.get("number")
        if "sender" in fields:
            if member is None or not self._service.is_here(member):
                raise CommandRefused(NoticeCode.GONE, "Your session has ended.")
            require_moderator(member)
        if number is not None:
            # The memory first: from now on nobody sees the content again, however long the disk takes.
            if name == DEFAULT_ROOM:
                self._recent.purge(number)
            room = self._service.rooms.of_log(name)
            if room is not None:
                self._offers.drop_message(number, room.header_name)
        wanted = Purge(fields.get("before"), fields.get("user"), number, name)
        if self._sharing.is_shared:
            # Not what is said later, although this server may take a while.
            count: AsyncResult[int] | int = self.behind.begin(
                wanted._replace(until=self._timestamp())
            )
        else:
            count = self._from_history(wanted)
        if member is not None and "again" not in fields:
            self._tell(member, name, fields)
        return count

    def _tell(self, member: Member, name: LogName, fields: Mapping[str, Any]) -> None:
        number, sender, by = fields["number"], fields["sender"], member.name.display
        log.info("%s removes message %d of %s", by, number, sender)
        room = self._service.rooms.of_log(name)
        if room is not None:  # it may have been removed meanwhile
            facts = {"seq": number, "purged": True}
            told = f"Message {number} of {sender} was removed by {by}."
            self._service.announce(NoticeCode.MODERATED, told, member, facts, room)


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
