"""Remove the messages that are older than the operator wants, or too many."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

import gevent

from chat.server.history.faults import HistoryFault
from chat.server.history.history import HistoryStore
from chat.server.history.stored import LogName, LogState
from chat.server.history.upkeep import expire, expire_log

log = logging.getLogger("chat.server")

_PERIOD = 60.0  # seconds between two looks
# Seconds between two transactions that remove messages: what is said meanwhile must be written too.
_PAUSE = 0.05


class Retention:
    """Keep messages for ``keep`` seconds (None: for ever), and at most ``keep_size`` bytes of them.

    ``shorter`` returns logs whose messages are kept for a shorter time, with the seconds. ``clock`` returns seconds
    since 1970. ``on_removed`` is called with the states of all logs after each removal.
    """

    def __init__(
        self,
        history: HistoryStore,
        keep: float | None,
        keep_size: int | None,
        clock: Callable[[], float] = time.time,
        on_removed: Callable[[dict[LogName, LogState]], object] = lambda states: None,
        shorter: Callable[[], Mapping[LogName, float]] = dict,
    ) -> None:
        self._shorter = shorter
        self._history = history
        self._keep = keep
        self._keep_size = keep_size
        self._clock = clock
        self._on_removed = on_removed

    def run(self) -> None:
        """Look again and again, until killed."""
        while True:
            self.sweep()
            gevent.sleep(_PERIOD)

    def sweep(self) -> None:
        """Remove all messages that must go now."""
        before = self._time_ago(self._keep) if self._keep is not None else None
        try:
            self._remove(expire, before, self._keep_size)
            for name, seconds in self._shorter().items():
                self._remove(expire_log, name, self._time_ago(seconds))
        except HistoryFault as problem:
            log.debug("cannot remove old messages now: %s", problem)

    def _remove(self, some: Callable[..., dict[LogName, LogState]], *arguments: object) -> None:
        while states := self._history.call(some, *arguments):
            self._history.note_removed(states)
            self._on_removed(states)
            gevent.sleep(_PAUSE)

    def _time_ago(self, seconds: float) -> str:
        # A prefix of a timestamp compares as the timestamp does.
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self._clock() - seconds))
