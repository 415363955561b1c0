"""Cancel a transfer from another task, also while the transfer waits for its turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chat.client.errors import TransferCancelled
from chat.client.runtime.runtime import Event, Runtime


class Cancellation:
    """A handle to cancel one transfer: ``cancel()``, from any task, ends the transfer with TransferCancelled."""

    def __init__(self) -> None:
        self.cancelled = False
        self._callbacks: list[Callable[[], object]] = []

    def cancel(self) -> None:
        """Cancel the transfer, and wake it if it waits."""
        self.cancelled = True
        # A copy: the task that is woken may leave its ``calls`` block, which changes the list, before the loop ends.
        for callback in list(self._callbacks):
            callback()

    def check(self) -> None:
        """Raise TransferCancelled if the transfer was cancelled."""
        if self.cancelled:
            raise TransferCancelled("The transfer was cancelled.")

    @contextmanager
    def calls(self, callback: Callable[[], object]) -> Iterator[None]:
        """Have ``cancel()`` call ``callback`` while the block runs; call it at once if ``cancel()`` came before.

        ``callback`` may be called twice, if ``cancel()`` comes while this method looks.
        """
        self._callbacks.append(callback)
        try:
            if self.cancelled:
                callback()
            yield
        finally:
            self._callbacks.remove(callback)

    def sleep(self, runtime: Runtime, seconds: float) -> None:
        """Sleep for ``seconds``. Raises TransferCancelled at once when the transfer is cancelled."""
        woken = runtime.event()
        with self.calls(woken.set):
            woken.wait(seconds)
        self.check()


class Turns:
    """Turns for tasks: at most ``count`` tasks have one at a time, and the others wait in the order of arrival."""

    def __init__(self, runtime: Runtime, count: int) -> None:
        self._runtime = runtime
        self._lock = runtime.lock()
        self._free = count
        self._waiting: deque[Event] = deque()

    @contextmanager
    def turn(self, cancel: Cancellation) -> Iterator[None]:
        """Wait for a turn, and have it while the block runs. Raises TransferCancelled."""
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
        """Pass the turn to the next task; or leave the line, if the task was cancelled while it waited."""
        with self._lock:
            if called in self._waiting:  # cancelled before it had a turn
                self._waiting.remove(called)
            elif self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
