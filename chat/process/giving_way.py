"""Let the event loop run soon while another thread computes.

A thread that computes in Python keeps the interpreter for 5 ms before it gives way (``sys.setswitchinterval``). So long
would each message wait, once for each thing that the loop does for it. A shorter interval all the time would cost busy
loops more: there the threads are short, and the loop is the one that computes.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Seconds. Single calls of the search, such as folding a row of texts, take as long.
INTERVAL = 0.0005


class _Threads:
    """Count the threads that give way; the interval of the interpreter is short while there is one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._usual = 0.0

    def begin(self) -> None:
        with self._lock:
            if not self._count:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(min(INTERVAL, self._usual))
            self._count += 1

    def end(self) -> None:
        with self._lock:
            self._count -= 1
            if not self._count:
                sys.setswitchinterval(self._usual)


_threads = _Threads()


@contextmanager
def giving_way() -> Iterator[None]:
    """Give way to other threads soon, as long as the body runs. For threads that compute beside the event loop."""
    _threads.begin()
    try:
        yield
    finally:
        _threads.end()
