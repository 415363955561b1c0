"""Wait for what a start needs of others: the engine, the lease of the name, a server that has the data."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import gevent

from chat.process.signals import STOPPING, waking
from chat.server.process.lasting_fault import LastingFault

T = TypeVar("T")

# Seconds in which a server may begin. Another run of it may hold the lease for 15 s after a crash.
_PATIENCE = 60.0
_PAUSE = 0.5  # seconds between two tries


@contextmanager
def stoppable() -> Iterator[None]:
    """Let a signal that asks to stop raise KeyboardInterrupt in this greenlet, where it waits, and in no other one."""
    waiting, loop = gevent.getcurrent(), gevent.get_hub().loop
    has_left = False

    def stop() -> None:
        if not has_left:
            waiting.throw(KeyboardInterrupt)

    with waking(STOPPING, partial(loop.run_callback_threadsafe, stop)):
        try:
            yield
        finally:
            has_left = True


def try_for_a_minute(
    attempt: Callable[[], T],
    failures: tuple[type[Exception], ...],
    title: str,
    tell: Callable[[str], object],
) -> T:
    """Return what ``attempt`` returns; try again while it raises one of ``failures``.

    A failure whose ``is_final`` is true ends this at once. ``title`` begins the line of the log about a failure, and
    ``tell`` gets its text. Raises ``failures``.
    """
    deadline = time.monotonic() + _PATIENCE
    fault = LastingFault(title, logging.WARNING)
    while True:
        try:
            return attempt()
        except failures as problem:
            if getattr(problem, "is_final", False) or time.monotonic() >= deadline:
                raise
            fault.note(problem)
            tell(str(problem))
        gevent.sleep(_PAUSE)
