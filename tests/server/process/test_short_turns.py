"""A helper that computes for long rests after each short turn."""

from __future__ import annotations

from itertools import pairwise

import pytest

from chat.server.process import short_turns
from chat.server.process.short_turns import ShortTurns


def test_it_rests_when_its_turn_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now, rests = 0.0, []

    class Clock:
        @staticmethod
        def perf_counter() -> float:
            return now

        @staticmethod
        def sleep(seconds: float) -> None:
            nonlocal now
            rests.append(now)
            now += seconds

    monkeypatch.setattr(short_turns, "time", Clock)
    turns = ShortTurns()
    while now < 0.01:
        now += 0.0001
        turns.rest_in_time()
    # Each is after three or four steps of work, and its own length.
    assert len(rests) >= 15
    assert all(later - earlier < 0.0007 for earlier, later in pairwise(rests))
