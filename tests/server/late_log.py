"""A log that commits later than it is told, as one that several servers share does."""

from __future__ import annotations

import random
from collections.abc import Callable

import gevent

from chat.server.log.log import Change, Entry, LogClosed, LogFull, Record


class LateLog:
    """Commits when the test says so. ``is_full`` makes it refuse records.

    Changes are applied at once, unless it ``holds_changes``.
    """

    is_shared = False

    def __init__(self, timestamp: Callable[[], str]) -> None:
        self.is_full = False
        self.holds_changes = False
        self.waiting: list[Record | Change] = []
        self._timestamp = timestamp
        self._apply: Callable[[Entry], None] = lambda entry: None
        self._number = 0
        self._is_closed = False

    @property
    def waiting_bytes(self) -> int:
        """The bytes of the runs that are not committed."""
        return sum(record.run.size for record in self.waiting if isinstance(record, Record))

    def follow(self, apply: Callable[[Entry], None]) -> None:
        self._apply = apply

    def append(self, record: Record | Change) -> None:
        if self._is_closed:
            raise LogClosed
        if isinstance(record, Change) and not self.holds_changes:
            self._number += 1
            self._apply(Entry(self._number, self._timestamp(), (record,)))
            return
        if self.is_full:
            raise LogFull("The server is overloaded; try again in a moment.")
        self.waiting.append(record)

    def close(self, timeout: float) -> None:
        self._is_closed = True
        self.commit()

    def commit(self, count: int | None = None) -> None:
        """Commit the first ``count`` records, or all, as one entry."""
        count = len(self.waiting) if count is None else count
        records, self.waiting = self.waiting[:count], self.waiting[count:]
        if records:
            self._number += 1
            self._apply(Entry(self._number, self._timestamp(), records))


def commit_at_random(log: LateLog, rng: random.Random) -> None:
    """Commit batches of random sizes after random times, until killed."""
    while True:
        gevent.sleep(rng.choice((0, 0, 0.0005, 0.003)))
        log.commit(rng.randint(1, 5))
