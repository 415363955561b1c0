"""Limit the share of the event loop that logins get: all of an idle loop, and at most a third of a busy one.

A login takes as long as the delivery of dozens of messages. Thousands of logins a second, from so many addresses that
each is below every limit, would otherwise take the loop from the users who talk.

"Logins" here means all work for clients on their way in or out: accepting and judging connections, TLS handshakes,
logins, refusals, and the end of connections and sessions.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent.hub import Waiter

# Seconds of CPU time for turns in a row. Then the loop looks at its sockets, so a message waits about as long.
SLICE = 0.002
# After a slice, users get so many times its length. With 2, logins have a third of the loop.
_OTHERS = 2.0
# The longest time, in seconds, for which logins wait because of time that was charged outside of slices.
_LONGEST_DEBT = 0.5
# The greatest number of waiting turns for which a login is not refused. Other turns always wait, since to refuse them
# would cost as much as to serve them.
MAX_WAITING = 4096


class TooBusy(Exception):
    """Too many turns are waiting; refuse the login."""


class LoopShare:
    """Give turns in the event loop to logins, first come, first served.

    A turn lasts until its greenlet waits for something. Turns are given in slices of ``SLICE`` seconds. Between two
    slices the loop looks at all sockets. If that look finds nothing to do, the next slice follows at once. Otherwise
    the next slice comes when twice the time of the last slice has passed. So logins take the whole loop while nothing
    else needs it, and at most a third while users keep it busy.

    ``clock`` returns seconds of CPU time of the loop's thread. The time of day would be wrong: on a busy machine a
    slice lasts longer because other processes run during it. To wait for twice that time would let in only a handful
    of users a second. ``loop`` is gevent's event loop.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time, loop: Any = None) -> None:
        self._clock = clock
        self._queue: deque[Callable[[], object]] = deque()
        self._is_running = False
        self._had_slice = False  # since the last look at the sockets
        self._due = (
            0.0  # by the clock: when the next slice may come although users keep the loop busy
        )
        loop = loop if loop is not None else gevent.get_hub().loop
        # libev runs an idle watcher of the lowest priority only if the last look found no event at all.
        self._idle = loop.idle()
        self._idle.priority = loop.MINPRI
        # A check watcher runs after each look, before the idle watcher.
        self._looked = loop.check()

    @property
    def waiting(self) -> int:
        """The number of turns that wait."""
        return len(self._queue)

    @property
    def has_turn(self) -> bool:
        """Whether the caller has a turn now."""
        return self._is_running

    def call(self, function: Callable[[], object]) -> None:
        """Call ``function`` later, in its turn. ``function`` must not wait, and must not raise."""
        self._queue.append(function)
        if len(self._queue) == 1:
            self._idle.start(self._run_slice_if_idle)
            self._looked.start(self._run_slice_if_due)

    def wait(self) -> None:
        """Wait until this greenlet has a turn, which ends when the greenlet waits again. In a turn, return at once."""
        if self._is_running:
            return
        waiter: Waiter[None] = Waiter()
        self.call(partial(waiter.switch, None))
        waiter.get()

    def wait_if_few(self) -> None:
        """Wait for a turn like ``wait``. Raises TooBusy at once if ``MAX_WAITING`` turns are waiting."""
        if not self._is_running and len(self._queue) >= MAX_WAITING:
            raise TooBusy
        self.wait()

    def charge(self, seconds: float) -> None:
        """Count ``seconds`` of CPU time that were spent on logins outside of their turns."""
        now = self._clock()
        self._due = min(max(self._due, now) + _OTHERS * seconds, now + _LONGEST_DEBT)

    def _run_slice_if_due(self) -> None:
        self._had_slice = self._clock() >= self._due
        if self._had_slice:
            self._run_slice()

    def _run_slice_if_idle(self) -> None:
        if not self._had_slice:
            self._run_slice()

    def _run_slice(self) -> None:
        began = now = self._clock()
        self._is_running = True
        try:
            while self._queue and now < began + SLICE:
                self._queue.popleft()()
                now = self._clock()
        finally:
            self._is_running = False
        self._due = max(self._due, now + _OTHERS * (now - began))
        if not self._queue:
            self._idle.stop()
            self._looked.stop()
