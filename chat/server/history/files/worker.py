"""One thread that does the work on kept files, in the order in which it was asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent.event import AsyncResult, Event
from gevent.threadpool import ThreadPool

from chat.process.offload import Outcome, outcome_of, run_in

Result = TypeVar("Result")


class FileWorker:
    """Call functions in one thread.

    A greenlet hands them to the thread: a pool of gevent makes its caller wait while its thread is busy, and the room
    must not wait while it says a message.
    """

    def __init__(self) -> None:
        self._pool = ThreadPool(1)
        self._jobs: deque[tuple[Callable[[], Any], AsyncResult[Outcome[Any]] | None]] = deque()
        self._wake, self._is_idle = Event(), Event()
        self._is_idle.set()
        self._task: gevent.Greenlet[..., object] | None = None

    def do(self, function: Callable[[], object]) -> None:
        """Call ``function``, which raises nothing. Does not wait."""
        self._add(function, None)

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call ``function``, wait for it, and return its result or raise its exception."""
        result: AsyncResult[Outcome[Any]] = AsyncResult()
        self._add(lambda: function(*arguments), result)
        outcome: Outcome[Result] | None = result.get()
        assert outcome is not None, "the greenlet gives each call its outcome"
        return outcome.get()

    def stop(self, timeout: float) -> bool:
        """Finish what was asked for, and end the thread; return whether that took at most ``timeout`` seconds."""
        if not self._is_idle.wait(timeout):
            return False
        if self._task is not None:
            self._task.kill()
        self._pool.kill()
        return True

    def _add(self, function: Callable[[], Any], result: AsyncResult[Outcome[Any]] | None) -> None:
        self._jobs.append((function, result))
        self._is_idle.clear()
        self._wake.set()
        if self._task is None:
            self._task = gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            while self._jobs:
                function, result = self._jobs.popleft()
                outcome: Outcome[Any] = run_in(self._pool, outcome_of, function)
                if result is not None:
                    result.set(outcome)
            self._is_idle.set()
            self._wake.clear()
            self._wake.wait()
