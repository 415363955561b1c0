"""Yield to the event loop, so that a greenlet that always has work does not hold up the others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import Waiter


class _NextLook(threading.local):
    """The next look of this thread's event loop at its sockets, and the greenlets that wait for it."""

    def __init__(self) -> None:
        loop: Any = gevent.get_hub().loop
        self._waiting: list[Callable[[None], object]] = []
        # One watcher for all waiting greenlets. To start and stop one for each would double the cost of a yield.
        self._watcher = loop.idle()
        # libev runs an idle watcher when no event of its priority or a higher one is pending. At the highest priority
        # that is after one look at the sockets, however busy the loop is.
        self._watcher.priority = loop.MAXPRI

    def wait(self) -> None:
        waiter: Waiter[None] = Waiter()
        if not self._waiting:
            self._watcher.start(self._is_over)
        self._waiting.append(waiter.switch)
        waiter.get()

    def _is_over(self) -> None:
        self._watcher.stop()
        waiting, self._waiting = self._waiting, []
        for switch in waiting:
            switch(None)


_next_look = _NextLook()


def yield_to_loop() -> None:
    """Wait until the event loop has looked once at every socket and timer, so that all that are ready run first.

    ``gevent.sleep(0)`` is not enough. While greenlets only yield to each other in that way, the loop runs fifty of
    their turns before it looks at its sockets. If each turn delivers a large batch to many users, that takes a tenth
    of a second. In this time the server receives nothing, and slow consumers cannot catch up.
    """
    _next_look.wait()
