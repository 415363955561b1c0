"""Limit the share of the event loop that newcomers get: all of an idle loop, at most a third of a busy one.

A login takes as long as the delivery of dozens of messages. Thousands of logins a second, from so many addresses that
each of them is below every limit, would otherwise take the loop from those who talk.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import gevent
from gevent.hub import Waiter

# Seconds of CPU time of newcomers' turns in a row; then the loop looks at its sockets. A message waits about as long.
SLICE = 0.002
# After a slice, everyone else gets so many times its length. With 2, newcomers have a third.
_OTHERS = 2.0
# The most seconds that newcomers wait because of time charged to them outside of their slices.
_LONGEST_DEBT = 0.5
# The most turns that wait. Beyond these a login is refused. Other turns always wait: to refuse them would cost as much.
MAX_WAITING = 4096


class TooBusy(Exception):
    """Too many turns wait already."""


class LoopShare:
    """The turns of newcomers, in the order in which they were asked for.

    A turn lasts from when it is given until its greenlet waits for something. Turns are given in slices of ``SLICE``
    seconds. Between two slices the loop looks at all sockets. The next slice comes at once if that look finds nothing
    to do. Otherwise it comes when twice the time of the last slice has passed. So newcomers take the whole loop while
    nobody else has use for it, and a third of it at most while others keep it busy.

    ``clock`` gives seconds of CPU time of the loop's thread. Not of the time of day: on a busy machine a slice lasts as
    long as other processes run meanwhile, and to wait for twice that would let in a handful of newcomers a second.
    ``loop`` is gevent's.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time, loop: Any = None) -> None:
        self._clock = clock
        self._queue: deque[Callable[[], object]] = deque()
        self._is_running = False
        self._had_slice = False  # after the last look
        self._due = 0.0  # by the clock: when the next slice may come though others are busy
        loop = loop if loop is not None else gevent.get_hub().loop
        # libev runs a watcher of the lowest priority only when the last look found no event at all.
        self._idle = loop.idle()
        self._idle.priority = loop.MINPRI
        # This one runs after each look, before the other.
        self._looked = loop.check()

    @property
    def waiting(self) -> int:
        """The number of turns that wait."""
        return len(self._queue)

    @property
    def has_turn(self) -> bool:
        """Whether the caller has a turn, which is so during a slice."""
        return self._is_running

    def call(self, function: Callable[[], object]) -> None:
        """Call ``function`` as a turn, later. It must not wait and must raise nothing."""
        self._queue.append(function)
        if len(self._queue) == 1:
            self._idle.start(self._run_slice_if_idle)
            self._looked.start(self._run_slice_if_due)

    def wait(self) -> None:
        """Wait until this greenlet has a turn, which ends when it waits again. Return at once during a turn."""
        if self._is_running:
            return
        waiter: Waiter[None] = Waiter()
        self.call(partial(waiter.switch, None))
        waiter.get()

    def wait_if_few(self) -> None:
        """Wait for a turn like ``wait``. Raises TooBusy at once if ``MAX_WAITING`` wait already."""
        if not self._is_running and len(self._queue) >= MAX_WAITING:
            raise TooBusy
        self.wait()

    def charge(self, seconds: float) -> None:
        """Count ``seconds`` of CPU time that were spent on newcomers outside of their turns."""
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
