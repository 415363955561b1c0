"""Turns in the event loop, for greenlets that could go on: everyone else is given his before the next."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import Waiter


class _NextLook(threading.local):
    """What the loop of this thread does next is to look at its sockets; and who waits for that."""

    def __init__(self) -> None:
        loop: Any = gevent.get_hub().loop
        self._waiting: list[Callable[[None], object]] = []
        # One for all who wait, since to start and stop one for each costs as much as the rest of a turn.
        self._watcher = loop.idle()
        # At the highest priority it is over after one look, whatever else is going on.
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
    """Wait until the loop has looked once at every socket and timer: whoever is ready has his turn before our next.

    ``gevent.sleep(0)`` does not say so much: of greenlets that only give each other way so, the loop runs fifty turns
    before it looks. Where one turn delivers a large batch to a crowd, that is a tenth of a second in which nothing is
    received, and nobody who is behind can catch up.
    """
    _next_look.wait()
