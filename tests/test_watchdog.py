"""A test that takes too long is noticed, and no other."""

from __future__ import annotations

import threading
import time
from functools import partial
from types import SimpleNamespace

import pytest

from tests import watchdog
from tests.watchdog import Watchdog


def test_each_that_is_late_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    looked = threading.Semaphore(0)

    def sleep(seconds: float) -> None:
        looked.release()
        time.sleep(0.001)

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr(watchdog, "time", clock)
    told: list[str] = []
    dog = Watchdog()

    def look() -> None:
        """Wait until the thread has looked at the clock once from here on."""
        while looked.acquire(blocking=False):
            continue
        assert looked.acquire(timeout=30)
        assert looked.acquire(timeout=30)

    for name, late in (("a", False), ("b", True), ("c", False), ("d", True)):
        begun = now[0]
        dog.watch(5, partial(told.append, name))
        now[0] = begun + 4
        look()
        if not late:
            dog.rest()
        now[0] = begun + 6
        look()
        look()
    assert told == ["b", "d"]


def test_a_test_is_watched() -> None:
    assert "watchdog" in {thread.name for thread in threading.enumerate()}
