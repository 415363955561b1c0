"""Stopping a transfer from elsewhere, and waiting for one's turn so that it can be stopped meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chat.client.errors import TransferCancelled
from chat.client.runtime.runtime import Event, Runtime


class Cancellation:
    """Give it to one transfer; ``cancel()``, from any task, ends that transfer with TransferCancelled."""

    def __init__(self) -> None:
        self.cancelled = False
        self._callbacks: list[Callable[[], object]] = []

    def cancel(self) -> None:
        self.cancelled = True
        for callback in list(self._callbacks):
            callback()

    def check(self) -> None:
        """Raises TransferCancelled."""
        if self.cancelled:
            raise TransferCancelled("The transfer was cancelled.")

    @contextmanager
    def calls(self, callback: Callable[[], object]) -> Iterator[None]:
        """While inside, ``cancel()`` calls ``callback`` (maybe twice); at once if it was called before."""
        self._callbacks.append(callback)
        try:
            if self.cancelled:
                callback()
            yield
        finally:
            self._callbacks.remove(callback)

    def sleep(self, runtime: Runtime, seconds: float) -> None:
        """Raises TransferCancelled, as soon as it is."""
        woken = runtime.event()
        with self.calls(woken.set):
            woken.wait(seconds)
        self.check()


class Turns:
    """At most ``count`` at a time, the others in the order in which they came."""

    def __init__(self, runtime: Runtime, count: int) -> None:
        self._runtime = runtime
        self._lock = runtime.lock()
        self._free = count
        self._waiting: deque[Event] = deque()

    @contextmanager
    def turn(self, cancel: Cancellation) -> Iterator[None]:
        """Wait for it and have it. Raises TransferCancelled."""
        called = self._runtime.event()
        with self._lock:
            if self._free:
                self._free -= 1
                called.set()
            else:
                self._waiting.append(called)
        try:
            with cancel.calls(called.set):
                called.wait()
            cancel.check()
            yield
        finally:
            self._give_up(called)

    def _give_up(self, called: Event) -> None:
        with self._lock:
            if called in self._waiting:  # it was not called, but cancelled
                self._waiting.remove(called)
            elif self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
