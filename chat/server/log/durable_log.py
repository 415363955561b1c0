"""Say a message only when the disk has it.

The room decides on a record at once, numbers its messages, and hands them to history. The frames for users wait until
the disk has the messages; then the record is settled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Protocol

from chat.protocol.notices import NoticeCode
from chat.server.history.stored import LogName
from chat.server.log.log import (
    Change,
    Entry,
    LogClosed,
    LogFull,
    Record,
    Rejection,
    Sequences,
)

log = logging.getLogger("chat.server")

_SENTENCE = "The server cannot write to its disk, so the message was not sent; try again later."
_REFUSED = Rejection(NoticeCode.NO_SPACE, _SENTENCE)


class Disk(Protocol):
    """List what the log asks the writer of history."""

    @property
    def is_suspended(self) -> bool: ...


class Gate(Protocol):
    """List what the log needs of the place where frames wait for the disk."""

    def begin_message(self) -> None: ...

    def end_message(
        self, heard: Callable[[], object] | None, refused: Callable[[], object] | None = None
    ) -> None: ...

    def wait_for_turn(self, timeout: float) -> bool: ...

    def abandon(self) -> None: ...


class RevocableSequences(Sequences):
    """Number messages, and remember the numbers of the current record."""

    def __init__(self) -> None:
        super().__init__()
        self._taken: list[tuple[LogName, int]] = []

    def assign(self, log: LogName, count: int) -> int:
        first = super().assign(log, count)
        self._taken.append((log, first))
        return first

    def pop_taken(self) -> list[tuple[LogName, int]]:
        """Return the logs from which numbers were taken since the last call, each with the first of these numbers."""
        taken, self._taken = self._taken, []
        return taken


class DurableLog:
    """Commit a record when ``disk`` has its messages. ``numbers`` are those that the room gives."""

    is_shared = False

    def __init__(
        self, timestamp: Callable[[], str], disk: Disk, gate: Gate, numbers: RevocableSequences
    ) -> None:
        self._timestamp = timestamp
        self._disk = disk
        self._gate = gate
        self._numbers = numbers
        self._apply: Callable[[Entry], None] | None = None
        self._number = 0

    def follow(self, apply: Callable[[Entry], None]) -> None:
        self._apply = apply

    def append(self, record: Record | Change) -> None:
        if self._apply is None:
            raise LogClosed
        if isinstance(record, Change):
            # What it changes is on the disk before it takes effect, so nothing has to be taken back.
            self._number += 1
            self._apply(Entry(self._number, self._timestamp(), (record,)))
            return
        if self._disk.is_suspended:
            raise LogFull(_SENTENCE)
        self._number += 1
        # Stands for the record while the room decides, and notes the decision.
        decided = Record(record.sender, record.run)
        self._gate.begin_message()
        self._apply(Entry(self._number, self._timestamp(), (decided,)))
        taken = self._numbers.pop_taken()
        if decided.rejection is not None:
            self._gate.end_message(None)
            record.settle(decided.rejection)
            return
        self._gate.end_message(partial(record.settle, None), partial(self._refuse, record, taken))

    def close(self, timeout: float) -> None:
        self._apply = None
        if not self._gate.wait_for_turn(timeout):
            log.error("the disk makes no progress; the last messages were not sent")
            self._gate.abandon()

    def _refuse(self, record: Record, taken: list[tuple[LogName, int]]) -> None:
        # Nobody has heard the numbers, and no later message has got through: all of them are refused together.
        for name, first in taken:
            self._numbers.take_back(name, first)
        record.settle(_REFUSED)
