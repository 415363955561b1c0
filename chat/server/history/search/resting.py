"""Let a thread rest after its work, so that the event loop keeps a part of the processor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class RestingWorker:
    """A thread that rests ``share`` seconds for each second of a core that it has worked, before its next work.

    The rest is over at once if no work comes earlier. ``clock`` and ``used`` return seconds: the time, and what the
    thread has used of the processor.
    """

    def __init__(
        self,
        share: float,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.thread_time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._share = share
        self._clock = clock
        self._used = used
        self._sleep = sleep
        self._rests_until = 0.0

    @contextmanager
    def working(self) -> Iterator[None]:
        """Wait until the rest is over, then work. Called in the thread."""
        self._sleep(max(0.0, self._rests_until - self._clock()))
        start = self._used()
        try:
            yield
        finally:
            self._rests_until = self._clock() + (self._used() - start) * self._share
