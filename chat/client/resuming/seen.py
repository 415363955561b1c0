"""Keep how far the user has seen the logs, and which lines' answers. No I/O but the state file's.

A program that reads events one by one may be killed before it sees what has arrived. Its next run must get it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chat.client.connection.events import Attachment, LeftRoom, Notice, Text
from chat.client.resuming.events import RoomEvent
from chat.client.resuming.resumption import Resumption
from chat.client.state.memory import Memory
from chat.client.state.places import LogKey, LogPlace, log_of, room_log
from chat.local_time import exact_timestamp


class SeenPlaces:
    """Move the places of ``memory()`` when the user has seen messages of ``resumption()``, and call ``changed``."""

    def __init__(
        self,
        memory: Callable[[], Memory],
        resumption: Callable[[], Resumption],
        changed: Callable[[], object],
    ) -> None:
        self._memory = memory
        self._resumption = resumption
        self._changed = changed
        # Lines whose answer is there, and was not seen yet. If the program is killed before it sees the answer, its
        # next run must find out again what became of the line.
        self._unseen: set[str] = set()
        # Where each log began, and the rooms that were left and may have been entered again.
        self._began: dict[LogKey, LogPlace | None] = {}
        self._left: set[LogKey] = set()

    def begin(self, left: Iterable[str]) -> None:
        """Note that the user has logged in, or entered or left a room. ``left`` are the rooms that they have left.

        A log whose place is not known begins here, even if the program is killed before it sees that.
        """
        for log in map(room_log, left):
            self._left.add(log)
            self._began.pop(log, None)
        memory, resumption = self._memory(), self._resumption()
        for log in resumption.logs:
            self._began[log] = self._began.get(log) or resumption.place(log)
        new = {log: place for log, place in self._began.items() if place is not None}
        self._see({log: new[log] for log in new if memory.place(log) is None}, set())

    def begin_anew(self) -> None:
        """Forget where logs began: the memory is that of another user now."""
        self._began.clear()
        self._left.clear()

    def answered(self, nonce: str) -> None:
        """Note that a line is answered. It is forgotten when the user has seen the answer."""
        self._unseen.add(nonce)

    def saw(self, event: RoomEvent) -> None:
        """Note that the user has seen ``event``, and all before it."""
        places: dict[LogKey, LogPlace | None] = {}
        if isinstance(event, LeftRoom):
            log = room_log(event.room)
            # The program has not seen more of the room, if it was entered again.
            places[log] = self._began.get(log)
            self._left.discard(log)
        if isinstance(event, Text | Attachment) and event.seq is not None:
            log = log_of(event.to, event.room)
            end, known = self._resumption().place(log), self._memory().place(log)
            if end is None and log in self._left:
                end = known  # so the epoch is that of the former place
            is_newer = known is None or (
                end is not None and known.epoch == end.epoch and known.seq < event.seq
            )
            if end is not None and is_newer:
                places[log] = LogPlace(end.epoch, event.seq, exact_timestamp(event.timestamp))
        self._see(places, self._unseen & {_answered_by(event)})

    def saw_all(self) -> None:
        """Note that the user has seen all that there is."""
        resumption = self._resumption()
        places: dict[LogKey, LogPlace | None] = dict.fromkeys(self._left)
        self._left.clear()
        for log in resumption.logs:
            place = resumption.place(log)
            if place is not None and place != self._memory().place(log):
                places[log] = place
        # The echo of a line that a look-up has found may be in a page that is still to come.
        self._see(places, set() if resumption.is_catching_up else self._unseen.copy())

    def saw_receipts(self) -> None:
        """Note that the user knows what became of each line."""
        self._see({}, self._unseen.copy())

    def _see(self, places: dict[LogKey, LogPlace | None], answered: set[str]) -> None:
        self._unseen -= answered
        memory = self._memory()
        if memory.is_kept and (places or answered):
            memory.see(places, answered)
            self._changed()


def _answered_by(event: RoomEvent) -> str | None:
    """Return the nonce of the message that ``event`` answers, if any."""
    if isinstance(event, Text | Attachment):
        return event.nonce
    return event.receipt.nonce if isinstance(event, Notice) and event.receipt is not None else None
